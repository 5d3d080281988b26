"""Problems that a table answers, and an executor that runs them in simulated time.

A cluster of a thousand workers is searched in seconds: no network is trained, but the search is the real one,
with many trials in flight that end out of order, and its clock is the workers'. A pool takes tables too, and
plays them in real time: a rehearsal of a cluster before anything is trained on it.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from search_spaces.errors import ExecutorError
from search_spaces.space import Space
from workers.executor import Executor
from workers.job import Checkpoint, Event, Failed, Finished, HeldWeights, Job, Report, Reported, TrialStopped

if TYPE_CHECKING:
    from search_spaces.architecture import Architecture
    from search_spaces.signature import Signature


_LOOK = 0.1  # seconds between looks at whether a trial that is played was stopped


@dataclass(frozen=True)
class Answer:
    """What a table knows of one architecture.

    Attributes:
        metrics: on the validation split, by name, as at the end of the training.
        seconds: that the training is billed.
        test_metrics: on the test split, for reporting only.
        costs: of the network, by name.
        epochs: ``(metrics, seconds since the start)`` after each epoch, where the table has learning curves.
    """

    metrics: Mapping[str, float]
    seconds: float
    test_metrics: Mapping[str, float] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    epochs: tuple[tuple[Mapping[str, float], float], ...] = ()


@dataclass(frozen=True, eq=False)
class Table:
    """A problem whose answers are known: in place of a `Problem`, with `Simulated` workers or a `Pool`.

    Attributes:
        name: of the problem.
        space: the architectures that it knows.
        signature: what they serve.
        answer: looks an architecture up; None where training it fails.
        metrics: the names of the validation metrics.
        objective: what a search optimises unless told otherwise.
        options: how it was loaded.
    """

    name: str
    space: Space
    signature: Signature
    answer: Callable[[Architecture], Answer | None]
    metrics: tuple[str, ...] = ("accuracy",)
    objective: tuple[str, Literal["maximize", "minimize"]] = ("accuracy", "maximize")
    options: Mapping[str, Any] = field(default_factory=dict)


class Simulated(Executor):
    """Answers jobs from a `Table` as a number of workers would, on a clock of its own.

    The clock stands still while anyone thinks, and jumps to the next event when asked for events.

    Args:
        workers: simulated workers.
        queued: jobs beyond those running that are worth having in flight.

    Attributes:
        busy_seconds: simulated time of all the workers in training.
    """

    def __init__(self, workers: int = 1, *, queued: int = 0) -> None:
        if workers < 1 or queued < 0:
            raise ExecutorError(
                f"Simulated(workers={workers}, queued={queued}): expected 1 or more, 0 or more"
            )
        self.workers, self.queued = workers, queued
        self.busy_seconds = 0.0
        self._now = 0.0
        self._table: Table | None = None
        self._waiting: deque[Job] = deque()
        self._running: dict[int, float] = {}  # job number -> when it began
        self._coming: list[tuple[float, int, Event]] = []  # a heap: when, tie-break, what
        self._order = 0

    @property
    def slots(self) -> int:
        return self.workers + self.queued

    def clock(self) -> float:
        return self._now

    def open(self, problem: Any) -> None:
        if self._table is not None:
            raise ExecutorError("this executor is open already; close it first")
        if not isinstance(problem, Table):
            raise ExecutorError(f"simulated workers answer from a Table, got {type(problem).__name__}")
        self._table = problem

    def start(self, *jobs: Job) -> None:
        if self._table is None:
            raise ExecutorError("this executor is not open: call open(table) first")
        for job in jobs:
            if job.number in self._running or any(job.number == other.number for other in self._waiting):
                raise ExecutorError(f"a job of number {job.number} is in flight already")
            self._waiting.append(job)
        self._begin()

    def events(self, timeout: float | None = None) -> list[Event]:
        if self._table is None:
            raise ExecutorError("this executor is not open: call open(table) first")
        found: list[Event] = []
        while self._coming and (not found or self._coming[0][0] == self._now):
            when, _, event = heapq.heappop(self._coming)
            if event.number not in self._running:
                continue  # it was stopped
            self._now = when
            found.append(event)
            if not isinstance(event, Reported):
                self.busy_seconds += when - self._running.pop(event.number)
        self._begin()
        return found

    def stop(self, number: int) -> None:
        for job in self._waiting:
            if job.number == number:
                self._waiting.remove(job)
                self._running[number] = self._now
                break
        if number in self._running:
            self._coming = [item for item in self._coming if item[2].number != number]
            heapq.heapify(self._coming)
            seconds = self._now - self._running[number]
            self._push(self._now, Failed(number, "stopped", "stopped on request", "", False, seconds))

    def close(self) -> None:
        self._table = None
        self._waiting.clear()
        self._running.clear()
        self._coming.clear()

    def _begin(self) -> None:
        """Give waiting jobs to idle workers: their events are known at once."""
        while self._waiting and len(self._running) < self.workers:
            job = self._waiting.popleft()
            self._running[job.number] = self._now
            assert self._table is not None
            for after, event in foresee(self._table, job):
                self._push(self._now + after, event)

    def _push(self, when: float, event: Event) -> None:
        self._order += 1
        heapq.heappush(self._coming, (when, self._order, event))


def foresee(table: Table, job: Job) -> list[tuple[float, Event]]:
    """The events of a job, each with the seconds from its start."""
    answer = table.answer(job.architecture)
    if answer is None:
        return [(0.0, Failed(job.number, "exception", "the table says that it fails", "", False, 0.0))]
    whole = answer.epochs if job.epochs is None else answer.epochs[: job.epochs]
    curve = whole[: job.until]
    paused = len(curve) < len(whole)
    begun = 0 if job.checkpoint is None else job.checkpoint.epoch
    spent = curve[begun - 1][1] if curve and begun else 0.0  # billed in earlier legs
    metrics, after = curve[-1] if curve else (answer.metrics, answer.seconds)
    seconds = after - spent
    if job.seconds is not None and seconds > job.seconds:
        text = f"takes {seconds:g} seconds, more than {job.seconds:g}"
        return [(job.seconds, Failed(job.number, "timeout", text, "", False, job.seconds))]
    events: list[tuple[float, Event]] = []
    before = spent
    for epoch, (values, after) in enumerate(curve[begun:], start=begun + 1):
        report = Report(epoch, dict(values), float("nan"), after - before, 0.0)
        events.append((after - spent, Reported(job.number, report)))
        before = after
    finished = Finished(
        job.number,
        dict(metrics),
        {} if paused else dict(answer.test_metrics),  # the table knows those of the end
        seconds,
        HeldWeights(b""),
        dict(answer.costs),
        checkpoint=Checkpoint(len(curve), HeldWeights(b"")) if paused else None,
    )
    return [*events, (seconds, finished)]


def perform(
    table: Table, job: Job, check: Callable[[], None], enough: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Play a job in real time: its events, each when its seconds are over.

    Args:
        table: that answers it.
        job: what to do.
        check: called now and then; raises `TrialStopped` to end the trial.
        enough: asked after each epoch; true: the trial pauses there, as with `Job.until`.
    """
    started = time.perf_counter()
    try:
        for after, event in foresee(table, job):
            while (left := started + after - time.perf_counter()) > 0:
                check()
                time.sleep(min(left, _LOOK))
            yield event
            if isinstance(event, Reported) and enough():
                yield foresee(table, replace(job, until=event.report.epoch))[-1][1]
                return
    except TrialStopped as stop:
        yield Failed(job.number, "stopped", str(stop), "", False, time.perf_counter() - started)
