"""The order of trials: the one in which the controllers compare them, and who judges."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from controllers.objectives import Limit, Objective
from controllers.ranking import order
from controllers.records import FAILED, Outcome, judge
from nas.estimates import Estimate
from nas.records import MEASURED, Rerun, Trial
from search_spaces.errors import NasError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_JUDGED = (*MEASURED, "repeated", "infeasible")
"""The statuses of trials of which something was measured: all others have failed, or are not over."""


WHOLE = 2**31 - 1
"""The rung of trials that were trained to their end, however many epochs that took."""


def rung_of(trial: Trial) -> int:
    """Returns by what a trial ranks before its score where trials may pause.

    `WHOLE` for one that came to its end, else the epochs that it has had: trials may end after different
    numbers of epochs, and one that has paused is never ranked above one that has ended.
    """
    return WHOLE if trial.status == "complete" else trial.epochs or 0


@dataclass(frozen=True, slots=True)
class Ranked:
    """A trial and how it was judged.

    Attributes:
        trial: the trial.
        outcome: how it ended, as controllers see it.
        feasible: whether it keeps the limits, as far as they were measured; None where nothing was measured.
            A trial whose objective is no number keeps them, too, though its outcome is a failure.
        estimate: what its weights are worth, in scores of the first objective; None: that is not known, or it
            has not come to its end within the limits.
    """

    trial: Trial
    outcome: Outcome
    feasible: bool | None
    estimate: Estimate | None = None

    @property
    def ended(self) -> bool:
        """Whether it has come to its end within the limits: then its network can have an estimate."""
        return self.outcome.feasible and self.trial.status == "complete"


@dataclass(frozen=True)
class Ranking:
    """By what the trials of a search are judged and ranked.

    Attributes:
        objectives: the objectives of the search; none where its description has none.
        limits: the limits of the search.
        paused: whether the trials of the search may pause.
        examples: the number of validation examples of which the first objective is a share; None: it is none.
        given: how many networks the search began with, in its first trials.
        estimated: whether its networks are ranked by what they are worth, where that is known
            (`nas.estimates`): there is one objective, and a training stands for its network alone.
    """

    objectives: tuple[Objective, ...] = ()
    limits: tuple[Limit, ...] = ()
    paused: bool = False
    examples: int | None = None
    given: int = 0
    estimated: bool = False

    @staticmethod
    def of(description: Mapping[str, Any]) -> Ranking:
        """Returns the ranking of the search with this description, as the store has it.

        A description that says no ranking has the ranking without objectives: its trials can still be read.
        """
        try:
            objectives = tuple(Objective(**one) for one in description.get("objectives", ()))
            return Ranking(
                objectives,
                tuple(Limit(**one) for one in description.get("limits", ())),
                description.get("fidelity") is not None or description.get("weights") == "shared",
                description.get("validation_examples"),
                len(description.get("first", ())),
                len(objectives) == 1
                and not description.get("inherit_weights", False)
                and description.get("finish", "scratch") == "scratch",
            )
        except (AttributeError, TypeError, NasError):
            return Ranking()

    def judge(self, trial: Trial) -> Ranked:
        """Judges a trial. That is done here alone, and carried to all that need it."""
        if trial.status not in _JUDGED:
            return Ranked(trial, FAILED, None)
        metrics, outcome = trial.metrics, FAILED
        # what broke a limit before any training has no values of the objectives
        known = all(metric in metrics for metric in self._needed)
        if known or (trial.status == "infeasible" and max(self._violations(metrics), default=0.0) > 0):
            outcome = judge(metrics, self.objectives, self.limits)
        if trial.status == "repeated":
            return Ranked(trial, outcome, None)
        if outcome.failed:
            return Ranked(trial, outcome, all(violation == 0 for violation in self._violations(metrics)))
        return Ranked(trial, outcome, outcome.feasible)

    def of_training(self, trial: Trial, training: int, rerun: Rerun) -> Trial:
        """Returns a trial with the results of a repeat of its training in place of its own.

        Args:
            trial: the trial.
            training: which repeat it is, from 1.
            rerun: how that did.
        """
        metrics = {**trial.metrics, **rerun.metrics}  # beside what is known before any training
        first = self.objectives[0] if self.objectives else None
        score = first.score(metrics[first.metric]) if first and first.metric in metrics else trial.score
        return replace(
            trial,
            training=training,
            score=score,
            metrics=metrics,
            test_metrics=rerun.test_metrics,
            seconds=rerun.seconds,
            ran=rerun.ran,
        )

    def rank(self, trials: Iterable[Trial]) -> list[Ranked]:
        """Judges trials and returns them from best to worst; see `order`."""
        return self.order([self.judge(trial) for trial in trials])

    def order(self, judged: Iterable[Ranked]) -> list[Ranked]:
        """Returns trials from best to worst: feasible, then by what breaks a limit least, then failed.

        Several objectives: by non-dominated front, then the lonelier in its front first. Among equals the
        lower validation loss comes first: on a small validation split many networks have one accuracy, and
        the loss tells them apart. Ties that are left keep their order. Where trials may pause, those that
        were trained to their end come first, then those that paused after more epochs: they earned their
        epochs by being better, and values after different numbers of epochs do not compare.

        Those that have an estimate come by it, before all others: where one has, all that came to their ends
        have. For most of them that is the order of their scores; the few that were trained again, or were
        named beforehand as the plain network is, have another place.
        """
        judged = sorted(judged, key=lambda one: _tie(one.trial))
        ranked = sorted((one for one in judged if one.estimate), key=_worth, reverse=True)
        judged = [one for one in judged if one.estimate is None]
        if not self.paused:
            return ranked + _ordered(judged)
        rungs: dict[int, list[Ranked]] = {}
        for one in judged:
            if one.outcome.feasible:
                rungs.setdefault(rung_of(one.trial), []).append(one)
        ranked += [one for rung in sorted(rungs, reverse=True) for one in _ordered(rungs[rung])]
        return ranked + _ordered([one for one in judged if not one.outcome.feasible])

    def keys(
        self, trial: Trial, outcome: Outcome | None = None
    ) -> tuple[float | None, int | None, float | None]:
        """Returns what decides the place of a trial beside its score: ``violation, rung, tie``.

        A database that has them can say which trials are best: those with the violation 0, of the highest
        rung, the highest score, the lowest tie, the lowest number. The violation is None where there is
        nothing to rank by, all three while the trial is not over.

        Args:
            trial: the trial.
            outcome: how the trial was judged by this ranking; None: it is judged here.
        """
        if trial.status not in MEASURED:
            return None, None, None
        rung, tie = rung_of(trial) if self.paused else 0, _tie(trial)
        if not self.objectives:
            return (None if trial.score is None else 0.0), rung, tie
        found = outcome or self.judge(trial).outcome
        return (None if found.failed else found.violation), rung, tie

    @cached_property
    def _needed(self) -> tuple[str, ...]:
        return (*(one.metric for one in self.objectives), *(one.metric for one in self.limits))

    def _violations(self, metrics: Mapping[str, float]) -> list[float]:
        """Returns by how much each limit is broken whose metric is there."""
        return [limit.violation(metrics[limit.metric]) for limit in self.limits if limit.metric in metrics]


def _worth(one: Ranked) -> float:
    return -math.inf if one.estimate is None else one.estimate.value


def _ordered(judged: Sequence[Ranked]) -> list[Ranked]:
    return [judged[i] for i in order([one.outcome for one in judged])]


def first_fronts(scores: NDArray[np.float64], least: int) -> NDArray[np.bool_]:
    """Returns which rows are in the first non-dominated fronts, as many fronts as have `least` rows together.

    Args:
        scores: the scores, shape (N, objectives), finite, higher is better; equal rows share a front.
        least: the number of rows that are wanted; 1 takes the Pareto front and no more.
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
    """Returns which rows no other row dominates, of rows with the lexicographically largest first."""
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
    """Returns what settles ties: the validation loss, infinite where it is unknown."""
    loss = trial.metrics.get("loss", math.inf)
    return math.inf if math.isnan(loss) else loss
