"""Scores over tasks say how a network of several tasks does: positive gains are better, rank 1 is best."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from nas.records import Reference
from nas.results.scores import (
    compared_metrics,
    delta_m_pct,
    gains_pct,
    mean_rank,
    ranks,
    reference_values,
    values_of,
    worst_task,
)
from search_spaces.signature import Classification, DenseMap, Regression, Retrieval, Tagging

TASKS = {"kind": Classification(3), "age": Regression(1)}
FINITE = st.floats(0.01, 100)


def test_each_task_counts_by_its_main_metric_and_numbers_by_their_error() -> None:
    tasks: dict[str, Any] = {
        **TASKS,
        "slots": Tagging(3, ("O", "B-a", "I-a")),
        "words": Tagging(3),
        "find": Retrieval("image", "text"),
        "depth": DenseMap(1, 4, 4, discrete=False),
        "parts": DenseMap(3, 4, 4),
    }
    assert compared_metrics(tasks) == {
        "kind": "kind.accuracy",
        "age": "age.rmse",
        "slots": "slots.f1",
        "words": "words.accuracy",
        "find": "find.recall_at_1",
        "depth": "depth.rmse",
        "parts": "parts.miou",
    }
    assert compared_metrics({"age": Regression(1)}) == {"age": "rmse"}


def test_values_are_those_of_tasks_that_were_measured() -> None:
    metrics = {"loss": 1.0, "score": 0.5, "kind.accuracy": 0.5, "kind.loss": 0.1, "age.r2": 0.9}
    assert values_of(TASKS, metrics) == {"kind": 0.5}
    assert values_of(TASKS, metrics | {"age.rmse": math.nan}) == {"kind": 0.5}
    assert values_of({"age": TASKS["age"]}, {"rmse": 2.0, "r2": 0.5}) == {"age": 2.0}


def test_delta_m_is_the_mean_gain_in_percent_and_positive_is_better() -> None:
    # equation 6 by hand: accuracy 0.8 -> 0.9 is +12.5 %, an error of 2.0 -> 2.5 is -25 %
    found, references = {"kind": 0.9, "age": 2.5}, {"kind": 0.8, "age": 2.0}
    assert gains_pct(TASKS, found, references) == pytest.approx({"kind": 12.5, "age": -25.0})
    assert delta_m_pct(TASKS, found, references) == pytest.approx(-6.25)
    assert delta_m_pct(TASKS, {"kind": 0.9, "age": 1.5}, references) == pytest.approx(18.75)


def test_there_is_no_delta_m_where_a_reference_is_missing_or_nothing_was_measured() -> None:
    assert delta_m_pct(TASKS, {"kind": 0.9, "age": 2.5}, {"kind": 0.8}) is None
    assert delta_m_pct(TASKS, {}, {"kind": 0.8, "age": 2.0}) is None
    assert delta_m_pct(TASKS, {"kind": 0.9}, {"kind": 0.8}) == pytest.approx(12.5)


def test_there_is_no_gain_over_nothing_but_what_equals_it_loses_nothing() -> None:
    assert gains_pct(TASKS, {"kind": 0.1}, {"kind": 0.0}) == {"kind": None}
    assert gains_pct(TASKS, {"kind": 0.0}, {"kind": 0.0}) == {"kind": 0.0}


@given(st.tuples(FINITE, FINITE), st.tuples(FINITE, FINITE))
def test_a_network_that_is_nowhere_worse_never_has_a_negative_delta_m(
    first: tuple[float, float], second: tuple[float, float]
) -> None:
    better = {"kind": max(first[0], second[0]), "age": min(first[1], second[1])}
    delta = delta_m_pct(TASKS, better, {"kind": first[0], "age": first[1]})
    assert delta is not None
    assert delta >= 0


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3]), FINITE), min_size=1, max_size=20))
def test_ranks_are_those_of_statistics_where_ties_share_their_mean(rows: list[tuple[float, float]]) -> None:
    own = ranks(TASKS, [{"kind": kind, "age": age} for kind, age in rows])
    assert [rank["kind"] for rank in own] == rankdata([-kind for kind, _ in rows]).tolist()
    assert [rank["age"] for rank in own] == rankdata([age for _, age in rows]).tolist()


def test_a_network_without_a_value_has_no_rank_in_that_task() -> None:
    first, second, none = ranks(TASKS, [{"kind": 0.5}, {"kind": 0.7, "age": 1.0}, {}])
    assert (first, second, none) == ({"kind": 2.0}, {"kind": 1.0, "age": 1.0}, {})
    assert [mean_rank(own) for own in (first, second, none)] == [2.0, 1.0, None]


def test_the_worst_task_is_that_of_the_least_gain_or_else_of_the_worst_rank() -> None:
    own = {"kind": 2.0, "age": 5.0}
    assert worst_task(own, {"kind": -3.0, "age": 1.0}) == "kind"
    assert worst_task(own, {"kind": -3.0, "age": None}) == "age"
    assert worst_task(own, {}) == "age"
    assert worst_task({}, {}) is None


def test_references_are_read_by_their_plain_names_and_only_if_they_ended_well() -> None:
    run = Reference(
        "d", "age", "a", 1, 1, 0, "complete", metrics={"rmse": 2.0, "r2": 0.1}, test_metrics={"rmse": 3.0}
    )
    failed = Reference("d", "kind", "a", 1, 1, 0, "failed", metrics={"accuracy": 0.5})
    assert reference_values(TASKS, {"age": run, "kind": failed}) == {"age": 2.0}
    assert reference_values(TASKS, {"age": run}, test=True) == {"age": 3.0}
