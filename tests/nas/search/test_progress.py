"""How far a search is: numbers of trials by status, and a clock that only tells."""

from __future__ import annotations

from typing import Any

import pytest

from nas.description import Budget
from nas.search.callbacks import OnTurn
from nas.search.progress import Clock, Progress


def test_a_clock_goes_on_from_the_seconds_before_and_asking_it_changes_nothing() -> None:
    times = iter([100.0, 103.0, 103.0, 104.0])
    clock = Clock(before=7.0, now=lambda: next(times))
    assert clock.here() == 3.0
    assert clock.elapsed() == 10.0
    assert clock.elapsed() == 11.0


def test_the_seconds_of_a_search_go_on_where_another_clock_takes_over() -> None:
    progress = Progress("mine", Budget(), "accuracy", Clock(5.0, lambda: 0.0))
    progress.clock = Clock(progress.elapsed, lambda: 1000.0)
    assert (progress.elapsed, progress.seconds_here) == (5.0, 0.0)


def test_the_counts_by_status_have_names_and_those_that_the_budget_counts_add_up() -> None:
    progress = Progress("mine", Budget(trials=20), "accuracy")
    progress.counts.update(complete=3, paused=2, failed=1, repeated=4, infeasible=5, running=6)
    assert (progress.complete, progress.paused, progress.failed) == (3, 2, 1)
    assert (progress.repeated, progress.infeasible, progress.running) == (4, 5, 6)
    assert progress.trials == 10


def test_the_seconds_that_are_left_follow_from_the_speed_or_from_the_budget() -> None:
    times = iter([0.0, *[10.0] * 9])
    progress = Progress("mine", Budget(trials=30), "accuracy", Clock(now=lambda: next(times)))
    assert progress.seconds_left is None
    progress.counts["complete"] = progress.trials_here = 10
    assert progress.trials_per_minute == 60.0
    assert progress.seconds_left == pytest.approx(20.0)
    progress.budget = Budget(trials=30, seconds=12.0)
    assert progress.seconds_left == pytest.approx(2.0)


def test_a_callback_reads_the_counts_of_a_search_that_runs(make: Any) -> None:
    seen: list[tuple[int, int, int]] = []
    look = OnTurn(lambda progress: seen.append((progress.complete, progress.running, progress.trials)))
    make(trials=4, callbacks=[look]).run()
    assert seen[0] == (0, 1, 0)
    assert seen[-1] == (4, 0, 4)
    assert seen == sorted(seen, key=lambda one: one[0])
