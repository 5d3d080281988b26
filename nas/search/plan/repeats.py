"""Repeats: in the tail of a search, networks whose order is in doubt are trained again with other seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from heapq import nlargest
from statistics import median
from typing import Any

from controllers.planner import Planner
from nas.description import Description
from nas.ranking import Ranked
from nas.records import Trial
from nas.results.text import duration
from nas.search.history import TrialHistory
from nas.search.kept_weights import KeptWeights
from nas.search.plan.finals import LOOKS, MARGIN, Finals, together
from nas.search.plan.plan import Part, Standing
from nas.search.plan.race import Contender, in_doubt
from nas.search.reruns import RerunFlight, rerun_seed

SHARE = 0.1
"""The share of the time, at its end, in which repeats come before new networks where trials do not pause."""

CONTENDERS = 20
"""So many of the best networks are in the race; and the plain one."""

FEW = 3
"""So many of the best are trained again before it is known how noisy scores are, and the plain network."""


class Repeats(Part):
    """Trains networks again, with other seeds, as long as it is in doubt which is the best.

    That is worth more than one network more to look at once hardly one would come to its end: in the finals
    after the finalists have gone to their ends; where no trial pauses, in the last `SHARE` of the time, or
    when less is left than a network takes. It is a race (`nas.search.plan.race`), and takes a worker only
    where a repeat ends in time. No trial begins with a repeat: what comes of it is a rerun of the trial
    (`nas.records.Rerun`), of which controllers and budgets know nothing.

    A repeat that was cut off with its driver is not made good: it is chosen again, with the same seed, where
    the time still allows it.

    Args:
        description: the description of the search.
        finals: the finals of the search.
        history: the trials of the search that are over.
        weights: what keeps the weights of their best trainings.

    Where it does not apply, because there are several objectives or weights are inherited, it says so once in
    the place of a first repeat.

    Attributes:
        drains: whether nothing new is to wait at a worker: the next one that is free trains something again.
    """

    name = "repeats"

    def __init__(
        self, description: Description, finals: Finals, history: TrialHistory, weights: KeptWeights
    ) -> None:
        self._description, self._finals = description, finals
        self._history, self._weights = history, weights
        self._next: tuple[int, int, int] | None = None
        self._look = 0.0  # seconds of the search
        self._none: Any = None  # the budget under which it was said why nothing is repeated
        self.drains = False

    def choose(self, standing: Standing) -> tuple[Any, str] | None:
        seconds = self._finals.seconds
        if seconds is None or not standing.seeded or self._none == self._finals.budget:
            return None
        room = (
            standing.workers if self._finals.begun or self.drains else max(standing.workers, standing.slots)
        )
        if self._next is not None or standing.busy >= room:
            return None
        if standing.elapsed < self._look and not self._finals.begun:
            return None
        ended = list(map(self._weights.handed_over, standing.ended.values()))
        due = self._due(standing, ended)
        if due and not standing.ranking.estimated:
            return {"none": True, "budget": self._finals.budget}, _why_none(len(standing.ranking.objectives))
        chosen = self._chosen(standing, ended) if due else None
        self.drains = chosen is not None
        if not due:
            self._look = standing.elapsed + seconds / LOOKS
        return chosen if standing.busy < standing.workers else None

    def _chosen(self, standing: Standing, ended: Sequence[Ranked]) -> tuple[Any, str] | None:
        """Returns the first of the networks in doubt that can be trained again in time, and why."""
        trials = {one.trial.number: one.trial for one in ended}
        for one in self._doubtful(standing, ended):
            trial = trials[one.number]
            needed = MARGIN * (trial.seconds or 0.0)
            if needed and trial.epochs and needed <= standing.left:
                run = self._run(trial, standing.repeats)
                value = {
                    "number": one.number,
                    "run": run,
                    "epochs": trial.epochs,
                    "budget": self._finals.budget,
                }
                what = "the plain network" if one.plain else f"trial {one.number}"
                reason = (
                    f"whether {what} is the best is in doubt after {_trainings(one)}: one more takes some "
                    f"{duration(needed)}, {duration(standing.left)} are left"
                )
                return value, reason
        return None

    def act(self, value: Any, planner: Planner) -> None:
        if "none" in value:
            self._none = value["budget"]
        elif value["budget"] == self._finals.budget:
            self._next = value["number"], value["run"], value["epochs"]

    def take(self) -> tuple[int, int, int] | None:
        """Returns the trial whose network is to be trained again now, which time that is from 0, and the
        epochs, once; None: none is chosen."""
        found, self._next = self._next, None
        return found

    def _due(self, standing: Standing, ended: Sequence[Ranked]) -> bool:
        """Whether it is time for repeats, and not for something new."""
        if self._finals.begun:
            return not self._finals.owes(standing)
        if standing.promising or not ended or self._finals.seconds is None:
            return False
        typical = _typical(ended)
        # what is begun or waits at a worker comes first: the tail begins so much sooner
        rest = together([max(0.0, typical - one.trained) for one in standing.running], standing.workers)
        return standing.left <= max(SHARE * self._finals.seconds, MARGIN * typical) + rest

    def _doubtful(self, standing: Standing, ended: Sequence[Ranked]) -> list[Contender]:
        """The networks to train again, the one that tells most first."""
        reruns = self._history.reruns
        failed = {number for number, runs in reruns.items() if any(run.failure for run in runs)}
        coming = Counter(repeat.trial.number for repeat in standing.repeats)
        best = nlargest(CONTENDERS, ended, key=lambda one: one.outcome.scores[0])
        estimates = self._history.estimator()
        if estimates is None:  # the noise is to be known first
            plain = [one for one in ended if one.trial.origin == "plain"]
            few = {one.trial.number: one for one in [*best[:1], *plain, *best[1:FEW]]}
            counts = [(number, len(reruns.get(number, ())) + coming[number]) for number in few]
            return [Contender(n, 0.0, 0.0, 1 + again) for n, again in counts if again < 2 and n not in failed]
        moved = [one for one in ended if one.trial.number in estimates.moved]
        contenders = []
        for number, one in {one.trial.number: one for one in [*best, *moved]}.items():
            score = one.outcome.scores[0]
            value, then = estimates.of(number, score).value, estimates.of(number, score, more=coming[number])
            named = number in estimates.named
            contenders.append(Contender(number, value, then.deviation, then.trainings, named))
        return [one for one in in_doubt(contenders) if one.number not in failed]

    def _run(self, trial: Trial, repeats: Collection[RerunFlight]) -> int:
        """Which training again it is: the first whose seed was not taken."""
        taken = {
            run.seed
            for run in self._history.reruns.get(trial.number, ())
            if run.epochs == trial.epochs and not run.all_data
        }
        taken |= {repeat.job.seed for repeat in repeats}
        run = 0
        while rerun_seed(self._description, trial.architecture_id, run) in taken:
            run += 1
        return run


def _why_none(objectives: int) -> str:
    """Says why no network of a search is trained again that does not estimate what networks are worth."""
    if objectives > 1:
        return f"{objectives} objectives: none is trained again, for no network alone is the best"
    return "none is trained again: weights are inherited, so that a training is not of its network alone"


def _trainings(one: Contender) -> str:
    return f"{one.trainings} training{'s' * (one.trainings != 1)}"


def _typical(ended: Sequence[Ranked]) -> float:
    """The seconds that a network takes."""
    return median([one.trial.seconds for one in ended if one.trial.seconds] or [0.0])
