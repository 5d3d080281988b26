"""The order of trials: the one in which the controllers compare them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from controllers.objectives import Limit, Objective
from controllers.ranking import order
from controllers.records import FAILED, Outcome, judge
from nas.records import Trial


def outcome(trial: Trial, objectives: Sequence[Objective], limits: Sequence[Limit]) -> Outcome:
    """How a trial ended, as controllers see it."""
    if trial.status not in ("complete", "paused", "repeated", "infeasible"):
        return FAILED
    known = all(objective.metric in trial.metrics for objective in objectives)
    if not known and trial.status != "infeasible":
        return FAILED
    return judge(trial.metrics, objectives, limits)


def rank(
    trials: Sequence[Trial], objectives: Sequence[Objective], limits: Sequence[Limit], *, paused: bool = False
) -> list[Trial]:
    """Trials from best to worst: feasible, then by what breaks a limit least, then failed.

    Several objectives: by non-dominated front, then the lonelier in its front first. Among equals the lower
    validation loss comes first: on a small validation split many networks have one accuracy, and the loss
    tells them apart. Ties that are left keep their order.

    Args:
        trials: of one search.
        objectives, limits: of the search.
        paused: whether its trials may pause. Then a feasible trial trained for more epochs comes before any
            trained for fewer: they earned their epochs by being better, and values after different numbers
            of epochs do not compare.
    """
    trials = sorted(trials, key=lambda trial: trial.metrics.get("loss", math.inf))
    found = [outcome(trial, objectives, limits) for trial in trials]
    if not paused:
        return [trials[i] for i in order(found)]
    ranked: list[int] = []
    for epochs in sorted({trial.epochs or 0 for trial in trials}, reverse=True):
        here = [i for i, trial in enumerate(trials) if (trial.epochs or 0) == epochs and found[i].feasible]
        ranked += [here[place] for place in order([found[i] for i in here])]
    others = [i for i, one in enumerate(found) if not one.feasible]
    ranked += [others[place] for place in order([found[i] for i in others])]
    return [trials[i] for i in ranked]
