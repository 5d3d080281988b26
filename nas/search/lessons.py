"""The bank of shared weights of a search: its lessons, and what the store keeps of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from nas.description import Description
from nas.records import BankEpoch, PathScore
from nas.search.lesson_networks import LessonNetworks
from nas.store.store import Store
from nas.store.transaction import Transaction
from search_spaces.errors import ExecutorError
from search_spaces.space import Space
from workers.bank.average import average
from workers.bank.bank import Bank
from workers.bank.paths import Sampling
from workers.job import Event, Failed, Finished, Job, Lesson, Reported, SharedWeights

NETWORKS = 200
"""So many networks train a bank at the most: others find their tensors there, too, in other combinations."""

LESSONS = 5
"""Into so many lessons its training is divided: the store has the bank after each."""

LESSONS_OF_CONTROLLER = 10
"""Into so many where a controller draws the networks: it learns after each."""

LESSONS_OF_WORKERS = 20
"""Into so many where several workers train it: the longer each goes its own way, the less an average is."""

MOST_WORKERS = 8
"""So many workers train a bank at the most: each has a bank of its own, and the driver averages them."""

_JOB = -(2**40)
"""The number of the first job of a bank; those of other jobs that are no trials are far above it."""


@dataclass(frozen=True)
class LessonPlan:
    """How a bank is trained.

    Attributes:
        epochs: the epochs; 0: it is not trained at all.
        sampling: how the networks are drawn that train it.
        networks: how many of them at the most.
        workers: the number of workers that train it at once.
    """

    epochs: int
    sampling: Sampling
    networks: int
    workers: int = 1


def lessons_of(plan: LessonPlan) -> int:
    """Returns into how many lessons a training is divided, if it has as many epochs."""
    if plan.workers > 1:
        return LESSONS_OF_WORKERS
    return LESSONS_OF_CONTROLLER if plan.sampling == "controller" else LESSONS


@dataclass
class _Part:
    """What one worker does in a lesson.

    Attributes:
        job: its job.
        reported: its epochs so far.
        data: its bank; None: it is not over.
        scored: how the given networks do with that.
    """

    job: Job
    reported: list[BankEpoch] = field(default_factory=list)
    data: bytes | None = None
    scored: tuple[dict[str, float] | None, ...] = ()


class Lessons:
    """The bank of a search that shares weights, and its lessons.

    In each lesson several workers may train it, each by itself; it goes on from the average of their banks.

    Args:
        description: the description of the search.
        space: its space.
        store: the store that keeps the bank.
        search_id: the number of the search there.
        networks: what draws the networks that train it; None: they are drawn where it is trained.

    Attributes:
        plan: how it is trained; None: that is not chosen yet.
        failed: why it could not be trained, in words; None: it could.
        due: the jobs of the lesson that are to be given to workers.
        epochs: the epochs that it was trained for.
    """

    def __init__(
        self,
        description: Description,
        space: Space,
        store: Store,
        search_id: int,
        networks: LessonNetworks | None = None,
    ) -> None:
        self._description, self._space = description, space
        self._store, self._search_id, self._networks = store, search_id, networks
        self.plan: LessonPlan | None = None
        self.failed: str | None = None
        self.due: list[Job] = []
        self.epochs: list[BankEpoch] = []
        self._parts: dict[int, _Part] = {}  # of the lesson that is not over, by the numbers of their jobs
        self._running: set[int] = set()
        self._shared: SharedWeights | None = None

    def restore(self) -> None:
        """Comes to where the store has it."""
        self.epochs = self._store.bank_epochs(self._search_id)
        data = self._store.bank(self._search_id)
        self._shared = None if data is None else SharedWeights.of(data)
        if self._shared is None:
            self.epochs = []
        if self._networks is not None:
            self._networks.restore([one.scored for one in self.epochs if one.scored])

    @property
    def frozen(self) -> bool:
        """Whether its training is over: then networks can be scored with its weights."""
        return self.plan is not None and 0 < self.plan.epochs <= len(self.epochs)

    @property
    def running(self) -> bool:
        """Whether a lesson has begun and is not over."""
        return bool(self._parts)

    @property
    def shared(self) -> SharedWeights | None:
        """The bank, for jobs; None: it is not trained yet."""
        return self._shared if self.frozen else None

    def next_job(self) -> Job | None:
        """Returns a job that trains it on; None: there is none for now."""
        if self.plan is None or not self.plan.epochs or self.frozen or self.failed is not None:
            return None
        if not self.running:
            self._begin(self.plan)
        if not self.due:
            return None
        job = self.due.pop(0)
        self._running.add(job.number)
        return job

    def _begin(self, plan: LessonPlan) -> None:
        """Begins the next lesson."""
        begun = len(self.epochs)
        count = lessons_of(plan)
        until = min(plan.epochs, begun + max(1, math.ceil(plan.epochs / count)))
        lesson = Lesson(
            self._space,
            plan.sampling,
            plan.networks,
            plan.epochs,
            begun,
            until,
            workers=plan.workers,
        )
        if self._networks is not None:
            new = self._networks.draw(plan.networks // count)
            lesson = replace(lesson, given=(*self._networks.earlier, *new), new=len(new))
        budget = self._description.budget
        job = Job(
            number=_JOB,
            architecture=self._space.plain(),
            seed=self._description.seed,
            memory=budget.trial_memory,
            silence=budget.trial_silence,
            standardise=self._description.standardise,
            bank=self._shared,
        )
        self.due = [
            replace(job, number=_JOB - begun * plan.workers - worker, lesson=replace(lesson, worker=worker))
            for worker in range(plan.workers)
        ]
        self._parts = {one.number: _Part(one) for one in self.due}

    def is_of(self, event: Event) -> bool:
        """Whether an event is of its training."""
        return event.number in self._running

    @property
    def given_up(self) -> frozenset[int]:
        """The numbers of the jobs that are still running though their lesson is not to be ended."""
        return frozenset() if self.failed is None else frozenset(self._running)

    def take(self, event: Event, writing: Transaction) -> str | None:
        """Takes in how a lesson goes; returns what there is to say of it."""
        if not isinstance(event, Reported):
            self._running.discard(event.number)
        part = self._parts.get(event.number)
        if part is None:  # of a lesson that has failed
            return None
        if isinstance(event, Reported):
            report = event.report
            part.reported.append(BankEpoch(report.epoch, report.train_loss, report.seconds))
            if part is not next(iter(self._parts.values())):
                return None
            return f"bank: epoch {report.epoch}, training loss {report.train_loss:.4g}"
        if isinstance(event, Failed):
            self.failed = f"{event.reason}: {event.message}"
            self.due, self._parts = [], {}
        elif isinstance(event, Finished):
            try:
                part.data, part.scored = event.weights.read(), event.scored
            except ExecutorError as error:  # lost with its node: the job is given once more
                part.reported = []
                self.due.append(part.job)
                return str(error)
            if all(one.data is not None for one in self._parts.values()):
                return self._end(list(self._parts.values()), writing)
        return None

    def _end(self, parts: Sequence[_Part], writing: Transaction) -> str | None:
        """Ends a lesson that all workers have ended."""
        banks = [one.data for one in parts if one.data is not None]
        data = banks[0]
        if len(banks) > 1:
            before = None if self._shared is None else Bank.from_safetensors(self._shared.weights.read())
            data = average([Bank.from_safetensors(one) for one in banks], before).to_safetensors()
        epochs = [_joined(several) for several in zip(*(one.reported for one in parts), strict=True)]
        said = None
        if self._networks is not None:
            scored = self._networks.learn(_means([one.scored for one in parts]))
            epochs[-1] = replace(epochs[-1], scored=scored)
            said = self._told(scored)
        self._shared, self._parts = SharedWeights.of(data), {}
        self.epochs += epochs
        writing.bank(epochs, data)
        return said

    def _told(self, scored: Sequence[PathScore]) -> str | None:
        """How the networks of a lesson do, in words: they say whether a controller settles too early."""
        metric = self._description.objectives[0].metric
        found = [one.metrics for one in scored if one.metrics and metric in one.metrics]
        if not found:
            return None
        different = len({str(one.decisions) for one in scored})
        mean, size = (sum(one[name] for one in found) / len(found) for name in (metric, "num_params"))
        return (
            f"bank: the controller has drawn {different} different networks; {len(found)} were scored: "
            f"{metric} {mean:.4g}, {size:,.0f} parameters in the mean"
        )


def _joined(several: Sequence[BankEpoch]) -> BankEpoch:
    """An epoch of several workers: with the mean of their losses, as long as the slowest."""
    loss = sum(one.train_loss for one in several) / len(several)
    return BankEpoch(several[0].epoch, loss, max(one.seconds for one in several))


def _means(
    several: Sequence[Sequence[Mapping[str, float] | None]],
) -> list[dict[str, float] | None]:
    """The means of what several workers say of each network; None where one could not build it."""

    def mean(own: Sequence[Mapping[str, float] | None]) -> dict[str, float] | None:
        there = [one for one in own if one is not None]
        return {name: sum(one[name] for one in there) / len(there) for name in there[0]} if there else None

    return [mean(own) for own in zip(*several, strict=True)]
