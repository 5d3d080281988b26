"""The process of a pool that trains: a Ray actor that lives across trials."""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from workers.acceleration import PLAIN, Acceleration
from workers.job import Checkpoint, Event, Failed, Finished, HeldWeights, TrialStopped
from workers.pool.cards import CardReader, CardSample, Spot
from workers.remote.messages import News, Order
from workers.remote.runners import Packed, Runner, runner

SMALL = 65_536
"""Bytes of weights that travel with the event itself; larger ones are asked for with `Worker.take`."""

_GATHER = 0.002
"""Seconds to wait for more news before some are given: the answers to short trials travel together."""


@dataclass(frozen=True)
class Setup:
    """How the workers of a pool train.

    Attributes:
        cpus: the threads that torch may use.
        device: the device to train on.
        acceleration: how the trials make use of it.
        share: the share of the card's memory that trials may use, unless they are told another one.
        reader: what reads how a card does.
    """

    cpus: int
    device: str
    acceleration: Acceleration = PLAIN
    share: float = 1.0
    reader: Callable[[Spot], CardReader] = CardReader


class Worker:
    """Runs the trials that it is ordered to, in order, one at a time, in a thread of its own.

    `exchange` waits for news in a concurrency group ``news``, with one thread; the others answer at once.

    Args:
        packed: the problem; Ray hands over what the reference stands for.
        setup: how to train it.
    """

    _spot: Spot

    def __init__(self, packed: Packed, setup: Setup) -> None:
        self.device = setup.device
        self._make_reader, self._reader = setup.reader, None
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._left = 0  # orders that are not done
        self._begun: deque[int] = deque(maxlen=1_000)  # the latest tickets that were
        self._withdrawn: set[int] = set()
        self._held: dict[tuple[int, str], bytes] = {}
        made: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        # made where it is used: torch keeps its number of threads for each thread
        work = threading.Thread(target=self._work, args=(packed, setup, made), name="trials", daemon=True)
        work.start()
        error = made.get()
        if error is not None:
            raise error

    def ready(self) -> list[Spot]:
        """Returns where its processes are, once the worker can train."""
        return [self._spot]

    def sample(self) -> CardSample:
        """Returns how its card did since the last call."""
        if self._reader is None:
            self._reader = self._make_reader(self._spot)
        return self._reader.read()

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

    _reader: CardReader | None

    def _work(self, packed: Packed, setup: Setup, made: queue.SimpleQueue[BaseException | None]) -> None:
        try:
            run = runner(packed, setup.cpus, setup.device, setup.acceleration, setup.share)
            self._spot = Spot.here("cpu" if "table" in packed else setup.device)
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
            yield from run(job, check, share=order.share)
        except Exception as error:
            # Not the network's doing in training (that is an event), but its code's on arrival, say.
            from workers.failures import breaks_the_gpu, is_card_gone, traceback_of

            text = f"on the worker: {type(error).__name__}: {error}"[:1_000]
            gone = is_card_gone(error)
            reason, fit = "worker_lost" if gone else "exception", not breaks_the_gpu(error)
            yield Failed(number, reason, text, traceback_of(error), gone, 0.0, fit=fit)

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
