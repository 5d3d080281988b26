"""The executor in this process: one job at a time, for tests and for finding out what goes wrong."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from search_spaces.errors import ExecutorError
from workers.executor import Executor
from workers.job import Event, Failed, Job, Reported
from workers.tabular import Table, perform

if TYPE_CHECKING:
    from workers.problems.problem import Problem


class Inline(Executor):
    """Runs jobs here, one after the other, while `events` is called; a debugger or a ``print`` works as ever.

    A `workers.tabular.Table` in place of a problem is played in real time.

    Args:
        cpus: threads that torch may use in a trial; as many as a pool's worker for the same results.
        gpus: above 0: train on the GPU.
    """

    def __init__(self, cpus: int = 1, gpus: float = 0) -> None:
        if cpus < 1:
            raise ExecutorError(f"Inline(cpus=...): expected 1 or more, got {cpus}")
        self._cpus = cpus
        self._device = "cuda" if gpus > 0 else "cpu"
        self._data: Problem | Table | None = None
        self._waiting: deque[Job] = deque()
        self._running: tuple[Job, Iterator[Event]] | None = None
        self._started = 0.0
        self._stopped: list[Event] = []

    @property
    def slots(self) -> int:
        return 1

    def open(self, problem: Problem | Table) -> None:
        if self._data is not None:
            raise ExecutorError("this executor is open already; close it first")
        if isinstance(problem, Table):
            self._data = problem
            return
        import torch

        if self._device == "cuda" and not torch.cuda.is_available():
            raise ExecutorError("Inline(gpus=...): this machine has no GPU that torch can use")
        self._data = problem.to(self._device)

    def start(self, *jobs: Job) -> None:
        self._opened()
        for job in jobs:
            numbers = {waiting.number for waiting in self._waiting}
            numbers |= {event.number for event in self._stopped}
            if self._running is not None:
                numbers.add(self._running[0].number)
            if job.number in numbers:
                raise ExecutorError(f"a job of number {job.number} is in flight already")
            self._waiting.append(job)

    def events(self, timeout: float | None = None) -> list[Event]:
        """As in `Executor`; an epoch that has begun is finished first, whatever ``timeout`` says."""
        data = self._opened()
        if self._stopped:
            events, self._stopped = self._stopped, []
            return events
        if self._running is None:
            if not self._waiting:
                return []
            job = self._waiting.popleft()
            self._running = job, self._run(job, data)
            self._started = time.perf_counter()
        event = self._step(self._running[1])
        if not isinstance(event, Reported):
            self._running = None
        return [event]

    def _run(self, job: Job, data: Problem | Table) -> Iterator[Event]:
        if isinstance(data, Table):
            return perform(data, job, check=lambda: None)
        from workers.trial import trial

        return trial.run(job, data, device=self._device)

    def _step(self, steps: Iterator[Event]) -> Event:
        """The next event, with the trial's number of threads while it is computed."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(self._cpus)
        try:
            return next(steps)
        except BaseException:  # Ctrl-C: the generator is used up, the job is gone
            self._running = None
            raise
        finally:
            torch.set_num_threads(threads)

    def stop(self, number: int) -> None:
        seconds = 0.0
        if self._running is not None and self._running[0].number == number:
            self._running = None
            seconds = time.perf_counter() - self._started
        elif any(job.number == number for job in self._waiting):
            self._waiting = deque(job for job in self._waiting if job.number != number)
        else:
            return
        self._stopped.append(Failed(number, "stopped", "stopped on request", "", False, seconds))

    def close(self) -> None:
        self._data, self._running = None, None
        self._waiting.clear()
        self._stopped.clear()

    def _opened(self) -> Problem | Table:
        if self._data is None:
            raise ExecutorError("this executor is not open: call open(problem) first")
        return self._data
