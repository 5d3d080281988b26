"""Spaces: filling, counting, listing and validating, for any nesting."""

import itertools
import math
import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_spaces import spaces
from torch import nn

from search_spaces import Space, choice, integer, layer, real, repeat, sequential
from search_spaces.errors import DecisionError, SpaceError

relaxed = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])


@relaxed
@given(spaces, st.integers(0, 2**31))
def test_size_listing_and_filling_agree(space: Space, seed: int) -> None:
    size = space.size()
    listed = list(itertools.islice(space.enumerate(), 400))
    decisions = {tuple(architecture.decisions.items()) for architecture in listed}
    assert len(decisions) == len(listed)
    assert len(listed) == min(size, 400)
    sample = space.sample(random.Random(seed))
    assert size > 400 or tuple(sample.decisions.items()) in decisions
    assert set(sample.decisions) <= set(space.holes())
    assert all(space.holes()[path] == hole for path, hole in sample.holes.items())


@relaxed
@given(spaces, st.integers(0, 2**31))
def test_decisions_and_json_bring_an_architecture_back(space: Space, seed: int) -> None:
    sample = space.sample(random.Random(seed))
    assert space.architecture(dict(sample.decisions)).id == sample.id
    again = Space.from_json(space.to_json())
    assert {p: h.expected for p, h in again.holes().items()} == {
        p: h.expected for p, h in space.holes().items()
    }
    assert again.size() == space.size()
    twin = again.architecture(dict(sample.decisions))
    assert twin.id == sample.id
    read = type(sample).from_json(sample.to_json())
    assert read.id == sample.id
    assert read.decisions == sample.decisions
    assert read.to_json() == sample.to_json()


@relaxed
@given(spaces, st.integers(0, 2**31), st.randoms())
def test_a_decision_missing_wrong_or_extra_is_named(space: Space, seed: int, rng: random.Random) -> None:
    decisions = dict(space.sample(random.Random(seed)).decisions)
    with pytest.raises(DecisionError, match=r"'elsewhere': expected nothing .*got 1"):
        space.architecture({**decisions, "elsewhere": 1})
    if decisions:
        path = rng.choice(list(decisions))
        with pytest.raises(DecisionError) as wrong:
            space.architecture({**decisions, path: "no such value"})
        assert wrong.value.path == path
        assert "'no such value'" in str(wrong.value)
        with pytest.raises(DecisionError) as missing:
            space.architecture({p: v for p, v in decisions.items() if p != path})
        assert missing.value.path == path
        assert "got nothing" in str(missing.value)


def test_each_active_hole_is_asked_once_in_order() -> None:
    width = integer(8, 64, name="width")
    space = Space(
        {"a": choice(x=[width, width], y=width), "b": width, "c": choice(deep=choice(1, 2), flat=0)}
    )
    asked = []

    def pick(path, hole):
        asked.append(path)
        return hole.values[0]

    value = space.fill(pick).value
    assert asked == ["a", "width", "c", "c.deep"]
    assert value == {"a": [8, 8], "b": 8, "c": 1}
    assert list(space.holes()) == ["a", "width", "c", "c.deep"]


def test_the_example_of_the_readme() -> None:
    space = Space({"op": choice("a", "b"), "width": integer(8, 64)})
    assert space.size() == 114
    assert space.architecture({"op": "b", "width": 9}).value == {"op": "b", "width": 9}


def test_a_space_within_a_space_and_a_lone_hole() -> None:
    inner = Space({"x": choice(1, 2)})
    assert list(Space({"in": inner}).holes()) == ["in.x"]
    assert Space(inner).size() == 2
    assert Space(choice(1, 2, 3)).sample(random.Random(0)).decisions.keys() == {"value"}
    with pytest.raises(SpaceError, match="two different holes"):
        Space([choice(1, 2, name="n"), choice(1, 3, name="n")])
    with pytest.raises(SpaceError, match="two different holes"):
        Space({"a": {"b": choice(1, 2)}, "a.b": choice(1, 2)})
    with pytest.raises(SpaceError, match="keys of text"):
        Space({1: choice(1, 2)})


def test_what_a_named_choice_holds_is_decided_once_with_it() -> None:
    branch = choice(some=[choice("p", "q")], none=None, name="branch")
    space = Space([branch, branch, repeat(branch, 2)])
    assert space.size() == 3 == len(list(space.enumerate()))
    value = space.architecture({"branch": "some", "branch.some.0": "q"}).value
    assert value == [["q"], ["q"], [["q"], ["q"]]]


def test_a_hole_may_say_how_often_and_be_used_elsewhere() -> None:
    depth = integer(0, 3, name="depth")
    space = Space({"depth": depth, "widths": repeat(choice(1, 2), depth)})
    assert space.size() == 1 + 2 + 4 + 8 == len(list(space.enumerate()))
    assert space.architecture({"depth": 0}).value == {"depth": 0, "widths": []}


def test_infinite_and_huge_spaces_are_counted_at_once() -> None:
    assert Space({"rate": real(0, 1)}).size() == math.inf
    with pytest.raises(SpaceError, match="'rate' is a real number"):
        Space({"rate": real(0, 1)}).enumerate()
    start = time.perf_counter()
    assert Space([integer(1, 10**12)] * 1).size() == 10**12
    assert Space(repeat(repeat(choice(*range(10)), 100), 20)).size() == 10**2000
    nested = choice(1, 2)
    for _ in range(8):
        nested = choice(deep=repeat(nested, (1, 3)), flat=0)
    assert Space(nested).size() > 10**300
    # names used once each in branches of their own must not multiply the work
    assert Space([choice(a=choice(1, 2, name=f"n{i}"), b=0) for i in range(40)]).size() == 3**40
    assert time.perf_counter() - start < 2
    assert next(iter(Space([integer(1, 10**12)]).enumerate())).value == [1]


def test_the_listing_is_lazy() -> None:
    space = Space([choice(*range(10)) for _ in range(60)])
    first = list(itertools.islice(space.enumerate(), 11))
    assert first[10].value[-2:] == [1, 0]


def test_lists_in_a_model_are_layers_in_a_row() -> None:
    space = Space({"model": [layer(nn.Flatten), [choice(none=None, act=layer(nn.ReLU))]]})
    plain = Space({"model": sequential(layer(nn.Flatten), layer(nn.ReLU))})
    acting = space.architecture({"model.1.0": "act"})
    assert acting.id == plain.sample(random.Random(0)).id
    assert len(space.architecture({"model.1.0": "none"}).model.body.parts) == 1


@pytest.mark.parametrize("part", [3, {"a": 1}, "text"])
def test_a_sequential_refuses_what_is_no_layer(part: object) -> None:
    with pytest.raises(SpaceError, match="part 0"):
        sequential(part)


@pytest.mark.parametrize("times", [-1, True, 1.5, integer(-1, 2), choice("a")])
def test_a_repeat_refuses_what_is_no_number_of_times(times: object) -> None:
    with pytest.raises(SpaceError, match="whole numbers >= 0"):
        repeat(choice(1, 2), times)  # type: ignore[arg-type]


def test_deep_nesting_is_no_trouble() -> None:
    value: object = choice(1, 2)
    for _ in range(100):
        value = {"in": [value]}
    sample = Space(value).sample(random.Random(0))
    assert type(sample).from_json(sample.to_json()).id == sample.id


# -- where one would begin ---------------------------------------------------------------------------------


def test_the_plain_architecture_has_the_middle_of_numbers_and_the_first_of_other_options() -> None:
    space = Space(
        {
            "kind": choice("cnn", "vit"),
            "width": choice(64, 16, 32, 128),
            "residual": choice(False, True),
            "tap": choice(None, 0.5, 1.0),
            "depth": integer(1, 9),
            "rate": real(1e-4, 1e-2, log=True),
            "more": choice(none=None, some={"size": choice(3, 5, 7)}),
        }
    )
    plain = space.plain()
    assert plain.decisions["rate"] == pytest.approx(1e-3)
    others = {path: value for path, value in plain.decisions.items() if path != "rate"}
    expected = {"kind": "cnn", "width": 32, "residual": False, "tap": None, "depth": 5, "more": "none"}
    assert others == expected
    some = space.plain({"more": "some", "depth": 2})
    assert some.decisions == {**plain.decisions, "more": "some", "depth": 2, "more.some.size": 5}
    with pytest.raises(DecisionError, match=r"decision 'more.some.size': expected nothing \(not active"):
        space.plain({"more.some.size": 3})
    with pytest.raises(DecisionError, match="a whole number from 1 to 9, got 10"):
        space.plain({"depth": 10})


def test_a_sample_of_different_networks_is_smaller_where_the_space_is() -> None:
    space = Space({"width": integer(1, 3)})
    assert len({one.id for one in space.sample_different(2, random.Random(0))}) == 2
    assert sorted(one.value["width"] for one in space.sample_different(9, random.Random(0))) == [1, 2, 3]
    with pytest.raises(SpaceError, match="number: expected a whole number above 0, got 0"):
        space.sample_different(0, random.Random(0))
