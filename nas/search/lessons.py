"""The bank of shared weights of a search: its lessons, and what the store keeps of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nas.description import Description
from nas.records import BankEpoch
from nas.store.store import Store
from nas.store.transaction import Transaction
from search_spaces.errors import ExecutorError
from search_spaces.space import Space
from workers.bank.paths import Sampling
from workers.job import Event, Failed, Finished, Job, Lesson, Reported, SharedWeights

NETWORKS = 200
"""So many networks train a bank at the most: others find their tensors there, too, in other combinations."""

LESSONS = 5
"""Into so many lessons its training is divided: the store has the bank after each."""

_JOB = -(2**40)
"""The number of the first job of a bank; those of other jobs that are no trials are far above it."""


@dataclass(frozen=True)
class LessonPlan:
    """How a bank is trained.

    Attributes:
        epochs: the epochs; 0: it is not trained at all.
        sampling: how the networks are drawn that train it.
        networks: how many of them at the most.
    """

    epochs: int
    sampling: Sampling
    networks: int


class Lessons:
    """The bank of a search that shares weights, and its lessons.

    Args:
        description: the description of the search.
        space: its space.
        store: the store that keeps the bank.
        search_id: the number of the search there.

    Attributes:
        plan: how it is trained; None: that is not chosen yet.
        failed: why it could not be trained, in words; None: it could.
        running: the job that trains it now.
        epochs: the epochs that it was trained for.
    """

    def __init__(self, description: Description, space: Space, store: Store, search_id: int) -> None:
        self._description, self._space = description, space
        self._store, self._search_id = store, search_id
        self.plan: LessonPlan | None = None
        self.failed: str | None = None
        self.running: Job | None = None
        self.epochs: list[BankEpoch] = []
        self._reported: list[BankEpoch] = []  # of the lesson that is running
        self._shared: SharedWeights | None = None

    def restore(self) -> None:
        """Comes to where the store has it."""
        self.epochs = self._store.bank_epochs(self._search_id)
        data = self._store.bank(self._search_id)
        self._shared = None if data is None else SharedWeights.of(data)
        if self._shared is None:
            self.epochs = []

    @property
    def frozen(self) -> bool:
        """Whether its training is over: then networks can be scored with its weights."""
        return self.plan is not None and 0 < self.plan.epochs <= len(self.epochs)

    @property
    def shared(self) -> SharedWeights | None:
        """The bank, for jobs; None: it is not trained yet."""
        return self._shared if self.frozen else None

    def next_lesson(self) -> Job | None:
        """Returns the job that trains it on; None: there is none for now."""
        if self.plan is None or self.frozen or self.failed is not None or self.running is not None:
            return None
        if not self.plan.epochs:
            return None
        begun, epochs = len(self.epochs), self.plan.epochs
        until = min(epochs, begun + max(1, math.ceil(epochs / LESSONS)))
        budget = self._description.budget
        self.running = Job(
            number=_JOB - begun,
            architecture=self._space.plain(),
            seed=self._description.seed,
            memory=budget.trial_memory,
            silence=budget.trial_silence,
            standardise=self._description.standardise,
            bank=self._shared,
            lesson=Lesson(self._space, self.plan.sampling, self.plan.networks, epochs, begun, until),
        )
        self._reported = []
        return self.running

    def is_of(self, event: Event) -> bool:
        """Whether an event is of its training."""
        return self.running is not None and event.number == self.running.number

    def take(self, event: Event, writing: Transaction) -> str | None:
        """Takes in how a lesson goes; returns what there is to say of it."""
        if isinstance(event, Reported):
            report = event.report
            self._reported.append(BankEpoch(report.epoch, report.train_loss, report.seconds))
            return f"bank: epoch {report.epoch}, training loss {report.train_loss:.4g}"
        if isinstance(event, Failed):
            self.running, self.failed = None, f"{event.reason}: {event.message}"
        elif isinstance(event, Finished):
            self.running = None
            try:
                data = event.weights.read()
            except ExecutorError as error:  # lost with its node: the lesson is given once more
                return str(error)
            self._shared = SharedWeights.of(data)
            self.epochs += self._reported
            writing.bank(self._reported, data)
        return None
