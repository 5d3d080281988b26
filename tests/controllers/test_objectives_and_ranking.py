"""Objectives, limits, outcomes and the order in which outcomes are compared."""

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers import (
    Limit,
    Objective,
    Outcome,
    RandomSearch,
    at_least,
    at_most,
    maximize,
    minimize,
    ranking,
)
from controllers.records import FAILED, judge
from search_spaces import Space, choice
from search_spaces.errors import ControllerError

SPACE = Space({"a": choice(1, 2, 3)})


def outcome(*scores: float, violation: float = 0.0) -> Outcome:
    return Outcome(feasible=violation == 0.0, failed=False, scores=scores, violation=violation)


def test_scores_are_higher_for_the_better_whatever_the_direction() -> None:
    assert maximize("a").score(2.0) > maximize("a").score(1.0)
    assert minimize("a").score(1.0) > minimize("a").score(2.0)


def test_violations_are_relative_to_the_bound() -> None:
    assert at_most("params", 200.0).violation(300.0) == 0.5
    assert at_most("params", 200.0).violation(200.0) == 0.0
    assert at_least("accuracy", 0.8).violation(0.4) == 0.5
    assert at_most("change", 0.0).violation(3.0) == 3.0
    assert math.isnan(at_most("params", 1.0).violation(math.nan))


@pytest.mark.parametrize(
    ("objectives", "limits", "message"),
    [
        ([], (), "at least one"),
        ("accuracy", (), "expected Objective"),
        (["accuracy"], (), "expected Objective"),
        ([maximize("a"), minimize("a")], (), "once"),
        (maximize("a"), [maximize("a")], "expected Limit"),
    ],
)
def test_wrong_objectives_and_limits_are_told_apart(objectives: object, limits: object, message: str) -> None:
    with pytest.raises(ControllerError, match=message):
        RandomSearch(SPACE, objectives, limits=limits)  # type: ignore[arg-type]


def test_objectives_and_limits_check_themselves() -> None:
    with pytest.raises(ControllerError, match="one of 'maximize', 'minimize'"):
        Objective("accuracy", "upwards")  # type: ignore[arg-type]
    with pytest.raises(ControllerError, match="name of a metric"):
        maximize("")
    with pytest.raises(ControllerError, match="must be a number"):
        Limit("params", math.nan)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (None, FAILED),
        ({"acc": 0.5, "size": 10}, outcome(0.5)),
        ({"acc": 0.5, "size": 30}, outcome(0.5, violation=0.5)),
        ({"size": 30}, outcome(violation=0.5)),
        ({"acc": math.nan, "size": 10}, FAILED),
        ({"acc": -math.inf, "size": 10}, FAILED),
        ({"acc": 0.5, "size": math.nan}, FAILED),
        ({"acc": 0.5, "size": math.inf}, outcome(0.5, violation=math.inf)),
        ({"acc": 0.5, "size": 10, "other": "text"}, outcome(0.5)),
    ],
    ids=str,
)
def test_values_amount_to_an_outcome(values: Mapping[str, float] | None, expected: Outcome) -> None:
    assert judge(values, [maximize("acc")], [at_most("size", 20)]) == expected


def test_a_missing_limited_metric_is_named() -> None:
    with pytest.raises(ControllerError, match="'size'"):
        judge({"acc": 1.0}, [maximize("acc")], [at_most("size", 20)])


def test_feasible_comes_before_infeasible_before_failed() -> None:
    outcomes = [FAILED, outcome(9.0, violation=2.0), outcome(1.0), outcome(violation=0.1), outcome(2.0)]
    assert ranking.order(outcomes) == [4, 2, 3, 1, 0]
    assert sorted(range(5), key=lambda i: ranking.key(outcomes[i]), reverse=True) == [4, 2, 3, 1, 0]


def test_with_several_objectives_fronts_come_before_crowding() -> None:
    outcomes = [
        outcome(0.0, 0.0),
        outcome(1.0, 3.0),
        outcome(1.9, 2.1),
        outcome(2.0, 2.0),
        outcome(3.0, 1.0),
        FAILED,
    ]
    assert ranking.order(outcomes) == [1, 4, 3, 2, 0, 5]


def test_with_several_objectives_and_nothing_feasible_violation_decides() -> None:
    assert ranking.order([FAILED, outcome(violation=2.0), outcome(1.0, 1.0, violation=1.0)]) == [2, 1, 0]


points = st.integers(1, 4).flatmap(
    lambda axes: st.lists(st.tuples(*[st.integers(0, 4).map(float)] * axes), min_size=1, max_size=30)
)


@given(points)
def test_fronts_are_those_of_the_definition(scores: list[tuple[float, ...]]) -> None:
    left = set(range(len(scores)))
    for front in ranking.fronts(scores):
        best = {i for i in left if not any(ranking.dominates(scores[j], scores[i]) for j in left)}
        assert set(front) == best
        left -= best
    assert not left


def test_crowding_is_infinite_at_the_ends_and_the_gap_within() -> None:
    assert ranking.crowding([(0.0, 4.0), (1.0, 1.0), (4.0, 0.0)]) == [math.inf, 2.0, math.inf]
    assert ranking.crowding([]) == []
