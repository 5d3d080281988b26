"""The order of a leaderboard."""

import math
from dataclasses import replace

import pytest

from controllers.objectives import at_most, maximize
from controllers.records import FAILED, Outcome
from nas.ranking import Ranked, Ranking
from nas.records import Status, Trial


def _trial(number: int, **metrics: float) -> Trial:
    return Trial(number, f"{number:016x}", {}, "complete", metrics=metrics)


def _numbers(ranked: list[Ranked]) -> list[int]:
    return [one.trial.number for one in ranked]


def test_equal_objectives_are_told_apart_by_the_validation_loss() -> None:
    trials = [
        _trial(0, accuracy=0.9, loss=0.3),
        _trial(1, accuracy=0.9, loss=0.2),
        _trial(2, accuracy=0.8, loss=0.1),
    ]
    assert _numbers(Ranking((maximize("accuracy"),)).rank(trials)) == [1, 0, 2]


def test_what_breaks_a_limit_comes_after_all_that_do_not() -> None:
    trials = [
        _trial(0, accuracy=0.9, size=11),
        _trial(1, accuracy=0.5, size=10),
        _trial(2, accuracy=0.9, size=20),
    ]
    assert _numbers(Ranking((maximize("accuracy"),), (at_most("size", 10),)).rank(trials)) == [1, 0, 2]


def test_trials_without_a_loss_keep_their_order() -> None:
    trials = [_trial(number, accuracy=0.5) for number in range(4)]
    assert _numbers(Ranking((maximize("accuracy"),)).rank(trials)) == [0, 1, 2, 3]


def test_where_trials_pause_their_ends_come_first_and_then_more_epochs_before_better_values() -> None:
    stages = [
        (0.9, 1, "paused"),
        (0.5, 3, "paused"),
        (0.8, 1, "paused"),
        (0.3, 9, "complete"),
        (0.4, 2, "complete"),
    ]
    trials = [replace(_trial(n, accuracy=a), epochs=e, status=s) for n, (a, e, s) in enumerate(stages)]
    assert _numbers(Ranking((maximize("accuracy"),), paused=True).rank(trials)) == [4, 3, 1, 0, 2]


@pytest.mark.parametrize(
    ("status", "metrics", "expected", "feasible"),
    [
        ("complete", {"accuracy": 0.5, "size": 10.0}, Outcome(True, False, (0.5,)), True),
        ("paused", {"accuracy": 0.5, "size": 15.0}, Outcome(False, False, (0.5,), 0.5), False),
        ("complete", {"accuracy": math.nan, "size": 10.0}, FAILED, True),
        ("complete", {"accuracy": math.nan, "size": 15.0}, FAILED, False),
        ("complete", {"accuracy": 0.5}, FAILED, True),
        ("complete", {"size": 15.0}, FAILED, False),
        ("infeasible", {"size": 15.0}, Outcome(False, False, (), 0.5), False),
        ("infeasible", {"size": 10.0}, FAILED, True),  # turned down by the limits of another search
        ("repeated", {"accuracy": 0.5, "size": 10.0}, Outcome(True, False, (0.5,)), None),
        ("failed", {"size": 10.0}, FAILED, None),
        ("running", {"size": 10.0}, FAILED, None),
    ],
)
def test_a_trial_is_judged_by_what_was_measured_of_it(
    status: Status, metrics: dict[str, float], expected: Outcome, feasible: bool | None
) -> None:
    ranking = Ranking((maximize("accuracy"),), (at_most("size", 10),))
    ranked = ranking.judge(replace(_trial(0, **metrics), status=status))
    assert (ranked.outcome, ranked.feasible) == (expected, feasible)


def test_the_keys_of_a_trial_that_was_judged_are_those_of_one_that_was_not() -> None:
    ranking = Ranking((maximize("accuracy"),), (at_most("size", 10),))
    for size in (5.0, 15.0, math.nan):
        trial = _trial(0, accuracy=0.5, size=size, loss=0.1)
        assert ranking.keys(trial, ranking.judge(trial).outcome) == ranking.keys(trial)
