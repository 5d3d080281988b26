"""The order of trials: the one in which the controllers compare them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from controllers.objectives import Limit, Objective
from controllers.ranking import order
from controllers.records import FAILED, Outcome, judge
from nas.records import MEASURED, Trial
from search_spaces.errors import NasError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def outcome(trial: Trial, objectives: Sequence[Objective], limits: Sequence[Limit]) -> Outcome:
    """How a trial ended, as controllers see it."""
    if trial.status not in ("complete", "paused", "repeated", "infeasible"):
        return FAILED
    needed = [objective.metric for objective in objectives] + [limit.metric for limit in limits]
    known = all(metric in trial.metrics for metric in needed)
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
    trials = sorted(trials, key=_tie)
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


@dataclass(frozen=True)
class Ranking:
    """By what the trials of a search are ranked, as its description says it.

    Attributes:
        objectives, limits: of the search; none where its description has none.
        paused: whether its trials may pause.
    """

    objectives: tuple[Objective, ...] = ()
    limits: tuple[Limit, ...] = ()
    paused: bool = False

    @staticmethod
    def of(description: Mapping[str, Any]) -> Ranking:
        """That of the search with this description (see `nas.description`)."""
        try:
            return Ranking(
                tuple(Objective(**one) for one in description.get("objectives", ())),
                tuple(Limit(**one) for one in description.get("limits", ())),
                description.get("fidelity") is not None,
            )
        except (AttributeError, TypeError, NasError):
            return Ranking()

    def rank(self, trials: Sequence[Trial]) -> list[Trial]:
        """Trials from best to worst; see `rank`."""
        return rank(trials, self.objectives, self.limits, paused=self.paused)

    def keys(self, trial: Trial) -> tuple[float | None, int | None, float | None]:
        """What decides the place of a trial beside its score: ``violation, rung, tie``.

        A database that has them can say which trials are best: those with the violation 0, of the highest
        rung, the highest score, the lowest tie, the lowest number. The violation is None where there is
        nothing to rank by, all three while the trial is not over.
        """
        if trial.status not in MEASURED:
            return None, None, None
        rung, tie = (trial.epochs or 0) if self.paused else 0, _tie(trial)
        if not self.objectives:
            return (None if trial.score is None else 0.0), rung, tie
        found = outcome(trial, self.objectives, self.limits)
        return (None if found.failed else found.violation), rung, tie


def first_fronts(scores: NDArray[np.float64], least: int) -> NDArray[np.bool_]:
    """Which rows are in the first non-dominated fronts, of which as many are taken as have `least` rows.

    Args:
        scores: (N, objectives), finite, higher is better; equal rows share a front.
        least: 1 takes the Pareto front alone.
    """
    import numpy as np

    taken = np.zeros(len(scores), bool)
    # from the lexicographically largest down: nobody is dominated by a row that comes later
    left = np.lexsort(scores.T[::-1])[::-1]
    while taken.sum() < least and len(left):
        front = _front(scores[left])
        taken[left[front]] = True
        left = left[~front]
    return taken


def _front(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows no other row dominates; they are ordered, the lexicographically largest first."""
    import numpy as np

    found = np.zeros(len(scores), bool)
    if scores.shape[1] <= 2:
        # better in the last objective than all before; or equal to the row before, and that is
        last = scores[:, -1]
        found[0] = True
        found[1:] = last[1:] > np.maximum.accumulate(last)[:-1]
        equal = np.zeros(len(scores), bool)
        equal[1:] = (scores[1:] == scores[:-1]).all(axis=1)
        return found[np.maximum.accumulate(np.where(equal, 0, np.arange(len(scores))))]
    left = np.arange(len(scores))
    while len(left):
        first = scores[left[0]]
        found[left[(scores[left] == first).all(axis=1)]] = True
        left = left[(scores[left] > first).any(axis=1)]
    return found


def _tie(trial: Trial) -> float:
    """What settles ties: the validation loss, infinite where it is unknown."""
    loss = trial.metrics.get("loss", math.inf)
    return math.inf if math.isnan(loss) else loss
