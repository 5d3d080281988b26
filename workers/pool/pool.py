"""The executor over a pool of Ray actors, the default: workers that live across trials."""

from __future__ import annotations

import dataclasses
import itertools
import math
import queue
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ray

from search_spaces.errors import BuildError, ExecutorError
from workers.acceleration import Acceleration, Autocast, Choice
from workers.executor import Executor, Usage
from workers.job import Checkpoint, Event, Failed, Finished, Job, Reported
from workers.pool.members import Member, Members
from workers.pool.ray_metrics import PoolMetrics
from workers.remote import cluster
from workers.remote.messages import News, Order, RemoteWeights
from workers.remote.runners import pack
from workers.remote.runs import RemoteRun
from workers.table import Table

if TYPE_CHECKING:
    from workers.problems.problem import Problem

QUEUED = 2
"""Jobs at each worker: the one it runs, and the next, so that it never waits for the driver."""

_CHECK_SECONDS = 0.25
"""Between looks for what is overdue: with a thousand workers such a look takes milliseconds."""

_SHORT = 0.1
"""Seconds that a job has been running before the one queued behind it goes to an idle worker."""


class Pool(Executor):
    """Trains on Ray: on the cluster that this process is connected to, else on one at ``address``, else on
    one started here for the time that the pool is open.

    Each worker has its next job queued, so that it never waits for the driver. Nodes may join and leave: new
    ones are used within seconds. A trial whose worker is lost (killed, node gone) is run again elsewhere,
    ``retries`` times at most, from its last checkpoint where the job has a ``folder``; then it is `Failed`
    with ``worker_lost``, or with ``out_of_memory`` where Ray killed its workers for that. A trial that does
    not end by itself ``grace`` seconds after its time is over, or after it was stopped, loses its process; so
    does one that is silent for too long, at once.

    With ``processes`` above 1 so many train each trial together (torch's `DistributedDataParallel`, with
    NCCL on GPUs, gloo on CPUs), on one node where one has room for them. Each takes its share of every batch:
    the result is that of one process with the same batch size, up to floating point and dropout. Batch
    normalisation sees the whole batch on GPUs (`SyncBatchNorm`); on CPUs each process sees its share, and the
    first one's running statistics count. Who loses one of its processes is lost as a whole.

    A `workers.tabular.Table` in place of a problem is played in real time.

    Args:
        workers: how many workers; left out, as many as the cluster has room for, whatever that comes to be.
            More than that wait for nodes: an autoscaler sees what they ask for.
        cpus: the cores and torch threads of each process.
        gpus: the GPUs, or the share of one, of each process; above 0, trials train on it.
        address: the address of a cluster (``"auto"``, ``"host:port"``).
        memory: the bytes that Ray sets aside for each process; nothing enforces them (`Job.memory` does).
        resources: what each process takes of your cluster's own resources, such as ``{"A100": 1}``.
        processes: how many processes each worker has, which train every trial together; see above.
        retries: how often a trial whose worker is lost is run again; see above.
        grace: the seconds that a trial has to end by itself; see above.
        wait: the seconds to wait for room for a first worker, where nodes are still to come.
        autocast, compile, graphs, deterministic: how trials make use of their device; see
            `workers.acceleration.Acceleration`.

    Attributes:
        lost_workers: how many workers were lost so far while the pool was open.
    """

    def __init__(
        self,
        workers: int | None = None,
        cpus: int = 1,
        gpus: float = 0,
        address: str | None = None,
        *,
        memory: int | None = None,
        resources: Mapping[str, float] | None = None,
        processes: int = 1,
        retries: int = 2,
        grace: float = 15.0,
        wait: float = 0.0,
        autocast: Autocast = "recipe",
        compile: Choice = False,
        graphs: Choice = "auto",
        deterministic: bool = False,
    ) -> None:
        if workers is not None and workers < 1:
            raise ExecutorError(f"Pool(workers=...): expected 1 or more, got {workers}")
        if processes < 1:
            raise ExecutorError(f"Pool(processes=...): expected 1 or more, got {processes}")
        if processes > 1 and 0 < gpus < 1:
            raise ExecutorError(f"Pool(processes=...): several processes need a GPU each, got gpus={gpus}")
        self._resources = cluster.Resources(cpus, gpus, memory, dict(resources or {}))
        self._processes = processes
        self._acceleration = Acceleration(autocast, compile, graphs, deterministic)
        self._asked, self._address = workers, address
        self._retries, self._grace, self._wait = retries, grace, wait
        self.lost_workers = 0
        self._own_ray = False
        self._members: Members | None = None
        self._reset()

    def _reset(self) -> None:
        self._waiting: deque[RemoteRun] = deque()
        self._runs: dict[int, RemoteRun] = {}  # by the job's number, until its last event is known
        self._out: list[Event] = []
        self._tickets = itertools.count()
        self._check_at = 0.0  # when to look for runs that are overdue
        self._move_at = math.inf  # when a queued job may be due to go to an idle worker
        # what Ray answered: to whom, to which method, for which run, the answer (a future)
        self._answers: queue.SimpleQueue[tuple[Member, str, RemoteRun | None, Any]] = queue.SimpleQueue()

    @property
    def slots(self) -> int:
        return QUEUED * (self._asked or 1 if self._members is None else self._members.expected)

    def _open(self, problem: Problem | Table) -> None:
        if self._processes > 1 and isinstance(problem, Table):
            raise ExecutorError(f"Pool(processes={self._processes}): a table is played by one process")
        cores = None if self._asked is None else self._asked * self._resources.cpus * self._processes
        self._own_ray = cluster.connect(self._address, cores)
        self._reset()
        self._metrics = PoolMetrics()
        data = ray.put(pack(problem))
        self._members = Members(
            data,
            self._asked,
            self._resources,
            self._processes,
            self._acceleration,
            self._listen_for_ready,
        )
        self._members.begin(self._wait, self._retries)

    def _start(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            run = self._runs[job.number] = RemoteRun(job)
            self._waiting.append(run)
        self._dispatch()

    def _events(self, timeout: float | None) -> list[Event]:
        members = self._at_work()
        end = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            members.adapt()
            self._kill_overdue()
            self._dispatch()
            if self._out:  # workers are listened to again with what is started next, in the same call
                events, self._out = self._out, []
                self._measure(events)
                return events
            for member in members.ready:
                if not member.listening:
                    self._exchange(member, [])
            now = time.monotonic()
            if now > end:
                return []
            self._receive(min(end, self._check_at, self._move_at, members.look_again) - now)

    def _stop(self, number: int) -> None:
        run = self._runs.get(number)
        if run is None:
            return
        run.stopping = time.monotonic()
        if run in self._waiting:
            self._waiting.remove(run)
            self._fail(run, "stopped", "stopped on request")
        else:
            self._withdraw(run, stop=True)

    def usage(self) -> list[Usage]:
        return [] if self._members is None else [member.usage() for member in self._members.ready]

    def _measure(self, events: list[Event]) -> None:
        self._metrics.count(events)
        if self._metrics.due:
            busy = sum(bool(member.runs) for member in self._at_work().ready)
            self._metrics.export(self.usage(), busy)

    def _close(self) -> None:
        members, self._members = self._members, None
        self._reset()
        if ray.is_initialized():
            if members is not None:
                members.close()
            if self._own_ray:
                ray.shutdown()
        self._own_ray = False

    def _at_work(self) -> Members:
        assert self._members is not None  # the pool is open
        return self._members

    # ---- sending

    def _dispatch(self) -> None:
        """Sends waiting jobs, to idle workers first; idle workers get what is queued behind others."""
        ready = self._at_work().ready
        orders: dict[Member, list[Order]] = {}
        for depth in range(QUEUED):
            for member in ready if self._waiting else ():
                while self._waiting and len(member.runs) == depth:
                    order = self._order(self._waiting.popleft(), member)
                    if order is not None:
                        orders.setdefault(member, []).append(order)
        for member, some in orders.items():
            if member.listening:
                member.actor.give.remote(some)
            else:
                self._exchange(member, some)
        if not self._waiting:
            self._even_out(ready)

    def _even_out(self, ready: list[Member]) -> None:
        """Asks back what is queued behind longer jobs, as many as there are idle workers."""
        idle = sum(not member.runs for member in ready)
        self._move_at = math.inf
        if not idle:
            return
        idle -= sum(run.moving for run in self._runs.values())
        now = time.monotonic()
        for member in ready:
            if idle > 0 and len(member.runs) == QUEUED:
                first, last = member.runs
                if last.moving or last.stopping is not None or first.began is None:
                    continue
                if now < first.began + _SHORT:  # soon its turn
                    self._move_at = min(self._move_at, first.began + _SHORT)
                    continue
                last.moving = True
                self._withdraw(last, stop=False)
                idle -= 1

    def _order(self, run: RemoteRun, member: Member) -> Order | None:
        """Returns the order for a run on its way to a worker; None where it cannot be sent: it has failed."""
        ticket = next(self._tickets)
        try:
            order = Order.of(ticket, run.job)
        except BuildError as error:
            self._fail(run, "build", str(error))
            return None
        run.ticket, run.began, run.heard = ticket, None, None
        member.runs.append(run)
        self._mark_begun(member)
        return order

    def _mark_begun(self, member: Member) -> None:
        member.occupy()
        if member.runs and member.runs[0].began is None:
            member.runs[0].began = member.runs[0].heard = time.monotonic()

    def _exchange(self, member: Member, orders: list[Order]) -> None:
        member.listening = True
        call = member.actor.exchange.options(concurrency_group="news").remote(orders)
        self._await(call, member, "exchange")

    def _withdraw(self, run: RemoteRun, *, stop: bool) -> None:
        member = next(member for member in self._at_work().ready if run in member.runs)
        self._await(member.actor.withdraw.remote(run.ticket, stop), member, "withdraw", run)

    def _listen_for_ready(self, member: Member, ready: Any) -> None:
        self._await(ready, member, "ready")

    def _await(self, call: Any, member: Member, method: str, run: RemoteRun | None = None) -> None:
        answers = self._answers
        call.future().add_done_callback(lambda answer: answers.put((member, method, run, answer)))

    # ---- receiving

    def _receive(self, seconds: float) -> None:
        """Waits for answers, ``seconds`` at most, and takes in all that there are."""
        try:
            answers = [self._answers.get(timeout=None if math.isinf(seconds) else max(0.0, seconds))]
        except queue.Empty:
            return
        while not self._answers.empty():
            answers.append(self._answers.get())
        for member, method, run, answer in answers:
            if member not in self._at_work():
                continue  # replaced
            error = answer.exception()
            if method == "ready":
                self._at_work().take_ready(member, error, None if error else answer.result())
            elif method == "handed over" and error is None:
                self._take_over(member)
            elif method == "withdraw" and run is not None:
                self._take_withdrawn(member, run, error is None and answer.result())
            elif error is not None:
                self._replace(member, f"{type(error).__name__}: {error}")
            else:
                member.listening = False
                for news in answer.result():
                    self._take(member, news)

    def _take_withdrawn(self, member: Member, run: RemoteRun, not_begun: bool) -> None:
        moving, run.moving = run.moving, False
        if not not_begun or run not in member.runs:
            return
        member.runs.remove(run)
        self._mark_begun(member)
        if run.stopping is not None:
            self._fail(run, "stopped", "stopped on request")
        elif moving:
            self._waiting.appendleft(run)

    def _take(self, member: Member, news: News) -> None:
        event = news.event
        run = next((run for run in member.runs if run.ticket == news.ticket), None)
        if run is None:  # it was given up
            for what in news.held:
                member.actor.take.remote(news.ticket, what)
            return
        run.heard = time.monotonic()
        if isinstance(event, Failed) and event.reason == "worker_lost":  # one of its processes
            self._replace(member, event.message)
            return
        if isinstance(event, Reported):
            if event.report.epoch > run.epochs:
                run.epochs = event.report.epoch
                self._out.append(event)
            return
        member.trained(min(event.seconds, run.heard - (run.began or run.heard)))
        member.runs.remove(run)
        self._mark_begun(member)
        if isinstance(event, Finished) and news.held:
            held = {what: RemoteWeights(member.actor.take.remote(news.ticket, what)) for what in news.held}
            if event.checkpoint is not None and "state" in held:
                paused = Checkpoint(event.checkpoint.epoch, held["state"])
                event = dataclasses.replace(event, checkpoint=paused)
            event = dataclasses.replace(event, weights=held.get("weights", event.weights))
            member.handing_over.append((run, event))
            # answered after what was taken lies in Ray's object store, where no worker's end can harm it
            self._await(member.actor.ready.remote(), member, "handed over")
        else:
            self._finish(run, event)
        if not event.fit:
            others = list(member.runs)
            member.runs.clear()
            self._put_back(others)
            self._at_work().ready.remove(member)  # nothing more for it
            if not member.handing_over:
                self._at_work().replace(member)

    def _take_over(self, member: Member) -> None:
        """Takes the oldest event that waited for its weights to be handed over."""
        run, event = member.handing_over.popleft()
        self._finish(run, event)
        if not event.fit:
            self._at_work().replace(member)

    def _finish(self, run: RemoteRun, event: Finished | Failed) -> None:
        del self._runs[run.job.number]
        self._out.append(dataclasses.replace(event, number=run.job.number, attempts=run.lost + 1))

    def _fail(self, run: RemoteRun, reason: str, message: str) -> None:
        del self._runs[run.job.number]
        self._out.append(run.failed(reason, message))

    # ---- lost and overdue workers

    def _replace(self, member: Member, why: str) -> None:
        """Starts a worker in place of a lost one; its first run counts as begun there, the others do not."""
        self.lost_workers += 1
        first = self._renew(member)
        if first is None:
            return
        given_up = first.lose(why, self._retries)
        if given_up is None:
            self._put_back([first])
        else:
            self._fail(first, *given_up)

    def _renew(self, member: Member) -> RemoteRun | None:
        """Starts a worker in place of one; returns the first of the runs there, the others wait again."""
        for run, event in member.handing_over:
            self._finish(run, event)
        self._at_work().replace(member)
        first, *others = member.runs or [None]
        self._put_back(run for run in others if run is not None)
        return first

    def _put_back(self, runs: Iterable[RemoteRun]) -> None:
        for run in reversed(list(runs)):
            run.moving, run.began, run.heard = False, None, None
            if run.stopping is not None:
                self._fail(run, "stopped", "stopped on request")
            else:
                self._waiting.appendleft(run)

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        if now < self._check_at:
            return
        self._check_at = now + _CHECK_SECONDS
        for member in list(self._at_work().ready):
            if not member.runs:
                continue
            first = member.runs[0]
            due, reason = first.overdue(self._grace)
            if due <= now:
                self._renew(member)
                self._fail(first, reason, first.killed(reason, self._grace))
