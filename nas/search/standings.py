"""What a running search knows of its trials that are over: who is best, whose weights are kept."""

from __future__ import annotations

from controllers.records import judge
from nas.description import Description
from nas.records import MEASURED, Trial
from nas.search.progress import Progress
from nas.store.transaction import Writing
from search_spaces.errors import ExecutorError
from workers.job import Weights


class Standing:
    """The trials of a search that are over.

    Args:
        description: of the search.
        progress: where it stands; `count` keeps it up to date.

    Attributes:
        known: by architecture id, the first trial of each that is over: what repeats are answered from.
        kept: by number, the trials whose weights are kept.
        new_weights: of those, the weights that are being written; empty them when they are.
    """

    def __init__(self, description: Description, progress: Progress) -> None:
        self.description, self.progress = description, progress
        self.known: dict[str, Trial] = {}
        self.kept: dict[int, Trial] = {}
        self.new_weights: dict[int, bytes] = {}
        self._best: tuple[int, float] | None = None  # epochs, where trials pause, and score

    def score(self, trial: Trial) -> float | None:
        """The first objective of a trained network, higher is better."""
        objective = self.description.objectives[0]
        value = trial.metrics.get(objective.metric)
        return None if value is None or trial.status not in MEASURED else objective.score(value)

    def count(self, trial: Trial) -> None:
        """Take a trial that is over or has paused into account."""
        progress = self.progress
        progress.counts[trial.status] += 1
        if trial.status == "repeated":
            return
        if self.known.setdefault(trial.architecture_id, trial).number == trial.number:
            self.known[trial.architecture_id] = trial
        objective = self.description.objectives[0]
        if trial.score is None or not judge(trial.metrics, [objective], self.description.limits).feasible:
            return
        key = (trial.epochs or 0) if self.description.fidelity else 0, trial.score
        if self._best is None or key > self._best:
            self._best = key
            progress.best = (trial.metrics[objective.metric], trial.architecture_id)

    def go_on(self) -> None:
        """Count that a trial that had paused is in training again."""
        self.progress.counts["paused"] -= 1

    def keep(self, trial: Trial, weights: Weights, writing: Writing) -> None:
        """Keep the weights of a trial if it is among the best, at the cost of the worst kept."""
        if not self.description.keep_weights:
            return
        candidates = sorted(({**self.kept, trial.number: trial}).values(), key=lambda one: one.number)
        best = self.description.rank(candidates)
        numbers = {one.number for one in best[: self.description.keep_weights]}
        self.drop(trial.number, writing)  # those of its last pause
        if trial.number not in numbers:
            return
        try:
            data = weights.read()
        except ExecutorError as error:  # lost with their node; what was measured stands
            self.progress.messages.append(f"{trial.architecture_id}: {error}")
            return
        writing.keep_weights(trial.number, data)
        self.kept[trial.number] = trial
        self.new_weights[trial.number] = data
        for number in self.kept.keys() - numbers:
            self.drop(number, writing)

    def drop(self, number: int, writing: Writing) -> None:
        """Forget the weights of a trial, if they are kept."""
        if self.kept.pop(number, None) is not None:
            self.new_weights.pop(number, None)
            writing.drop_weights(number)
