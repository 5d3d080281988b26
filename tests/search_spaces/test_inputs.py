"""Kinds of input: what they are made of, and batches of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from search_spaces import Classification, Image, Sequence, Signature, TabularRow, Tokens, Vector
from search_spaces.errors import SpaceError
from search_spaces.inputs import Input


def test_a_row_has_its_numbers_and_after_them_its_categories() -> None:
    row = TabularRow(2, (3, 12))
    assert (row.shape, row.num_values, row.dtype) == ((4,), 4, "float32")
    assert torch.equal(row.example(3), torch.zeros(3, 4))
    assert (TabularRow(0, (2,)).shape, TabularRow(1).shape) == ((1,), (1,))
    assert TabularRow(np.int64(2), np.array([3, 12])) == TabularRow(2, [3, 12]) == row  # type: ignore[arg-type]
    assert hash(TabularRow(2, [3, 12])) == hash(row)  # type: ignore[arg-type]
    assert eval(repr(row)) == row


def test_a_row_comes_back_from_json() -> None:
    for row in (TabularRow(2, (3, 12)), TabularRow(4), TabularRow(0, (2**24,))):
        signature = Signature({"row": row}, {"kind": Classification(2)})
        assert Signature.from_dict(json.loads(json.dumps(signature.to_dict()))) == signature


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0,), "expected at least one column"),
        ((-1, (3,)), "numbers: expected a whole number of at least 0, got -1"),
        ((1, (3, 1)), r"column 1: expected a whole number from 2 to 2\*\*24 .*, got 1$"),
        ((1, (2**24 + 1,)), "column 0: .* got 16777217$"),
        ((1, (2.5,)), r"column 0: .* got 2\.5$"),
        ((1, (True,)), "column 0: .* got True$"),
        ((1, "34"), "expected the count of categories of each categorical column, such as .* got '34'"),
        ((1, 3), "expected the count of categories of each categorical column, such as .* got 3"),
        ((1, None), "expected the count of categories of each categorical column, such as .* got None"),
    ],
)
def test_what_is_no_row_is_refused_in_one_line(arguments: Any, said: str) -> None:
    with pytest.raises(SpaceError, match=said) as refused:
        TabularRow(*arguments)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "kind",
    [Image(1, 2, 3), Sequence(4, 2), Tokens(5, 3), Tokens(2, 1), Vector(3), TabularRow(1, (2, 5))],
    ids=str,
)
def test_a_batch_at_random_is_of_the_kind_and_the_same_of_the_same_generator(kind: Input) -> None:
    first, second = (kind.random(200, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert (first.dtype, first.shape) == (kind.example(200).dtype, kind.example(200).shape)
    if isinstance(kind, TabularRow):
        assert [set(column.tolist()) for column in first[:, 1:].T] == [set(range(2)), set(range(5))]
    if isinstance(kind, Tokens):
        assert set(first.flatten().tolist()) == ({1, 2} if kind.vocabulary == 3 else {0})
