"""The protocol of executors: where jobs run. Nothing above knows which one it is."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from workers.job import Event, Failed, Finished, Job, Reported

if TYPE_CHECKING:
    from workers.problems.problem import Problem


@dataclass(frozen=True)
class Usage:
    """How a worker's time was spent since it could train first, in seconds.

    Attributes:
        worker: its name, for people.
        node: where it runs.
        busy: building, training, validating and testing networks.
        idle: without a job.
        overhead: with a job, but not at it yet or no longer: what the engine costs.
    """

    worker: str
    node: str
    busy: float
    idle: float
    overhead: float


class Executor(ABC):
    """Runs jobs on one problem and tells what becomes of them.

    Laws, held by ``tests/contracts/test_executors.py`` over every executor:

    - a job gives its reports, epochs ascending and each once, then exactly one `Finished` or `Failed`;
    - the same job gives the same metrics, whatever ran before it or runs beside it;
    - a job that fails, in whatever way, leaves the executor fit for the next;
    - the caller's own random numbers and thread settings are as they were;
    - after `close` no process of the executor is left.

    Example:
        >>> with Inline() as executor:
        ...     executor.open(problem)
        ...     executor.start(Job(0, architecture, seed=0))
        ...     while events := executor.events():
        ...         print(events)
    """

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many jobs are worth having in flight, so that no worker waits."""

    @abstractmethod
    def open(self, problem: Problem) -> None:
        """Make ready to run jobs on this problem.

        Raises:
            ExecutorError: it is open already, or there is nowhere to run (no cluster, no such resources).
        """

    @abstractmethod
    def start(self, *jobs: Job) -> None:
        """Run jobs as soon as there is room. Returns at once; takes any number of jobs.

        Raises:
            ExecutorError: not open, or a job of that number is in flight.
        """

    @abstractmethod
    def events(self, timeout: float | None = None) -> list[Event]:
        """What has happened since the last call; waits until there is something.

        Args:
            timeout: seconds to wait at most; None: no limit.

        Returns:
            At least one event; none when the time is over, and none at once when no job is in flight.

        Raises:
            ExecutorError: not open, or no worker can be started.
        """

    @abstractmethod
    def stop(self, number: int) -> None:
        """End a job early: its last event will be `Failed` with reason ``stopped``.

        Unless it ends by itself before; stopping a job that is not in flight does nothing.
        """

    @abstractmethod
    def close(self) -> None:
        """Drop all jobs in flight and give everything back. Closing again does nothing."""

    def clock(self) -> float:
        """Seconds since some moment, as time passes for the workers: simulated ones have their own."""
        return time.monotonic()

    def usage(self) -> list[Usage]:
        """How the time of each worker was spent so far; of none where time is not measured."""
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


_WAIT = 0.5  # seconds for which Ctrl-C may have to wait


def run_jobs(executor: Executor, jobs: Iterable[Job]) -> Iterator[Finished | Failed]:
    """How each job ended, as soon as it has; no more are in flight than the executor wants.

    Args:
        executor: open.
        jobs: in the order in which they are begun; each has a number of its own.

    Raises:
        ExecutorError: nothing can be run at all.
    """
    waiting, flying = deque(jobs), 0
    while waiting or flying:
        while waiting and flying < max(1, executor.slots):
            executor.start(waiting.popleft())
            flying += 1
        for event in executor.events(timeout=_WAIT):
            if not isinstance(event, Reported):
                flying -= 1
                yield event
