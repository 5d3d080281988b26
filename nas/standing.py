"""What a running search knows of its trials that are over: who is best, whose weights are kept."""

from __future__ import annotations

from controllers.base import Controller
from controllers.records import judge
from nas.description import Description
from nas.progress import Progress
from nas.ranking import rank
from nas.records import Trial
from nas.writing import Writing
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
    """

    def __init__(self, description: Description, progress: Progress) -> None:
        self.description, self.progress = description, progress
        self.known: dict[str, Trial] = {}
        self.kept: dict[int, Trial] = {}

    def score(self, trial: Trial) -> float | None:
        """The first objective of a trained network, higher is better."""
        objective = self.description.objectives[0]
        value = trial.metrics.get(objective.metric)
        return None if value is None or trial.status != "complete" else objective.score(value)

    def count(self, trial: Trial) -> None:
        """Take a trial that is over into account."""
        progress = self.progress
        setattr(progress, trial.status, getattr(progress, trial.status) + 1)
        if trial.status == "repeated":
            return
        self.known.setdefault(trial.architecture_id, trial)
        objective = self.description.objectives[0]
        if trial.score is None or not judge(trial.metrics, [objective], self.description.limits).feasible:
            return
        if progress.best is None or trial.score > objective.score(progress.best[0]):
            progress.best = (trial.metrics[objective.metric], trial.architecture_id)

    def keep(self, trial: Trial, weights: Weights, writing: Writing) -> None:
        """Keep the weights of a trial if it is among the best, at the cost of the worst kept."""
        candidates = sorted([*self.kept.values(), trial], key=lambda candidate: candidate.number)
        best = rank(candidates, self.description.objectives, self.description.limits)
        numbers = {one.number for one in best[: self.description.keep_weights]}
        if trial.number not in numbers:
            return
        try:
            data = weights.read()
        except ExecutorError as error:  # lost with their node; what was measured stands
            self.progress.messages.append(f"{trial.architecture_id}: {error}")
            return
        writing.keep_weights(trial.number, data)
        self.kept[trial.number] = trial
        for number in self.kept.keys() - numbers:
            writing.drop_weights(number)
            del self.kept[number]


def values_for(controller: Controller, trial: Trial) -> dict[str, float] | None:
    """What a controller is told of a trial that is over: its values, or None for a failure.

    A network that was turned down for its costs has no values of the objectives. A controller that does not
    know the limit which it broke can only hear that it failed.
    """
    metrics = dict(trial.metrics)
    if trial.status == "failed" or not metrics:
        return None
    if all(objective.metric in metrics for objective in controller.objectives):
        return metrics
    limits = controller.limits
    broken = any(limit.violation(metrics[limit.metric]) > 0 for limit in limits if limit.metric in metrics)
    return metrics if broken else None
