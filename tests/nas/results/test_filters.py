"""Filters of leaderboards: conditions on decisions and columns, read without running anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded import record

import nas
from nas.results.filters import Filter, parse
from nas.store.store import Store
from search_spaces.errors import SearchError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model.depth>=3", Filter("model.depth", ">=", 3.0)),
        (" 1.times == 2 ", Filter("1.times", "=", 2.0)),
        ("activation=relu", Filter("activation", "=", "relu")),
        ("name != 'a > b'", Filter("name", "!=", "a > b")),
        ('name = "a\\"b"', Filter("name", "=", 'a"b')),
        ("shared=True", Filter("shared", "=", True)),
        ("lr<1e-3", Filter("lr", "<", 0.001)),
        ("size=inf", Filter("size", "=", "inf")),
        ("x=__import__('os')", Filter("x", "=", "__import__('os')")),
    ],
)
def test_a_condition_is_a_name_an_operator_and_a_value(text: str, expected: Filter) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", "depth", "depth>=", ">=3", "depth 3"])
def test_what_is_no_condition_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SearchError, match="expected a condition such as model"):
        parse(text)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("n>=3", True), ("n>3", False), ("n=3", True), ("n!=3", False), ("n=three", False), ("n<relu", False),
        ("op=relu", True), ("op!=relu", False), ("op>gelu", True), ("on=true", True), ("on=1", False),
        ("on>0", False), ("away=1", False), ("away!=1", False), ("digit=7", True), ("none=3", False),
    ],
)  # fmt: skip
def test_a_condition_holds_for_values_of_its_own_kind_and_never_for_none(condition: str, holds: bool) -> None:
    values = {"n": 3, "op": "relu", "on": True, "away": None, "digit": "7"}
    assert parse(condition).holds(values) is holds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Store(tmp_path / "nas.db", create=True) as store:
        record(store, 60)
    return tmp_path / "nas.db"


def test_a_leaderboard_is_filtered_by_decisions_and_columns_and_keeps_its_ranks(path: Path) -> None:
    whole = nas.leaderboard(path)
    with Store(path) as store:
        decisions = {trial.number: trial.decisions for trial in store.trials(1)}
    frame = nas.leaderboard(path, where=["normalisation=batch", "1.times>=2", "accuracy>0.7"])
    wanted = [
        row.number
        for row in whole.itertuples()
        if decisions[row.number]["normalisation"] == "batch"
        and decisions[row.number]["1.times"] >= 2
        and row.accuracy > 0.7
    ]
    assert len(wanted) > 3
    assert list(frame["number"]) == wanted
    assert list(frame["rank"]) == [whole.set_index("number")["rank"][number] for number in wanted]
    top = nas.leaderboard(path, where="normalisation=none", top=3)
    assert len(top) == 3
    assert {decisions[number]["normalisation"] for number in top["number"]} == {"none"}
    assert nas.leaderboard(path, where="accuracy>2").empty


def test_a_name_that_no_trial_has_is_an_error_that_offers_another(path: Path) -> None:
    with pytest.raises(
        SearchError, match=r"no decision or column 'normalization'; did you mean 'normalisation'\?"
    ):
        nas.leaderboard(path, where="normalization=batch")
