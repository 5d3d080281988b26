"""The executor over a pool of Ray actors, the default: workers that live across trials."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError, RayTaskError

from search_spaces.errors import ExecutorError
from workers import cluster
from workers.executor import Executor
from workers.job import Checkpoint, Event, Failed, Finished, Job, Reported
from workers.pool_state import Member, RemoteWeights, Run
from workers.pool_worker import STATE_FOLLOWS, WEIGHTS_FOLLOW, Worker, pack

if TYPE_CHECKING:
    from workers.problems.problem import Problem

QUEUED = 2
"""Jobs at each worker: the one it runs, and the next, so that it never waits for the driver."""


class Pool(Executor):
    """Trains on Ray: on the cluster that this process is connected to, else on one at ``address``, else on
    one started here for the time that the pool is open.

    Each worker has its next job queued, so that it never waits for the driver. A trial whose worker is lost
    (killed, node gone) is run again elsewhere, ``retries`` times at most; then it is `Failed` with
    ``worker_lost``. A trial that does not end by itself ``grace`` seconds after its time is over, or after it
    was stopped, loses its process.

    Args:
        workers: how many; left out, as many as the cluster has room for now.
        cpus: cores and torch threads of each.
        gpus: share of a GPU of each; above 0, trials train on it.
        address: of a cluster (``"auto"``, ``"host:port"``).
        retries: see above.
        grace: see above, in seconds.

    Attributes:
        lost_workers: workers lost so far while the pool was open.
    """

    def __init__(
        self,
        workers: int | None = None,
        cpus: int = 1,
        gpus: float = 0,
        address: str | None = None,
        *,
        retries: int = 2,
        grace: float = 15.0,
    ) -> None:
        if workers is not None and workers < 1:
            raise ExecutorError(f"Pool(workers=...): expected 1 or more, got {workers}")
        if cpus < 1 or gpus < 0:
            raise ExecutorError(f"Pool(...): expected cpus >= 1 and gpus >= 0, got cpus={cpus}, gpus={gpus}")
        self._asked, self._cpus, self._gpus, self._address = workers, cpus, gpus, address
        self._retries, self._grace = retries, grace
        self.lost_workers = 0
        self._own_ray = self._is_open = False
        self._data: Any = None
        self._members: list[Member] = []
        self._size = 0
        self._reset()

    def _reset(self) -> None:
        self._waiting: deque[Run] = deque()
        self._in_flight: dict[int, Run] = {}
        self._calls: dict[Any, Run] = {}  # answers awaited from `Worker.withdraw`
        self._out: list[Event] = []
        self._tickets = itertools.count()
        self._ever_ready, self._failed_starts = False, 0

    @property
    def slots(self) -> int:
        return QUEUED * (self._size or self._asked or 1)

    def open(self, problem: Problem) -> None:
        if self._is_open:
            raise ExecutorError("this pool is open already; close it first")
        cores = None if self._asked is None else self._asked * self._cpus
        self._own_ray = cluster.connect(self._address, cores)
        self._is_open = True
        try:
            room = cluster.room(self._cpus, self._gpus)
            self._size = self._asked or room
            self._data = ray.put(pack(problem))
            self._members = [self._member() for _ in range(self._size)]
        except BaseException:
            self.close()
            raise

    def _member(self) -> Member:
        resources = {"num_cpus": self._cpus, "num_gpus": self._gpus}
        actor_class = ray.remote(**resources, concurrency_groups={"control": 1})(Worker)
        actor = actor_class.remote(self._data, self._cpus, "cuda" if self._gpus > 0 else "cpu")
        return Member(actor, actor.ready.remote())

    def start(self, job: Job) -> None:
        self._check_open()
        if job.number in self._in_flight:
            raise ExecutorError(f"a job of number {job.number} is in flight already")
        run = Run(job)
        self._in_flight[job.number] = run
        self._waiting.append(run)
        self._dispatch()

    def events(self, timeout: float | None = None) -> list[Event]:
        self._check_open()
        end = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            self._kill_overdue()
            self._dispatch()
            if self._out:
                events, self._out = self._out, []
                return events
            now = time.monotonic()
            if not self._in_flight or now > end:
                return []
            self._receive(min(end, self._next_due()) - now)

    def stop(self, number: int) -> None:
        run = self._in_flight.get(number) if self._is_open else None
        if run is None or run.stopping is not None:
            return
        run.stopping = time.monotonic()
        if run in self._waiting:
            self._waiting.remove(run)
            self._fail(run, "stopped", "stopped on request")
        else:
            self._withdraw(run, stop=True)

    def close(self) -> None:
        members, self._members = self._members, []
        self._reset()
        self._data, self._size = None, 0
        was_open, self._is_open = self._is_open, False
        if was_open and ray.is_initialized():
            for member in members:
                ray.kill(member.actor)
            if self._own_ray:
                ray.shutdown()
        self._own_ray = False

    def _check_open(self) -> None:
        if not self._is_open:
            raise ExecutorError("this pool is not open: call open(problem) first")

    # ---- sending

    def _dispatch(self) -> None:
        """Send waiting jobs, to idle workers first; give idle workers what is queued behind others."""
        for depth in range(QUEUED):
            for member in self._members:
                if self._waiting and len(member.runs) == depth:
                    self._send(self._waiting.popleft(), member)
        if self._waiting:
            return
        idle = sum(not member.runs and member.starting is None for member in self._members)
        idle -= sum(run.moving for run in self._in_flight.values())
        for member in self._members:
            if idle > 0 and len(member.runs) == QUEUED and member.runs[-1].stopping is None:
                last = member.runs[-1]
                if not last.moving:
                    last.moving = True
                    self._withdraw(last, stop=False)
                    idle -= 1

    def _send(self, run: Run, member: Member) -> None:
        run.ticket = next(self._tickets)
        try:
            run.stream = member.actor.run.options(num_returns="streaming").remote(run.ticket, run.job)
        except Exception as error:  # whatever a user's module raises when it is pickled
            text = f"the architecture cannot be sent to a worker: {type(error).__name__}: {error}"
            self._fail(run, "build", text)
            return
        run.began, run.held, run.held_next = None, {}, None
        member.runs.append(run)
        self._mark_begun(member)

    def _mark_begun(self, member: Member) -> None:
        if member.runs and member.starting is None and member.runs[0].began is None:
            member.runs[0].began = time.monotonic()

    def _withdraw(self, run: Run, *, stop: bool) -> None:
        member = self._member_of(run)
        call = member.actor.withdraw.options(concurrency_group="control").remote(run.ticket, stop)
        self._calls[call] = run

    def _member_of(self, run: Run) -> Member:
        return next(member for member in self._members if run in member.runs)

    # ---- receiving

    def _receive(self, seconds: float) -> None:
        """Wait for news, ``seconds`` at most, and take in all that there is."""
        sources: dict[Any, Member | None] = dict.fromkeys(self._calls)
        for member in self._members:
            if member.starting is not None:
                sources[member.starting] = member
            elif member.runs:
                sources[member.runs[0].stream] = member
        timeout = None if math.isinf(seconds) else max(0.0, seconds)
        names = list(sources)
        ready, _ = ray.wait(names, num_returns=1, timeout=timeout, fetch_local=False)
        if ready and len(names) > 1:
            ready, _ = ray.wait(names, num_returns=len(names), timeout=0, fetch_local=False)
        for source in ready:
            member_or_none = sources[source]
            if member_or_none is None:
                self._take_answer(source)
            elif member_or_none not in self._members:
                continue  # replaced by what came before in this round
            elif source is member_or_none.starting:
                self._take_ready(member_or_none)
            elif member_or_none.runs and source is member_or_none.runs[0].stream:
                self._take_item(member_or_none)

    def _take_ready(self, member: Member) -> None:
        try:
            ray.get(member.starting)
        except RayError as error:
            self._failed_starts += 1
            if not self._ever_ready and self._failed_starts > self._retries:
                raise ExecutorError(f"no worker can be started: {error}") from error
            self._replace(member, str(error))
            return
        self._ever_ready = True
        member.starting = None
        self._mark_begun(member)

    def _take_answer(self, call: Any) -> None:
        run = self._calls.pop(call)
        try:
            not_begun: bool = ray.get(call)
        except RayError:
            run.moving = False
            return  # the worker is gone: its stream says so, too
        moving, run.moving = run.moving, False
        if not not_begun or self._in_flight.get(run.job.number) is not run or run in self._waiting:
            return
        self._member_of(run).runs.remove(run)
        if run.stopping is not None:
            self._fail(run, "stopped", "stopped on request")
        elif moving:
            self._waiting.appendleft(run)

    def _take_item(self, member: Member) -> None:
        """The next item of the stream of a worker's first run."""
        run = member.runs[0]
        try:
            reference = next(run.stream)
            if run.held_next is not None:
                run.held[run.held_next], run.held_next = RemoteWeights(reference), None
                return
            item = ray.get(reference)
        except StopIteration:
            self._replace(member, "the worker's stream broke off")
            return
        except RayTaskError as error:
            # Not the network's doing in training (that is an event), but its code's on arrival, say.
            self._end(member, run)
            self._fail(run, "exception", f"on the worker: {error.cause!r}"[:1_000], str(error)[-6_000:])
            return
        except RayError as error:
            self._replace(member, f"{type(error).__name__}: {error}")
            return
        self._take(member, run, item)

    def _take(self, member: Member, run: Run, item: Event | str) -> None:
        if isinstance(item, str):
            run.held_next = item
        elif isinstance(item, Reported):
            if item.report.epoch > run.epochs:
                run.epochs = item.report.epoch
                self._out.append(item)
        else:
            self._end(member, run)
            if isinstance(item, Finished):
                paused = item.checkpoint
                if paused is not None:
                    paused = Checkpoint(paused.epoch, run.held[STATE_FOLLOWS])
                item = dataclasses.replace(item, weights=run.held[WEIGHTS_FOLLOW], checkpoint=paused)
            del self._in_flight[run.job.number]
            self._out.append(dataclasses.replace(item, attempts=run.lost + 1))

    def _end(self, member: Member, run: Run) -> None:
        member.runs.remove(run)
        self._mark_begun(member)

    def _fail(self, run: Run, reason: str, message: str, traceback: str = "") -> None:
        del self._in_flight[run.job.number]
        seconds = 0.0 if run.began is None else time.monotonic() - run.began
        lost = reason == "worker_lost"
        attempts = max(1, run.lost + (not lost))
        self._out.append(Failed(run.job.number, reason, message, traceback, lost, seconds, attempts))

    # ---- lost and overdue workers

    def _replace(self, member: Member, why: str) -> None:
        """A new worker in place of a lost one; its first run counts as begun there, the others do not."""
        self.lost_workers += 1
        first, *others = member.runs or [None]
        self._renew(member)
        self._put_back(run for run in others if run is not None)
        if first is None:
            return
        first.lost += 1
        if first.stopping is not None:
            self._fail(first, "stopped", "stopped on request")
        elif first.lost > self._retries:
            self._fail(first, "worker_lost", f"its worker was lost {first.lost} times; last: {why}"[:1_000])
        else:
            self._put_back([first])

    def _renew(self, member: Member) -> None:
        ray.kill(member.actor)
        self._members[self._members.index(member)] = self._member()

    def _put_back(self, runs: Iterable[Run]) -> None:
        for run in reversed(list(runs)):
            run.moving = False
            if run.stopping is not None:
                self._fail(run, "stopped", "stopped on request")
            else:
                self._waiting.appendleft(run)

    def _due(self, run: Run) -> float:
        """When a run loses its process (monotonic seconds)."""
        limit = math.inf if run.job.seconds is None or run.began is None else run.began + run.job.seconds
        stop = math.inf if run.stopping is None or run.began is None else run.stopping
        return min(limit, stop) + self._grace

    def _next_due(self) -> float:
        return min((self._due(member.runs[0]) for member in self._members if member.runs), default=math.inf)

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for member in list(self._members):
            if member.runs and self._due(member.runs[0]) <= now:
                first, *others = member.runs
                self._renew(member)
                self._put_back(others)
                if first.stopping is not None:
                    self._fail(first, "stopped", "stopped on request; it did not end by itself")
                else:
                    text = f"did not end by itself {self._grace:g} s after its {first.job.seconds:g} seconds"
                    self._fail(first, "timeout", text)
