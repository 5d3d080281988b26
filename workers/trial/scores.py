"""The zero-cost scores of a trial, taken before its training."""

from __future__ import annotations

import math

from search_spaces.errors import ProblemError, TrainingFailure, ZeroCostError
from workers.job import Job
from workers.problems.problem import Problem
from workers.trial.trial_log import TrialLog
from workers.zero_cost.scoring import score


def take_scores(job: Job, data: Problem, log: TrialLog) -> dict[str, float]:
    """Returns the scores of a job by name; those that there are not are told to its log.

    A network on which a score fails is trained all the same: the score may be at fault.
    """
    found: dict[str, float] = {}
    for name in job.scores:
        try:
            scored = score(job.architecture, data, [name], seed=job.seed)
        except (ZeroCostError, ProblemError, TrainingFailure) as error:
            log.write(f"no score: {error}\n")
            continue
        for part, value in scored.items():
            if math.isfinite(value):
                found[part] = value
            else:
                log.write(f"no score: {part} is {value}\n")
    return found


def check_bounds(job: Job, scores: dict[str, float]) -> None:
    """Refuses a network that is beyond a bound of its job, or lacks the score that it is on.

    Raises:
        TrainingFailure: ``limit``.
    """
    for name, (least, most) in job.bounds.items():
        value = scores.get(name)
        shown = "not defined for this network" if value is None else f"{value:,.6g}"
        if least is not None and (value is None or value < least):
            raise TrainingFailure("limit", f"{name} is {shown}, the limit {name} >= {least:,.6g}")
        if most is not None and (value is None or value > most):
            raise TrainingFailure("limit", f"{name} is {shown}, the limit {name} <= {most:,.6g}")
