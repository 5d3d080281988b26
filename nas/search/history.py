"""The trials of a running search that are over: who is best, and what repeats are answered from."""

from __future__ import annotations

import math

from nas.description import Description
from nas.ranking import Ranked, rung_of
from nas.records import LATE, MEASURED, Trial
from nas.search.progress import Progress


class TrialHistory:
    """The trials of a search that are over or have paused.

    Args:
        description: the description of the search.
        progress: how far the search is; `count` keeps it up to date.

    Attributes:
        ranking: what its trials are judged by.
        known: the first trial of each architecture that is over, by id: what repeats are answered from.
        nearest: the trial that breaks the limits least, of those that break one; None: none does.
    """

    def __init__(self, description: Description, progress: Progress) -> None:
        self.description, self.progress, self.ranking = description, progress, description.ranking
        self.known: dict[str, Trial] = {}
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
        objective = self.description.objectives[0]
        if trial.score is None or not judged.outcome.feasible:
            return
        key = rung_of(trial) if self.ranking.paused else 0, trial.score
        if self._best is None or key > self._best:
            self._best = key
            progress.best = (trial.metrics[objective.metric], trial.architecture_id)

    def resume(self) -> None:
        """Count that a trial that had paused is in training again."""
        self.progress.counts["paused"] -= 1
