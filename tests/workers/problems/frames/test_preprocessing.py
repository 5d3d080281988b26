"""What makes inputs of rows: kept as JSON, the same for new rows, strict with what it reads."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.errors import FormatError, ProblemError
from workers.problems import Problem
from workers.problems.checks import check_input
from workers.problems.frames.preprocessing import Preprocessing


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "size": rng.random(60),
            "colour": rng.choice(["red", "green", None], 60),
            "made": pd.date_range("2020-01-01", periods=60, freq="31h"),
            "about it": [f"A thing, number {number % 5}!" for number in range(60)],
            "good": rng.choice(["yes", "no"], 60),
        }
    )


@pytest.fixture(scope="module")
def learnt() -> Preprocessing:
    found = Problem.from_frame(frame(), "good", columns={"about it": "text"}).preprocessing
    assert found is not None
    return found


def test_it_is_read_back_from_json_and_makes_the_same_of_new_rows(learnt: Preprocessing) -> None:
    back = Preprocessing.from_json(learnt.to_json())
    assert back == learnt
    assert back.kinds == learnt.kinds
    rows = frame().drop(columns="good")[:7]
    for one, other in zip(learnt.tensors(rows), back.tensors(rows), strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_inputs_have_the_form_of_their_kinds(learnt: Preprocessing) -> None:
    inputs, present = learnt.tensors(frame())
    assert [*inputs] == ["row", "about_it"]
    for name, kind in learnt.kinds.items():
        assert tuple(inputs[name].shape[1:]) == kind.shape
        assert str(inputs[name].dtype) == f"torch.{kind.dtype}"
    assert not present


def test_other_columns_and_their_order_do_not_matter(learnt: Preprocessing) -> None:
    rows = frame()
    mixed = rows[["made", "about it", "colour", "size"]].assign(more=1)
    assert torch.equal(learnt.tensors(rows)[0]["row"], learnt.tensors(mixed)[0]["row"])


def test_a_text_without_words_is_missing(learnt: Preprocessing) -> None:
    rows = frame()[:3].assign(**{"about it": ["A thing", None, "   "]})
    inputs, present = learnt.tensors(rows)
    assert present["about_it"].tolist() == [True, False, False]
    assert not bool(inputs["about_it"][1:].any())


def test_a_missing_column_is_named_with_the_nearest(learnt: Preprocessing) -> None:
    with pytest.raises(ProblemError, match=r"expected a column 'colour'.*did you mean 'color'"):
        learnt.tensors(frame().rename(columns={"colour": "color"}))


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other/1"},
        {"columns": []},
        {"columns": [{"kind": "number", "name": "size", "fill": "much", "marked": False}]},
        {"columns": [{"kind": "number", "name": "size", "fill": 1.0, "marked": 2}]},
        {"columns": [{"kind": "nothing", "name": "size"}]},
        {"columns": [{"kind": "category", "name": "size", "categories": [1, 2]}]},
        {"columns": [{"kind": "text", "name": "t", "vocabulary": ["a"], "length": 10**9}]},
        {"columns": [{"kind": "number", "name": "size", "fill": 1.0, "marked": False, "code": "import os"}]},
        {"inputs": {"nothing": "x"}},
        {"inputs": {"about it": "row"}},
        {"columns": 3},
    ],
)
def test_what_is_none_is_refused(learnt: Preprocessing, change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        Preprocessing.from_dict({**json.loads(learnt.to_json()), **change})


@pytest.mark.parametrize("text", ["", "[1]", "[" * 100_000, "null", '{"format": 1}'])
def test_text_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        Preprocessing.from_json(text)


_DATES = st.datetimes(min_value=pd.Timestamp(1700, 1, 1), max_value=pd.Timestamp(2200, 1, 1))

CELLS = {
    "number": st.one_of(st.none(), st.floats(-1e30, 1e30), st.integers(-(10**9), 10**9), st.booleans()),
    "category": st.one_of(st.none(), st.text(max_size=5), st.integers(), st.floats(), st.booleans()),
    "date": st.one_of(st.none(), _DATES),
    "text": st.one_of(st.none(), st.text(max_size=30)),
}


@pytest.mark.parametrize("kind", sorted(CELLS))
@given(data=st.data())
def test_any_values_of_a_kind_become_finite_numbers_in_their_ranges(kind: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(CELLS[kind], min_size=1, max_size=20))
    series = pd.Series(values, dtype=object, name="it")
    try:
        learnt = Preprocessing.learn(series.to_frame(), {"it": kind})
    except ProblemError as error:
        assert "missing" in str(error)  # noqa: PT017
        return
    inputs, _ = Preprocessing.from_json(learnt.to_json()).tensors(series.to_frame())
    for name, input in learnt.kinds.items():
        assert len(inputs[name]) == len(values)
        check_input(name, inputs[name], input)
