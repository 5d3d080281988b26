"""Where jobs run: the base class of executors. Nothing above knows which one it is."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from search_spaces.arguments import Count, NotNegative, Patience, checked
from search_spaces.errors import ExecutorError
from workers.job import Event, Failed, Finished, Job, Last

if TYPE_CHECKING:
    from search_spaces.architecture import Architecture
    from workers.problems.problem import Problem
    from workers.table import Table


@dataclass(frozen=True)
class Usage:
    """How a worker has spent its time since it could first train, in seconds.

    Attributes:
        worker: the worker's name, for people.
        node: the node where the worker runs.
        busy: time spent building, training, validating and testing networks.
        idle: time without a job.
        overhead: time with a job, but not yet or no longer at work on it: what the engine costs.
    """

    worker: str
    node: str
    busy: float
    idle: float
    overhead: float


@dataclass(frozen=True)
class Card:
    """What a card (GPU) of the cluster did at a moment.

    Attributes:
        id: the id of the card, unique in the cluster.
        name: the card's name, such as ``NVIDIA H100``.
        node: the node where it is.
        trials: how many trials ran on it.
        room: how many may run on it at once, as things stand.
        busy: the share of the time in which it computed, from 0 to 1; None where that is not measured.
        memory: the bytes in use, of all processes; None where that is not measured.
        memory_total: the bytes that it has; None where that is not known.
    """

    id: str
    name: str
    node: str
    trials: int
    room: int
    busy: float | None = None
    memory: int | None = None
    memory_total: int | None = None


class Executor(ABC):
    """Runs jobs on one problem and tells what becomes of them.

    Callers use the public methods. They check once, for every executor, that it is open and that no two jobs
    in flight have one number; then they call the abstract methods of the same names, which a subclass
    implements and which may rely on these checks. A job is in flight from `start` until `events` has returned
    its last event.

    Laws, held by ``workers.testing.ExecutorContract`` over every executor of ``workers.executors.catalog``:

    - a job gets its reports, epochs ascending and each once, then exactly one `Finished` or `Failed`;
    - one whose epochs are long gets its pace before its first report, where the executor has a way for it;
    - the same job has the same metrics, whatever ran before it or runs beside it;
    - a job that fails, in whatever way, leaves the executor fit for the next;
    - the caller's own random states and thread settings are as they were;
    - after `close` no process of the executor is left.

    Example:
        >>> with Inline() as executor:
        ...     executor.open(problem)
        ...     executor.start(Job(0, architecture, seed=0))
        ...     while events := executor.events():
        ...         print(events)
    """

    trains = False
    """Whether jobs on a problem are trained by `workers.trial`: a space must build networks then, and a
    search refuses what a training would ignore. Executors of one's own may take any architecture; a search
    knows its results by their code, too (`nas.search.user_code`)."""
    banks = False
    """Whether it runs jobs on banks of shared weights, too (`workers.job.Lesson`)."""

    _numbers: set[int] | None = None
    """The numbers of the jobs in flight; None while the executor is not open."""
    _stopping: frozenset[int] = frozenset()
    """Those of them that were told to stop."""

    # ---- what callers use

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many jobs are worth having in flight, so that no worker waits."""

    @property
    def parallelism(self) -> int:
        """How many jobs run at once; `slots` are more where some wait at their worker."""
        return self.slots

    @property
    def holds(self) -> Mapping[str, float]:
        """What its workers hold together, busy or idle: ``cpus`` (cores) and ``gpus``, as far as known.

        It may change while it is open, as `parallelism` does.
        """
        return {}

    @property
    def seeded(self) -> bool:
        """Whether what comes of a job depends on its seed, so that jobs with other seeds tell how much."""
        return self.trains

    @checked(ExecutorError)
    def paces(self, architecture: Architecture, seconds: NotNegative) -> Mapping[int, float]:
        """Measures how long an epoch of a network takes, by the number of threads.

        Args:
            architecture: the network.
            seconds: about how long measuring may take.

        Returns:
            The seconds of an epoch's training by numbers of threads; empty where the threads are given, where
            there is one core only, or where the network cannot be trained.
        """
        return {}

    @checked(ExecutorError)  # noqa: B027
    def use_threads(self, threads: Count) -> None:
        """Trains with so many threads from the next job on, where `paces` has said how long they take."""

    @checked(ExecutorError)
    def open(self, problem: Problem | Table) -> None:
        """Makes ready to run jobs on this problem.

        Raises:
            ExecutorError: it is no problem, the executor is open already, or there is nowhere to run (no
                cluster, no such resources).
        """
        if self._numbers is not None:
            raise ExecutorError("this executor is open already; close it first")
        self._numbers, self._stopping = set(), frozenset()
        try:
            self._open(problem)
        except BaseException:
            self.close()
            raise

    @checked(ExecutorError)
    def start(self, *jobs: Job) -> None:
        """Runs jobs as soon as there is room. Returns at once; takes any number of jobs.

        Raises:
            ExecutorError: the executor is not open, or a job of that number is in flight; then none of these
                jobs begins.
        """
        numbers = self._opened()
        new: set[int] = set()
        for job in jobs:
            if job.number in numbers or job.number in new:
                raise ExecutorError(f"a job of number {job.number} is in flight already")
            new.add(job.number)
        numbers |= new
        try:
            self._start(jobs)
        except ExecutorError:
            numbers -= new
            raise

    @checked(ExecutorError)
    def events(self, timeout: Patience | None = None) -> list[Event]:
        """Returns what has happened since the last call; waits until there is something.

        Args:
            timeout: the seconds to wait at most; None: no limit.

        Returns:
            At least one event; none when the time is over, and none at once when no job is in flight.

        Raises:
            ExecutorError: the executor is not open, or no worker can be started.
        """
        numbers = self._opened()
        events = self._events(timeout) if numbers else []
        ended = {event.number for event in events if isinstance(event, Last)}
        numbers -= ended
        self._stopping -= ended
        return events

    @checked(ExecutorError)
    def stop(self, number: int) -> None:
        """Ends a job early: its last event will be `Failed` with reason ``stopped``.

        Unless it ends by itself before. Stopping a job that is not in flight does nothing, nor does stopping
        one again.
        """
        if self._numbers is not None and number in self._numbers and number not in self._stopping:
            self._stopping |= {number}
            self._stop(number)

    def close(self) -> None:
        """Drops all jobs in flight and releases everything. Closing again does nothing."""
        self._numbers = None
        self._close()

    def clock(self) -> float:
        """Seconds since some moment, as time passes for the workers: simulated ones have their own."""
        return time.monotonic()

    def usage(self) -> list[Usage]:
        """How the time of each worker was spent so far; empty where time is not measured."""
        return []

    def begun(self) -> frozenset[int]:
        """The numbers of the jobs in flight that a worker has begun: those that are queued are left out.

        Where an executor cannot tell, all of them.
        """
        return frozenset(self._numbers or ()) - self._queued()

    def cards(self) -> list[Card]:
        """What each card did lately on which trials run; none where they train on CPUs."""
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _opened(self) -> set[int]:
        if self._numbers is None:
            raise ExecutorError("this executor is not open: call open(problem) first")
        return self._numbers

    # ---- what an executor implements

    @abstractmethod
    def _open(self, problem: Problem | Table) -> None:
        """As `open`. Where it raises, `_close` is called."""

    @abstractmethod
    def _start(self, jobs: Sequence[Job]) -> None:
        """As `start`: the jobs have numbers of their own. Where it raises `ExecutorError`, none has begun."""

    @abstractmethod
    def _events(self, timeout: float | None) -> list[Event]:
        """As `events`, while at least one job is in flight."""

    @abstractmethod
    def _stop(self, number: int) -> None:
        """As `stop`: the job is in flight, though it may have ended by itself; called once for each job."""

    @abstractmethod
    def _close(self) -> None:
        """As `close`; also called where `_open` has raised, and again on what is closed."""

    def _queued(self) -> frozenset[int]:
        """The numbers of the jobs in flight that no worker has begun, as far as that is known."""
        return frozenset()


_WAIT = 0.5  # seconds for which Ctrl-C may have to wait


def run_jobs(executor: Executor, jobs: Iterable[Job]) -> Iterator[Finished | Failed]:
    """Runs jobs, with no more of them in flight than the executor wants.

    Args:
        executor: an open executor.
        jobs: the jobs, each with a number of its own, in the order in which they are begun.

    Yields:
        The last event of each job, as soon as there is one.

    Raises:
        ExecutorError: nothing can be run at all.
    """
    waiting, flying = deque(jobs), 0
    while waiting or flying:
        while waiting and flying < max(1, executor.slots):
            executor.start(waiting.popleft())
            flying += 1
        for event in executor.events(timeout=_WAIT):
            if isinstance(event, Last):
                flying -= 1
                yield event
