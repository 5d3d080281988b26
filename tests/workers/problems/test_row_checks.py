"""Rows of tables as data: what their columns may hold, and what is said of those that hold something else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from search_spaces import Classification, Signature, TabularRow
from search_spaces.errors import ProblemError
from workers.problems.checks import check_input
from workers.problems.problem import Problem

ROW = TabularRow(2, (3, 7))
ROWS = np.stack([np.linspace(-1, 1, 42), np.linspace(0, 1e6, 42), np.arange(42) % 3, np.arange(42) % 7], 1)
SIGNATURE = Signature({"row": ROW}, {"kind": Classification(2)})


def made(rows: Any) -> Problem:
    return Problem.from_tensors("p", (rows, np.arange(42) % 2), signature=SIGNATURE)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_table_becomes_rows_as_it_is(dtype: Any) -> None:
    problem = made(ROWS.astype(dtype))
    assert problem.train.inputs["row"].dtype == torch.float32
    joined = torch.cat([getattr(problem, part).inputs["row"] for part in ("train", "validation", "test")])
    assert {tuple(row) for row in joined.tolist()} == {tuple(row) for row in ROWS.astype(np.float32).tolist()}
    assert "TabularRow(numbers=2, categories=(3, 7))" in problem.describe()


def test_whole_numbers_become_rows_too() -> None:
    whole = ROWS.astype(int)
    assert torch.equal(made(whole).train.inputs["row"], made(whole.astype(np.float32)).train.inputs["row"])


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        (2, 3.0, r"column 2 \(categorical column 0\): .* from 0, for missing values, to 2, got 3 \(in 1 of"),
        (3, -1.0, r"column 3 \(categorical column 1\): .* to 6, got -1 "),
        (3, 0.5, r"column 3 .* expected whole numbers .* got 0\.5 "),
        (2, np.nan, "expected finite numbers, got NaN"),
        (0, np.inf, "expected finite numbers, got NaN or infinity"),
    ],
)
def test_a_column_that_holds_something_else_is_named_in_one_line(
    column: int, value: float, said: str
) -> None:
    rows = ROWS.copy()
    rows[:, column] = np.where(np.arange(42) == 5, value, rows[:, column])
    with pytest.raises(ProblemError, match=said) as refused:
        made(rows)
    assert "\n" not in str(refused.value)


def test_the_number_of_columns_and_the_type_of_numbers_are_checked() -> None:
    with pytest.raises(ProblemError, match=r"x: expected shape \(N, 4\), got \(42, 3\)"):
        check_input("x", torch.zeros(42, 3), ROW)
    with pytest.raises(ProblemError, match=r"x: expected torch\.float32, got torch\.float64"):
        check_input("x", torch.zeros(42, 4).double(), ROW)
    check_input("x", torch.zeros(42, 4), ROW)
    check_input("x", torch.full((4, 1), 2.0**24 - 1), TabularRow(0, (2**24,)))


def test_a_table_is_never_taken_for_rows() -> None:
    problem = Problem.from_tensors("p", (ROWS + 0.5, np.arange(42) % 2))
    assert [type(kind).__name__ for kind in problem.signature.inputs.values()] == ["Vector"]
