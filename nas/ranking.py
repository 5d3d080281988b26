"""The order of trials: the one in which the controllers compare them."""

from __future__ import annotations

from collections.abc import Sequence

from controllers.objectives import Limit, Objective
from controllers.ranking import order
from controllers.records import FAILED, Outcome, judge
from nas.records import Trial


def outcome(trial: Trial, objectives: Sequence[Objective], limits: Sequence[Limit]) -> Outcome:
    """How a trial ended, as controllers see it."""
    if trial.status not in ("complete", "repeated", "infeasible"):
        return FAILED
    known = all(objective.metric in trial.metrics for objective in objectives)
    if not known and trial.status != "infeasible":
        return FAILED
    return judge(trial.metrics, objectives, limits)


def rank(trials: Sequence[Trial], objectives: Sequence[Objective], limits: Sequence[Limit]) -> list[Trial]:
    """Trials from best to worst: feasible, then by what breaks a limit least, then failed.

    Several objectives: by non-dominated front, then the lonelier in its front first. Ties keep their order.
    """
    return [trials[i] for i in order([outcome(trial, objectives, limits) for trial in trials])]
