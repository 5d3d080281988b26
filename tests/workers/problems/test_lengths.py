"""Series of different lengths become one array with padding, and what is no padding is refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from search_spaces import Classification, Image, Sequence, Signature, Tagging, Vector
from search_spaces.errors import ProblemError
from workers.problems import Problem, Split

RANDOM = np.random.default_rng(0)
LENGTHS = [2, 5, 3, 4] * 10
SERIES = [RANDOM.normal(size=(length, 3)).astype(np.float32) for length in LENGTHS]
LABELS = np.arange(40) % 2
PADDED = np.full((40, 5, 3), np.nan, np.float32)
for row, one in zip(PADDED, SERIES, strict=True):
    row[: len(one)] = one

UP_TO_SEVEN = Signature({"pen": Sequence(7, 3, padded=True)}, {"kind": Classification(2)})


def made(inputs: Any = SERIES, targets: Any = LABELS, **more: Any) -> Problem:
    """A problem with all of its examples in every part, in their order."""
    pair = (inputs, targets)
    return Problem.from_tensors("p", pair, pair, pair, **more)


def same(one: torch.Tensor, other: Any) -> bool:
    return torch.equal(one.nan_to_num(9), torch.as_tensor(other).nan_to_num(9))


@pytest.mark.parametrize(
    "given",
    [
        SERIES,
        [torch.tensor(one) for one in SERIES],
        [one.tolist() for one in SERIES],
        np.array([*SERIES, None], dtype=object)[:-1],
        PADDED,
    ],
    ids=["arrays", "tensors", "lists", "objects", "padded"],
)
def test_series_of_different_lengths_are_said_by_a_list_or_by_steps_of_nan(given: Any) -> None:
    problem = made(given)
    assert problem.signature.inputs == {"sequence": Sequence(5, 3, padded=True)}
    assert same(problem.train.inputs["sequence"], PADDED)
    assert problem.train.inputs["sequence"].dtype == torch.float32
    assert "2 to 5 steps in train, steps of NaN are padding" in problem.describe()


def test_a_signature_says_the_length_to_which_series_are_padded() -> None:
    for given in (SERIES, PADDED, {"pen": SERIES}):
        series = made(given, signature=UP_TO_SEVEN).train.inputs["pen"]
        assert series.shape == (40, 7, 3)
        assert same(series[:, :5], PADDED)
        assert series[:, 5:].isnan().all()
    assert "series of up to 5 steps were padded to 7" in made(signature=UP_TO_SEVEN).describe()
    further = np.concatenate([PADDED, np.full((40, 6, 3), np.nan)], 1)
    assert same(made(further, signature=UP_TO_SEVEN).train.inputs["pen"][:, :5], PADDED)
    whole = made(RANDOM.normal(size=(40, 7, 3)), signature=UP_TO_SEVEN)
    assert whole.train.inputs["pen"].isfinite().all()


def test_parts_of_different_lengths_are_padded_to_the_longest() -> None:
    longer = [np.ones((6, 3)), np.ones((1, 3))] * 20
    problem = Problem.from_tensors("p", (SERIES, LABELS), (longer, LABELS), (PADDED[:, :4], LABELS))
    assert problem.signature.inputs["sequence"] == Sequence(6, 3, padded=True)
    assert problem.train.inputs["sequence"].shape == (40, 6, 3)


def test_series_of_one_feature_are_lists_of_numbers_where_the_signature_says_so() -> None:
    signature = Signature({"pen": Sequence(5, 1, padded=True)}, {"kind": Classification(2)})
    given = [one[:, 0] for one in SERIES]
    assert same(made(given, signature=signature).train.inputs["pen"], PADDED[:, :, :1])
    assert same(made(PADDED[:, :, 0], signature=signature).train.inputs["pen"], PADDED[:, :, :1])
    with pytest.raises(ProblemError, match="lists of one length each"):
        made([one.tolist() for one in given])


def test_a_data_set_may_have_items_of_different_lengths() -> None:
    items = [(series, int(label)) for series, label in zip(SERIES, LABELS, strict=True)]
    problem = Problem.from_dataset("p", items, items, items)  # type: ignore[arg-type]
    assert same(problem.train.inputs["sequence"], PADDED)


def test_whole_numbers_and_numbers_of_64_bits_may_be_padded_and_lose_nothing() -> None:
    whole = [(10 * one).astype(np.int64) for one in SERIES]
    assert made(whole).train.inputs["sequence"].dtype == torch.float32
    with pytest.raises(ProblemError, match="expected numbers that stay apart in 32 bits"):
        made([1e12 + np.arange(3.0 * length).reshape(length, 3) for length in LENGTHS])


def test_a_series_may_be_empty_and_one_that_is_missing_is_zeros() -> None:
    series = [np.zeros((0, 3), np.float32), *SERIES[1:]]
    assert made(series).train.inputs["sequence"][0].isnan().all()
    there = np.arange(40) > 3
    split = Split({"pen": series, "other": np.ones((40, 2))}, {"kind": LABELS}, present={"pen": there})
    signature = Signature({**UP_TO_SEVEN.inputs, "other": Vector(2)}, UP_TO_SEVEN.tasks)
    for problem in (
        Problem.from_tensors("p", split, split, split, signature=signature),
        Problem.from_tensors("p", split, split, split),
    ):
        assert problem.train.inputs["pen"][:4].eq(0).all()
        assert problem.train.inputs["pen"][4, -1].isnan().all()


def test_tags_of_padding_are_ignored() -> None:
    signature = Signature(UP_TO_SEVEN.inputs, {"tags": Tagging(4)})
    wanted = torch.full((40, 7), -100)
    for row, length in zip(wanted, LENGTHS, strict=True):
        row[:length] = torch.arange(length) % 4
    lists = [np.arange(length) % 4 for length in LENGTHS]
    zeros = wanted.clamp(min=0)
    for tags in (lists, zeros, zeros[:, :5], wanted):
        assert torch.equal(made(targets=tags, signature=signature).train.targets["tags"], wanted)
    right = made(targets=lists, signature=signature).train
    wrong = Split(right.inputs, {"tags": zeros})
    with pytest.raises(
        ProblemError, match=r"task 'tags': expected -100 where input 'pen' is padded, got 140"
    ):
        Problem("p", signature, wrong, right, right)


def _with(example: int, step: int, value: Any) -> Any:
    changed = PADDED.copy()
    changed[example, step] = value
    return changed


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (_with(1, 2, np.nan), "got a real step after one of padding: step 3 of example 1"),
        (_with(1, 0, np.nan), "got a real step after one of padding: step 1 of example 1"),
        (_with(3, 1, [0, np.nan, 1]), "got NaN or infinity in step 1 of example 3"),
        (_with(0, 4, [0, np.inf, 1]), "got NaN or infinity in step 4 of example 0"),
        (np.full_like(PADDED, np.nan), "expected real steps, got padding alone"),
        (RANDOM.normal(size=(40, 9, 3)), "expected up to 7 steps, got float64 (40, 9, 3)"),
        (PADDED[:, :, :2], "expected shape (N, 7, 3), got (40, 5, 2)"),
    ],
)
def test_what_is_no_padding_is_refused(given: Any, said: str) -> None:
    with pytest.raises(ProblemError, match=re.escape(said)):
        made(given, signature=UP_TO_SEVEN)


def test_nan_is_no_padding_where_the_signature_does_not_say_so() -> None:
    plain = Signature({"pen": Sequence(5, 3)}, UP_TO_SEVEN.tasks)
    with pytest.raises(ProblemError, match=re.escape("say Sequence(5, 3, padded=True)")):
        made(signature=plain)
    with pytest.raises(ProblemError, match="expected finite numbers, got NaN"):
        made(_with(0, slice(None), 1) * np.where(np.arange(5) == 2, np.nan, 1)[:, None], signature=plain)
    with pytest.raises(ProblemError, match=re.escape("expected shape (N, 3, 5, 3)")):
        made(signature=Signature({"pen": Image(3, 5, 3)}, UP_TO_SEVEN.tasks))


@pytest.mark.parametrize("make", [torch.tensor, np.asarray])
def test_series_whose_steps_come_last_and_bytes_that_may_be_images_are_refused(make: Any) -> None:
    with pytest.raises(ProblemError, match=re.escape("write [one.T for one in inputs] if they are series")):
        made([make(one.T) for one in SERIES])
    rows = [make((one > 0).astype(np.uint8)) for one in SERIES]
    with pytest.raises(ProblemError, match=r"different shapes|no array"):
        made(rows)
    assert made(rows, signature=UP_TO_SEVEN).train.inputs["pen"].shape == (40, 7, 3)


def test_lists_of_other_shapes_stay_what_they_were() -> None:
    with pytest.raises(ProblemError, match="different shapes"):
        made([torch.ones(2, 3), torch.ones(3, 2)] * 20)
    with pytest.raises(ProblemError, match="no array"):
        made([[1.0, 2.0], [1.0]] * 20)


def test_a_padded_signature_is_kept_and_a_plain_one_is_written_as_ever() -> None:
    again = Signature.from_dict(UP_TO_SEVEN.to_dict())
    assert again == UP_TO_SEVEN
    assert "padded=True" in repr(again)
    plain = Signature({"pen": Sequence(7, 3)}, UP_TO_SEVEN.tasks)
    assert plain.to_dict()["inputs"] == {"pen": {"kind": "Sequence", "length": 7, "features": 3}}
    assert repr(plain.inputs["pen"]) == "Sequence(length=7, features=3)"
    assert plain != UP_TO_SEVEN
