"""An executor that answers jobs from a table in simulated time; `Table` and `Answer` have their address here.

A cluster of a thousand workers is searched in seconds: no network is trained, but the search is the real one,
with many trials in flight that end out of order, and its clock is the workers'. A pool takes tables too, and
plays them in real time: a rehearsal of a cluster before anything is trained on it.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from search_spaces.arguments import Count, Whole, checked
from search_spaces.errors import ExecutorError
from workers.executor import Executor
from workers.job import Event, Failed, Job, Last
from workers.table import Answer, Table, foresee

if TYPE_CHECKING:
    from workers.problems.problem import Problem

__all__ = ["Answer", "Simulated", "Table"]


class Simulated(Executor):
    """Answers jobs from a `Table` as a number of workers would, on a clock of its own.

    The clock stands still while anyone thinks, and jumps to the next event when asked for events.

    Args:
        workers: how many workers are simulated.
        queued: how many jobs beyond those running are worth having in flight.

    Attributes:
        busy_seconds: the simulated time that all workers together have trained.
    """

    @checked(ExecutorError)
    def __init__(self, workers: Count = 1, *, queued: Whole = 0) -> None:
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

    @property
    def parallelism(self) -> int:
        return self.workers

    @property
    def holds(self) -> Mapping[str, float]:
        return {"cpus": self.workers, "gpus": 0}

    @property
    def seeded(self) -> bool:
        return self._table is not None and self._table.seeded

    def clock(self) -> float:
        return self._now

    def _open(self, problem: Problem | Table) -> None:
        if not isinstance(problem, Table):
            raise ExecutorError(f"simulated workers answer from a Table, got {type(problem).__name__}")
        self._table = problem

    def _start(self, jobs: Sequence[Job]) -> None:
        self._waiting.extend(jobs)
        self._begin()

    def _events(self, timeout: float | None) -> list[Event]:
        found: list[Event] = []
        while self._coming and (not found or self._coming[0][0] == self._now):
            when, _, event = heapq.heappop(self._coming)
            if event.number not in self._running:
                continue  # it was stopped
            self._now = when
            found.append(event)
            if isinstance(event, Last):
                self.busy_seconds += when - self._running.pop(event.number)
        self._begin()
        return found

    def _stop(self, number: int) -> None:
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

    def _queued(self) -> frozenset[int]:
        return frozenset(job.number for job in self._waiting)

    def _close(self) -> None:
        self._table = None
        self._waiting.clear()
        self._running.clear()
        self._coming.clear()

    def _begin(self) -> None:
        """Begins waiting jobs on idle workers: their events are known at once."""
        while self._waiting and len(self._running) < self.workers:
            job = self._waiting.popleft()
            self._running[job.number] = self._now
            assert self._table is not None
            for after, event in foresee(self._table, job):
                self._push(self._now + after, event)

    def _push(self, when: float, event: Event) -> None:
        self._order += 1
        heapq.heappush(self._coming, (when, self._order, event))
