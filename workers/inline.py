"""The executor in this process: one job at a time, for tests and for finding out what goes wrong."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from search_spaces.arguments import Count, NotNegative, Patience, checked
from search_spaces.errors import ExecutorError
from workers.acceleration import Acceleration, Autocast, Choice
from workers.executor import Executor
from workers.job import Event, Failed, Job, Last, Paced, Reported
from workers.remote.card_memory import hold_to
from workers.table import Table, perform

if TYPE_CHECKING:
    from search_spaces.architecture import Architecture
    from workers.problems.problem import Problem


class Inline(Executor):
    """Runs jobs here, one after the other, while `events` is called; a debugger or a ``print`` works as ever.

    A `workers.tabular.Table` in place of a problem is played in real time.

    Args:
        cpus: the threads that torch may use in a trial; as many as a pool's worker for the same results. Left
            out: 1, or what the plan of a search chooses whose budget is one of time (`use_threads`).
        gpus: the share of the card to train on, 1 at most: trials are held to that share of its memory;
            ``"auto"``: all of it, since one trial runs at a time; 0: none, they train on the CPU.
        autocast, compile, graphs, deterministic: how trials make use of their device; see
            `workers.acceleration.Acceleration`.
    """

    trains = True
    banks = True

    @checked(ExecutorError)
    def __init__(
        self,
        cpus: Count | None = None,
        gpus: NotNegative | Literal["auto"] = 0,
        *,
        autocast: Autocast = "recipe",
        compile: Choice = False,
        graphs: Choice = "auto",
        deterministic: bool = False,
    ) -> None:
        self._given, self._cpus = cpus is not None, cpus or 1
        self._acceleration = Acceleration(autocast, compile, graphs, deterministic)
        share = 1.0 if gpus == "auto" else gpus
        if share > 1:
            raise ExecutorError(
                f'Inline(gpus=...): expected 0, a share of one GPU (1 at most) or "auto", got {gpus!r}'
            )
        self._share = float(share)
        self._device = "cuda" if share > 0 else "cpu"
        self._data: Problem | Table | None = None
        self._waiting: deque[Job] = deque()
        self._running: tuple[Job, Iterator[Event]] | None = None
        self._started = 0.0
        self._stopped: list[Event] = []

    @property
    def slots(self) -> int:
        return 1

    @property
    def holds(self) -> Mapping[str, float]:
        return {"cpus": self._cpus, "gpus": self._share}

    @checked(ExecutorError)
    def paces(self, architecture: Architecture, seconds: NotNegative) -> Mapping[int, float]:
        cores = _cores()
        trains = self._data is not None and not isinstance(self._data, Table)
        if self._given or cores < 2 or self._device != "cpu" or not trains:
            return {}
        began, found = time.perf_counter(), {}
        threads = [1, *(2**power for power in range(1, cores.bit_length()))]
        for number in [1, *threads]:  # the first training of a process takes longer than all others
            pace = self._pace(architecture, number)
            if pace is None:
                return {}
            found[number] = pace
            if time.perf_counter() - began > seconds:
                break
        return found

    @checked(ExecutorError)
    def use_threads(self, threads: Count) -> None:
        self._cpus = threads

    def _pace(self, architecture: Architecture, threads: int) -> float | None:
        """Returns the seconds of an epoch, by its first steps where it is long; None where it failed."""
        job = Job(0, architecture, seed=0)
        steps, kept = self._run(job), self._cpus
        self._cpus = threads
        try:
            event = self._step(job, steps)
        finally:
            self._cpus = kept
        del steps  # which ends the training
        if isinstance(event, Paced):
            return event.pace.seconds
        return event.report.seconds if isinstance(event, Reported) else None

    def _open(self, problem: Problem | Table) -> None:
        if isinstance(problem, Table):
            self._data = problem
            return
        import torch

        if self._device == "cuda" and not torch.cuda.is_available():
            raise ExecutorError("Inline(gpus=...): this machine has no GPU that torch can use")
        hold_to(self._share, self._device)
        from workers.training.placement import place

        self._data = place(problem, self._device, self._share)

    def _start(self, jobs: Sequence[Job]) -> None:
        self._waiting.extend(jobs)

    @checked(ExecutorError)
    def events(self, timeout: Patience | None = None) -> list[Event]:
        """As in `Executor`; an epoch that has begun is finished first, whatever ``timeout`` says."""
        return super().events(timeout)

    def _events(self, timeout: float | None) -> list[Event]:
        if self._stopped:
            events, self._stopped = self._stopped, []
            return events
        if self._running is None:
            job = self._waiting.popleft()
            self._running = job, self._run(job)
            self._started = time.perf_counter()
        event = self._step(*self._running)
        if isinstance(event, Last):
            self._running = None
        return [event]

    def _run(self, job: Job) -> Iterator[Event]:
        data = self._data
        assert data is not None  # it is open
        if isinstance(data, Table):
            return perform(data, job, check=lambda: None)
        from workers.trial import trial

        return trial.run(job, data, device=self._device, acceleration=self._acceleration)

    def _step(self, job: Job, steps: Iterator[Event]) -> Event:
        """Returns the next event, with the trial's number of threads while it is computed."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(self._cpus)
        try:
            return next(steps)
        except BaseException:  # Ctrl-C: the generator is used up, so this is the end of the job
            self._end_early(job.number, "interrupted")
            raise
        finally:
            torch.set_num_threads(threads)

    def _stop(self, number: int) -> None:
        if any(job.number == number for job in self._waiting):
            self._waiting = deque(job for job in self._waiting if job.number != number)
            self._stopped.append(Failed(number, "stopped", "stopped on request", "", False, 0.0))
        elif self._running is not None and self._running[0].number == number:
            self._end_early(number, "stopped on request")

    def _queued(self) -> frozenset[int]:
        return frozenset(job.number for job in self._waiting)

    def _end_early(self, number: int, why: str) -> None:
        """Ends the job that runs."""
        self._running = None
        seconds = time.perf_counter() - self._started
        self._stopped.append(Failed(number, "stopped", why, "", False, seconds))

    def _close(self) -> None:
        if self._data is not None and not isinstance(self._data, Table):
            hold_to(1.0, self._device)  # the caller's process goes on
        self._data, self._running = None, None
        self._waiting.clear()
        self._stopped.clear()


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
