"""Holes: their values, how they are sampled, moved and scaled."""

import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from search_spaces import choice, integer, layer, real
from search_spaces.errors import SpaceError
from search_spaces.holes import Choice, Hole
from search_spaces.ranges import Integer

integers = st.builds(
    lambda low, span, step, log: integer(low, low + span, step=step, log=log),
    st.integers(1, 50),
    st.integers(0, 200),
    st.integers(1, 70),
    st.booleans(),
)
reals = st.builds(
    lambda low, factor, log: real(low, low * factor, log=log),
    st.floats(1e-6, 10),
    st.floats(1.01, 1e6),
    st.booleans(),
)
choices = st.lists(
    st.one_of(st.integers(-5, 5), st.text(max_size=2)), min_size=1, max_size=5, unique=True
).map(lambda options: choice(*options))
holes = st.one_of(integers, reals, choices)


@given(holes, st.integers(0, 2**31))
def test_what_is_sampled_and_what_it_moves_to_are_values(hole: Hole, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(5):
        value = hole.sample(rng)
        assert hole.contains(value)
        moved = hole.mutate(value, rng)
        assert hole.contains(moved)
        assert (moved == value) == (hole.num_values == 1)


@given(holes, st.integers(0, 2**31))
def test_the_unit_scale_goes_there_and_back(hole: Hole, seed: int) -> None:
    value = hole.sample(random.Random(seed))
    unit = hole.to_unit(value)
    assert 0 <= unit <= 1
    back = hole.from_unit(unit)
    assert back == (pytest.approx(value) if isinstance(value, float) else value)


@given(holes, st.floats(-2, 3))
def test_every_place_on_the_unit_scale_is_a_value(hole: Hole, unit: float) -> None:
    assert hole.contains(hole.from_unit(unit))


@given(st.one_of(integers, choices))
def test_values_are_listed_and_counted_alike(hole: Hole) -> None:
    assert hole.values is not None
    assert hole.num_values == len(hole.values)
    assert tuple(hole.value_at(i) for i in range(len(hole.values))) == hole.values
    assert hole.to_unit(hole.values[0]) == 0
    assert len(hole.values) == 1 or hole.to_unit(hole.values[-1]) == 1


def test_a_choice_is_sampled_and_moved_uniformly() -> None:
    hole, rng = choice("a", "b", "c"), random.Random(0)
    sampled = Counter(hole.sample(rng) for _ in range(3000))
    moved = Counter(hole.mutate("b", rng) for _ in range(3000))
    assert all(900 < n < 1100 for n in sampled.values())
    assert set(moved) == {"a", "c"}
    assert 1350 < moved["a"] < 1650


def test_a_logarithmic_number_is_sampled_uniformly_on_its_scale() -> None:
    rng = random.Random(0)
    below = sum(real(1e-4, 1e-2, log=True).sample(rng) < 1e-3 for _ in range(2000))
    assert 900 < below < 1100
    values = Counter(integer(1, 64, log=True).sample(rng) for _ in range(4000))
    assert values[1] > values[2] > values[8]
    assert min(values) == 1
    assert max(values) == 64


def test_mutations_of_numbers_are_near() -> None:
    hole, rng = integer(0, 100), random.Random(0)
    steps = [abs(hole.mutate(50, rng) - 50) for _ in range(500)]
    assert 5 < sum(steps) / 500 < 30


def test_numpy_random_generators_and_numpy_values_do() -> None:
    rng = np.random.default_rng(0)
    assert type(integer(1, 5).sample(rng)) is int
    assert type(integer(1, 5).coerce(np.int64(3))) is int
    assert type(choice(16, 32).coerce(np.int64(16))) is int
    assert type(real(0, 1).coerce(np.float32(0.5))) is float
    assert choice(True, False).coerce(np.bool_(True)) is True
    assert choice(*np.array([8, 16])).values == (8, 16)


def test_truth_values_and_numbers_are_different_things() -> None:
    assert not choice(0, 1).contains(True)
    assert not choice(True, False).contains(1)
    assert not integer(0, 1).contains(True)
    assert not real(0, 1).contains(True)
    assert not integer(0, 5).contains(2.5)
    assert not integer(0, 6, step=2).contains(3)
    assert not choice("a").contains(["a"])


def test_options_that_are_no_plain_values_get_labels() -> None:
    conv = layer(nn.Conv2d, out_channels=8, kernel_size=3)
    assert choice(conv, layer(nn.ReLU), None).values == ("Conv2d", "ReLU", None)
    assert choice(conv, conv, big=conv).values == ("Conv2d-0", "Conv2d-1", "big")
    assert choice({"a": 1}, {"a": 2}, [1]).values == ("dict-0", "dict-1", "list")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (choice, "at least one option"),
        (lambda: choice(1, True), "cannot be told apart"),
        (lambda: choice(1, 1.0), "cannot be told apart"),
        (lambda: choice("a", a=[]), "cannot be told apart"),
        (lambda: choice(math.nan, 1), "NaN"),
        (lambda: choice(1, name=""), "name"),
        (lambda: Choice((1,), (1,), name=3), "name"),  # type: ignore[arg-type]
        (lambda: integer(3, 2), "low <= high"),
        (lambda: integer(1, 4, step=0), "step >= 1"),
        (lambda: integer(0, 4, log=True), "starts at 1"),
        (lambda: integer(0.5, 4), "whole numbers"),  # type: ignore[arg-type]
        (lambda: integer(False, 4), "whole numbers"),
        (lambda: real(1, 1), "low < high"),
        (lambda: real(0, 1, log=True), "above 0"),
        (lambda: real(0, math.inf), "finite"),
        (lambda: real(-1e308, 1.7e308), "too wide"),
    ],
)
def test_a_hole_written_wrongly_is_refused(make, says: str) -> None:
    with pytest.raises(SpaceError, match=says):
        make()


def test_a_huge_range_is_not_listed() -> None:
    hole: Integer = integer(1, 10**15)
    assert hole.num_values == 10**15
    assert hole.value_at(10**14) == 10**14 + 1
    assert hole.contains(hole.sample(random.Random(0)))
