"""The process of a pool that trains: a Ray actor that lives across trials."""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import threading
import traceback
from collections import deque
from collections.abc import Iterator

import ray

from workers.acceleration import Acceleration
from workers.job import Checkpoint, Event, Failed, Finished, HeldWeights, TrialStopped
from workers.remote.messages import News, Order
from workers.remote.runners import Packed, Runner, runner

SMALL = 65_536
"""Bytes of weights that travel with the event itself; larger ones are asked for with `Worker.take`."""

TRACEBACK_LENGTH = 6_000

_GATHER = 0.002
"""Seconds to wait for more news before some are given: the answers to short trials travel together."""


class Worker:
    """Runs the trials that it is ordered to, in order, one at a time, in a thread of its own.

    `exchange` waits for news in a concurrency group ``news``, with one thread; the others answer at once.

    Args:
        packed: the problem; Ray hands over what the reference stands for.
        cpus: the threads that torch may use.
        device: the device to train on.
        acceleration: how the trials make use of it.
    """

    def __init__(self, packed: Packed, cpus: int, device: str, acceleration: Acceleration) -> None:
        self.device = device
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._left = 0  # orders that are not done
        self._begun: deque[int] = deque(maxlen=1_000)  # the latest tickets that were
        self._withdrawn: set[int] = set()
        self._held: dict[tuple[int, str], bytes] = {}
        made: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        # made where it is used: torch keeps its number of threads for each thread
        work = threading.Thread(
            target=self._work, args=(packed, cpus, device, acceleration, made), name="trials", daemon=True
        )
        work.start()
        error = made.get()
        if error is not None:
            raise error

    def ready(self) -> str:
        """Returns the node, once the worker can train."""
        return str(ray.get_runtime_context().get_node_id())

    def exchange(self, orders: list[Order]) -> list[News]:
        """Takes orders, waits until something has happened, and returns all of it."""
        self.give(orders)
        news = [self._news.get()]
        with contextlib.suppress(queue.Empty):
            while self._left or not self._news.empty():
                news.append(self._news.get(timeout=_GATHER))
        return news

    def give(self, orders: list[Order]) -> None:
        """Takes orders."""
        with self._lock:
            self._left += len(orders)
        for order in orders:
            self._orders.put(order)

    def withdraw(self, ticket: int, stop: bool) -> bool:
        """Takes a trial back if it has not begun; if it has and ``stop`` is set, ends it at its next step.

        Returns:
            Whether it had not begun: then nothing will come of it.
        """
        with self._lock:
            waiting = ticket not in self._begun
            if waiting or stop:
                self._withdrawn.add(ticket)
            return waiting

    def take(self, ticket: int, what: str) -> bytes:
        """Returns what was held of a trial, and holds it no longer."""
        return self._held.pop((ticket, what))

    def _work(
        self,
        packed: Packed,
        cpus: int,
        device: str,
        acceleration: Acceleration,
        made: queue.SimpleQueue[BaseException | None],
    ) -> None:
        try:
            run = runner(packed, cpus, device, acceleration)
        except BaseException as error:
            made.put(error)
            return
        made.put(None)
        while True:
            order = self._orders.get()
            with self._lock:
                withdrawn = order.ticket in self._withdrawn
                if not withdrawn:
                    self._begun.append(order.ticket)
            for event in () if withdrawn else self._run(run, order):
                self._news.put(self._pack(order.ticket, event))
            with self._lock:
                self._left -= 1

    def _run(self, run: Runner, order: Order) -> Iterator[Event]:
        def check() -> None:
            if order.ticket in self._withdrawn:
                raise TrialStopped("stopped on request")

        number = -1
        try:
            job = order.read()
            number = job.number
            yield from run(job, check)
        except Exception as error:
            # Not the network's doing in training (that is an event), but its code's on arrival, say.
            text = f"on the worker: {type(error).__name__}: {error}"[:1_000]
            end = traceback.format_exc()[-TRACEBACK_LENGTH:]
            yield Failed(number, "exception", text, end, False, 0.0)

    def _pack(self, ticket: int, event: Event) -> News:
        if not isinstance(event, Finished):
            return News(ticket, event)
        held = []
        weights = event.weights.read()
        if len(weights) > SMALL:
            self._held[ticket, "weights"] = weights
            held.append("weights")
            weights = b""
        paused = event.checkpoint
        if paused is not None and isinstance(paused.state, HeldWeights):
            self._held[ticket, "state"] = paused.state.read()
            held.append("state")
            paused = Checkpoint(paused.epoch, HeldWeights(b""))
        event = dataclasses.replace(event, weights=HeldWeights(weights), checkpoint=paused)
        return News(ticket, event, tuple(held))
