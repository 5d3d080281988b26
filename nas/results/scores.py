"""Scores over tasks: a network of several tasks beside single-task runs, and beside the others of its search.

Each task counts by one metric, the first that is measured of it (`workers.problems.measures.metrics_of`): its
main metric, but of numbers ``rmse`` and not ``r2``, of which a gain in percent means nothing when it is near
0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from nas.records import Reference
from search_spaces.tasks import Task
from workers.problems.measures import direction, metrics_of

SCORES = ("mean_rank", "worst_task", "delta_m_pct")
"""The scores that a leaderboard shows."""

Tasks = Mapping[str, Task]
Values = Mapping[str, float]
"""By task, the value of its metric."""


def compared_metrics(tasks: Tasks) -> dict[str, str]:
    """Returns by task the metric by which it counts, as it is called among those of all these tasks."""
    names = {task: metrics_of(kind)[0] for task, kind in tasks.items()}
    return names if len(tasks) == 1 else {task: f"{task}.{metric}" for task, metric in names.items()}


def values_of(tasks: Tasks, metrics: Mapping[str, float]) -> dict[str, float]:
    """Returns by task the metric of a network by which the task counts; only numbers that are finite."""
    named = compared_metrics(tasks).items()
    return {task: metrics[name] for task, name in named if math.isfinite(metrics.get(name, math.nan))}


def reference_values(
    tasks: Tasks, references: Mapping[str, Reference], *, test: bool = False
) -> dict[str, float]:
    """Returns by task what its single-task run reached, of those that ended well.

    Args:
        tasks: the tasks by name.
        references: the single-task runs by task.
        test: whether the values are those on the test split, for reporting; else on the validation split.
    """
    values: dict[str, float] = {}
    for task, run in references.items():
        if run.status == "complete":
            values |= values_of({task: tasks[task]}, run.test_metrics if test else run.metrics)
    return values


def gains_pct(tasks: Tasks, found: Values, references: Values) -> dict[str, float | None]:
    """Returns by task how much better than its reference it is served, in percent; worse is negative.

    None where there is no reference, or one of 0, unless that is met exactly.
    """
    gains: dict[str, float | None] = {}
    for task, value in found.items():
        reference = references.get(task)
        if reference is None or (reference == 0 and value != 0):
            gains[task] = None
        else:
            sign = 1 if direction(metrics_of(tasks[task])[0]) == "maximize" else -1
            gains[task] = 100 * sign * (value - reference) / abs(reference) if reference else 0.0
    return gains


def delta_m_pct(tasks: Tasks, found: Values, references: Values) -> float | None:
    """Returns the mean over tasks of the relative gain over single-task runs, in percent: positive is better.

    Equation 6 of K. Maninis, I. Radosavovic and I. Kokkinos, "Attentive Single-Tasking of Multiple Tasks",
    CVPR 2019, with the sign of S. Vandenhende et al., "Multi-Task Learning for Dense Prediction Tasks: A
    Survey", TPAMI 2021.

    Args:
        tasks: the tasks by name.
        found: the values of the network of several tasks.
        references: the values of the single-task runs.

    Returns:
        None where a task that was measured has no gain (see `gains_pct`), or none was measured.
    """
    gains = gains_pct(tasks, found, references).values()
    known = [gain for gain in gains if gain is not None]
    return fmean(known) if known and len(known) == len(gains) else None


def ranks(tasks: Tasks, found: Sequence[Values]) -> list[dict[str, float]]:
    """Returns for each network its rank in each task that it has a value of: 1 is best, ties share theirs."""
    ranked: list[dict[str, float]] = [{} for _ in found]
    for task, kind in tasks.items():
        sign = -1 if direction(metrics_of(kind)[0]) == "maximize" else 1
        places: dict[float, list[int]] = {}
        for i, values in enumerate(found):
            if task in values:
                places.setdefault(sign * values[task], []).append(i)
        before = 0
        for value in sorted(places):
            for i in places[value]:
                ranked[i][task] = before + (len(places[value]) + 1) / 2
            before += len(places[value])
    return ranked


def mean_rank(own: Values) -> float | None:
    """Returns the mean over tasks of a network's `ranks`."""
    return fmean(own.values()) if own else None


def worst_task(own: Values, gains: Mapping[str, float | None]) -> str | None:
    """Returns the task in which a network stands worst: by its gain if all are known, else by rank.

    Args:
        own: the ranks of the network by task, see `ranks`.
        gains: the gains of the network by task, see `gains_pct`.
    """
    known = {task: gain for task, gain in gains.items() if gain is not None}
    if own and known.keys() == own.keys():
        return min(own, key=lambda task: known[task])
    return max(own, key=lambda task: own[task], default=None)
