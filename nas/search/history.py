"""The trials of a running search that are over: who is best, and what repeats are answered from."""

from __future__ import annotations

import math
from bisect import insort

from nas.description import Description
from nas.estimates import BEST, Estimator
from nas.ranking import Ranked, rung_of
from nas.records import LATE, MEASURED, Rerun, Trial
from nas.search.progress import Progress
from nas.store.estimated import estimator_of


class TrialHistory:
    """The trials of a search that are over or have paused.

    Args:
        description: the description of the search.
        progress: how far the search is; `count` keeps it up to date.

    Attributes:
        ranking: what its trials are judged by.
        known: the first trial of each architecture that is over, by id: what repeats are answered from.
        ended: the trials that came to their ends within the limits, by number, as they were judged.
        reruns: the trainings of their networks again, by the trial's number.
        nearest: the trial that breaks the limits least, of those that break one; None: none does.
    """

    def __init__(self, description: Description, progress: Progress) -> None:
        self.description, self.progress, self.ranking = description, progress, description.ranking
        self.known: dict[str, Trial] = {}
        self.ended: dict[int, Ranked] = {}
        self.reruns: dict[int, list[Rerun]] = {}
        self._scores: list[float] = []  # of those that ended, the lowest first
        self.nearest: Trial | None = None
        self._least = math.inf  # by how much that breaks them
        self._best: tuple[int, float] | None = None  # rung, where trials pause, and score

    def score(self, trial: Trial) -> float | None:
        """Returns the first objective of a trained network, higher is better; None: it has none."""
        objective = self.description.objectives[0]
        value = trial.metrics.get(objective.metric)
        return None if value is None or trial.status not in MEASURED else objective.score(value)

    def count(self, judged: Ranked) -> None:
        """Take a trial that is over or has paused into account."""
        progress, trial = self.progress, judged.trial
        progress.counts[trial.status] += 1
        if trial.status == "repeated" or trial.reason == LATE:
            return
        if self.known.setdefault(trial.architecture_id, trial).number == trial.number:
            self.known[trial.architecture_id] = trial
        if 0 < judged.outcome.violation < self._least:
            self.nearest, self._least = trial, judged.outcome.violation
        if judged.ended and trial.number not in self.ended:
            self.ended[trial.number] = judged
            insort(self._scores, judged.outcome.scores[0])
        objective = self.description.objectives[0]
        if trial.score is None or not judged.outcome.feasible or trial.inherited:
            return  # what was not trained is never the best, and reaches no target
        key = rung_of(trial) if self.ranking.paused else 0, trial.score
        if self._best is None or key > self._best:
            self._best = key
            progress.best = (trial.metrics[objective.metric], trial.architecture_id)

    def estimator(self) -> Estimator | None:
        """Returns what says what trained networks are worth; None where that is not known."""
        if not self.ranking.estimated:
            return None
        few = {*self.reruns, *range(self.ranking.given)} & self.ended.keys()
        known = {number: self.ended[number].trial for number in few}
        best = self._scores[: -BEST - 1 : -1]
        return estimator_of(self.ranking, known, self.reruns, best, len(self.ended))

    def resume(self) -> None:
        """Count that a trial that had paused is in training again."""
        self.progress.counts["paused"] -= 1
