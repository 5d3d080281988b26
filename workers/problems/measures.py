"""What is measured of each kind of task, by name; `workers.training.metrics` says what the names mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from search_spaces.tasks import (
    Classification,
    CountRegression,
    DenseMap,
    Generation,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Retrieval,
    Tagging,
    Task,
)

Direction = Literal["maximize", "minimize"]

RANKS = (1, 5, 10)
"""Among how many of the gallery a match is looked for."""

_EXPLAINED = ("r2", "d2")
"""The share of what varies that is explained: at most 1, and without end below 0."""

_ERRORS = ("rmse", "mae", "poisson_deviance", "pinball")
"""What is 0 at best, and without end above."""


def metrics_of(task: Task) -> tuple[str, ...]:
    """The names of a task's metrics beside its loss."""
    if isinstance(task, CountRegression):
        return ("rmse", "poisson_deviance", "d2")
    if isinstance(task, QuantileRegression):
        return ("pinball", "coverage", "d2")
    if task.numeric:
        return ("rmse", "r2")
    if isinstance(task, MultiLabel):
        return ("f1", "mean_average_precision")
    if isinstance(task, Ordinal):
        return ("accuracy", "mae")
    if isinstance(task, Tagging) and task.labels:
        return ("f1", "accuracy")
    if isinstance(task, Retrieval):
        return tuple(f"recall_at_{rank}" for rank in RANKS)
    if isinstance(task, Generation):
        return ("accuracy", "exact")
    return ("miou", "accuracy") if isinstance(task, DenseMap) else ("accuracy",)


def shares_of(task: Task) -> tuple[str, ...]:
    """The names of those of a task's metrics that are the share of examples answered right."""
    if isinstance(task, Generation):
        return ("exact",)
    if isinstance(task, Ordinal):
        return ("accuracy",)
    return metrics_of(task) if isinstance(task, Classification | Retrieval) else ()


def main_metric(task: Task) -> str:
    """The metric by which tasks of different kinds are compared and averaged: at most 1, higher is better."""
    names = metrics_of(task)
    return next((name for name in names if name in _EXPLAINED), names[0])


def metric_names(tasks: Mapping[str, Task]) -> tuple[str, ...]:
    """The names of all that `workers.training.metrics.evaluate` measures for these tasks."""
    if len(tasks) == 1:
        return ("loss", *metrics_of(next(iter(tasks.values()))))
    own = (f"{name}.{metric}" for name, task in tasks.items() for metric in ("loss", *metrics_of(task)))
    return ("loss", "score", "worst", *own)


def range_of(metric: str) -> tuple[float, float]:
    """Returns the lowest and the highest value that a metric can have."""
    name = metric.rpartition(".")[2]
    if name == "loss":
        return -math.inf, math.inf
    if name in _ERRORS:
        return 0.0, math.inf
    # of score and worst the parts may be r2, which has no lowest value
    return (-math.inf if name in (*_EXPLAINED, "score", "worst") else 0.0), 1.0


def default_objective(tasks: Mapping[str, Task]) -> tuple[str, Direction]:
    """The metric that says best how well these tasks are served, and its direction.

    Of several tasks the ``score``; of one its first metric (``rmse`` rather than ``r2``).
    """
    metric = metric_names(tasks)[1]
    return metric, direction(metric)


def direction(metric: str) -> Direction:
    """Whether more of a metric is better: of all but losses and errors."""
    return "minimize" if metric.rpartition(".")[2] in ("loss", *_ERRORS) else "maximize"
