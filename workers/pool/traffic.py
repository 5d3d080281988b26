"""What passes between a pool and its workers: orders there, news back, and what is made of both."""

from __future__ import annotations

import dataclasses
import itertools
import math
import queue
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from search_spaces.errors import BuildError
from workers.job import Checkpoint, Event, Failed, Finished, Job, Paced, Reported
from workers.pool.cards import CardSample
from workers.pool.member import Member, PoolCard
from workers.pool.members import Members
from workers.pool.seclusion import Seclusion
from workers.remote.messages import News, Order, RemoteWeights
from workers.remote.runs import RemoteRun, ran_out_of_card

QUEUED = 2
"""Jobs at each worker: the one it runs, and the next, so that it never waits for the driver."""

_CHECK_SECONDS = 0.25
"""Between looks for what is overdue: with a thousand workers such a look takes milliseconds."""

_SHORT = 0.1
"""Seconds that a job has been running before the one queued behind it goes to an idle worker."""


class Traffic:
    """The jobs in flight of a pool, on their way to its workers and back.

    Args:
        retries: how often a trial whose worker is lost is run again.
        grace: the seconds that a trial has to end by itself.

    Attributes:
        lost_workers: how many workers were lost so far.
    """

    _members: Members

    def __init__(self, retries: int, grace: float) -> None:
        self._retries, self._grace = retries, grace
        self.lost_workers = 0
        self._waiting: deque[RemoteRun] = deque()
        self._alone = Seclusion()
        self._runs: dict[int, RemoteRun] = {}  # by the job's number, until its last event is known
        self._out: list[Event] = []
        self._tickets = itertools.count()
        self._check_at = 0.0  # when to look for runs that are overdue
        self._move_at = math.inf  # when a queued job may be due to go to an idle worker
        # what Ray answered: to whom, to which method, about what, the answer (a future)
        self._answers: queue.SimpleQueue[tuple[Member, str, RemoteRun | PoolCard | None, Any]] = (
            queue.SimpleQueue()
        )

    def begin(self, members: Members) -> None:
        """Takes the workers that there are to be; before any of them is started."""
        self._members = members

    def listen_for_ready(self, member: Member, ready: Any) -> None:
        """Waits for a worker that is starting, besides all else."""
        self._await(ready, member, "ready")

    def add(self, jobs: Iterable[Job]) -> None:
        """Takes jobs, and sends those for which there is room."""
        for job in jobs:
            run = self._runs[job.number] = RemoteRun(job)
            self._waiting.append(run)
        self._dispatch()

    def stop(self, number: int) -> None:
        """Stops a job that is in flight."""
        run = self._runs.get(number)
        if run is None:
            return
        run.stopping = time.monotonic()
        if run in self._waiting:
            self._waiting.remove(run)
            self._fail(run, "stopped", "stopped on request")
        elif self._alone.forget(run):
            self._fail(run, "stopped", "stopped on request")
        else:
            self._withdraw(run, stop=True)

    @property
    def queued(self) -> frozenset[int]:
        """The numbers of the jobs in flight that no worker has begun."""
        return frozenset(number for number, run in self._runs.items() if run.queued)

    def events(self, end: float) -> list[Event]:
        """Returns what has happened; waits for something, until a moment at most (monotonic seconds)."""
        members = self._members
        while True:
            members.adapt()
            self._kill_overdue()
            self._dispatch()
            if self._out:  # workers are listened to again with what is started next, in the same call
                events, self._out = self._out, []
                return events
            for member in members.ready:
                if not member.listening:
                    self._exchange(member, [])
            for card, member, answer in members.ask():
                self._await(answer, member, "sample", card)
            now = time.monotonic()
            if now > end:
                return []
            self._receive(min(end, self._check_at, self._move_at, members.look_again) - now)

    # ---- sending

    def _dispatch(self) -> None:
        """Sends waiting jobs, to idle workers first; idle workers get what is queued behind others."""
        if self._alone:
            self._send_alone()
        ready = self._members.takers()
        orders: dict[Member, list[Order]] = {}
        for depth in range(QUEUED):
            for member in ready if self._waiting else ():
                while self._waiting and len(member.runs) == depth:
                    order = self._order(self._waiting.popleft(), member)
                    if order is not None:
                        orders.setdefault(member, []).append(order)
        for member, some in orders.items():
            self._send(member, some)
        if not self._waiting:
            self._even_out(ready)

    def _send_alone(self) -> None:
        """Sends what is to have a card to itself, once nothing else runs there; nothing else begins there."""
        for member in self._alone.choose(self._members.cards):
            self._recall(member)
        for run, member in self._alone.sendable(self._members.cards):
            order = self._order(run, member)
            if order is not None:
                self._send(member, [order])

    def _send(self, member: Member, orders: list[Order]) -> None:
        if member.listening:
            member.actor.give.remote(orders)
        else:
            self._exchange(member, orders)

    def _recall(self, member: Member) -> None:
        """Asks back what has not begun on a worker."""
        for run in list(member.runs)[1:]:
            if not run.moving and run.stopping is None:
                run.moving = True
                self._withdraw(run, stop=False)

    def _even_out(self, ready: list[Member]) -> None:
        """Asks back what is queued behind longer jobs, as many as there are idle workers."""
        idle = sum(not member.runs for member in ready)
        self._move_at = math.inf
        if not idle:
            return
        idle -= sum(run.moving for run in self._runs.values())
        now = time.monotonic()
        for member in self._members.ready:
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
            order = Order.of(ticket, run.job, self._members.share_for(run, member))
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
        member = next(member for member in self._members.ready if run in member.runs)
        self._await(member.actor.withdraw.remote(run.ticket, stop), member, "withdraw", run)

    def _await(
        self, call: Any, member: Member, method: str, about: RemoteRun | PoolCard | None = None
    ) -> None:
        answers = self._answers
        call.future().add_done_callback(lambda answer: answers.put((member, method, about, answer)))

    # ---- receiving

    def _receive(self, seconds: float) -> None:
        """Waits for answers, ``seconds`` at most, and takes in all that there are."""
        try:
            answers = [self._answers.get(timeout=None if math.isinf(seconds) else max(0.0, seconds))]
        except queue.Empty:
            return
        while not self._answers.empty():
            answers.append(self._answers.get())
        for member, method, about, answer in answers:
            if member not in self._members:
                continue  # replaced
            error = answer.exception()
            if method == "ready":
                self._members.take_ready(member, error, None if error else answer.result())
            elif method == "handed over" and error is None:
                self._take_over(member)
            elif isinstance(about, PoolCard):
                self._take_sample(about, None if error else answer.result())
            elif about is not None:
                self._take_withdrawn(member, about, error is None and answer.result())
            elif error is not None:
                self._replace(member, f"{type(error).__name__}: {error}")
            else:
                member.listening = False
                for news in answer.result():
                    self._take(member, news)

    def _take_sample(self, card: PoolCard, sample: CardSample | None) -> None:
        self._members.take_sample(card, sample)
        if sample is not None and sample.lost:
            self._members.suspect(card)
            for member in list(card.actors):
                self._replace(member, "NVML: GPU is lost")

    def _lose_card(self, card: PoolCard) -> None:
        """Lets nothing begin on a card that is said to be gone, for the time being."""
        self._members.suspect(card)
        for member in card.actors:
            self._recall(member)

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
        if isinstance(event, Failed) and event.reason == "worker_lost":  # one of its processes, or its card
            if member.card is not None:
                self._lose_card(member.card)
            self._replace(member, event.message)
            return
        if isinstance(event, Paced):
            self._out.append(event)
            return
        if isinstance(event, Reported):
            if event.report.epoch > run.epochs:
                run.epochs = event.report.epoch
                self._out.append(event)
            return
        member.trained(min(event.seconds, run.heard - (run.began or run.heard)))
        member.runs.remove(run)
        self._mark_begun(member)
        if member.card is not None:
            self._members.take_end(run, member, event)
            self._alone.release(run)
        if member.card is not None and ran_out_of_card(event) and _beside_others(run, member.card):
            run.alone = True
            self._put_back([run])
        elif isinstance(event, Finished) and news.held:
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
            self._members.dismiss(member)
            if not member.handing_over:
                self._members.replace(member)

    def _take_over(self, member: Member) -> None:
        """Takes the oldest event that waited for its weights to be handed over."""
        run, event = member.handing_over.popleft()
        self._finish(run, event)
        if not event.fit:
            self._members.replace(member)

    def _finish(self, run: RemoteRun, event: Finished | Failed) -> None:
        del self._runs[run.job.number]
        self._out.append(dataclasses.replace(event, number=run.job.number, attempts=run.attempts))

    def _fail(self, run: RemoteRun, reason: str, message: str) -> None:
        del self._runs[run.job.number]
        self._alone.release(run)
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
        self._members.replace(member)
        first, *others = member.runs or [None]
        self._put_back(run for run in others if run is not None)
        return first

    def _put_back(self, runs: Iterable[RemoteRun]) -> None:
        for run in reversed(list(runs)):
            run.moving, run.began, run.heard = False, None, None
            if run.stopping is not None:
                self._fail(run, "stopped", "stopped on request")
            elif run.alone:
                self._alone.add(run)
            else:
                self._waiting.appendleft(run)

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        if now < self._check_at:
            return
        self._check_at = now + _CHECK_SECONDS
        for member in list(self._members.ready):
            if not member.runs:
                continue
            first = member.runs[0]
            due, reason = first.overdue(self._grace)
            if due <= now:
                self._renew(member)
                self._fail(first, reason, first.killed(reason, self._grace))


def _beside_others(run: RemoteRun, card: PoolCard) -> bool:
    """Whether a run that has ended had less than its whole card."""
    return not run.alone and run.stopping is None and (run.share < 1 or len(card.members) > 1)
