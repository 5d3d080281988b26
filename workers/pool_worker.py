"""The process of a pool that trains: a Ray actor that lives across trials."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import ray

from workers.job import Checkpoint, Event, Failed, Finished, HeldWeights, Job
from workers.pool_state import RemoteWeights
from workers.stopping import TrialStopped

if TYPE_CHECKING:
    from workers.process_group import Alone

SMALL = 65_536
"""Bytes of weights that travel with the event itself; larger ones are asked for with `Worker.take`."""

TRACEBACK_LENGTH = 6_000

_GATHER = 0.002
"""Seconds to wait for more news before some are given: the answers to short trials travel together."""


class Runner(Protocol):
    """Runs a job; ``check``, ``enough`` and ``group`` as in `workers.trial.run`."""

    def __call__(
        self,
        job: Job,
        check: Callable[[], None],
        enough: Callable[[], bool] = lambda: False,
        group: Alone | None = None,
    ) -> Iterator[Event]: ...


@dataclass(frozen=True)
class Order:
    """A job on its way to a worker.

    Attributes:
        ticket: names this attempt at the job; tickets ascend.
        job: pickled by the driver, so that a job that cannot be read here is its own failure and no other's.
        state: Ray's reference to the checkpoint's state, where it is kept so.
    """

    ticket: int
    job: bytes
    state: Any = None

    @staticmethod
    def of(ticket: int, job: Job) -> Order:
        """An order for a job. Raises whatever a module of the user's raises when it is pickled."""
        state = None
        if job.checkpoint is not None and isinstance(job.checkpoint.state, RemoteWeights):
            # a reference goes beside what is pickled here, so that Ray keeps count of it
            state = job.checkpoint.state.reference
            job = dataclasses.replace(job, checkpoint=Checkpoint(job.checkpoint.epoch, HeldWeights(b"")))
        return Order(ticket, ray.cloudpickle.dumps(job), state)

    def read(self) -> Job:
        """The job, on the worker. Raises whatever it raises when it is unpickled."""
        job: Job = ray.cloudpickle.loads(self.job)
        if job.checkpoint is None or self.state is None:
            return job
        return dataclasses.replace(
            job, checkpoint=Checkpoint(job.checkpoint.epoch, RemoteWeights(self.state))
        )


@dataclass(frozen=True)
class News:
    """What happened in a trial, on its way to the driver.

    Attributes:
        ticket: of the order.
        event: its weights and state are empty where they are `held`.
        held: which of ``weights`` and ``state`` wait here for `Worker.take`.
    """

    ticket: int
    event: Event
    held: tuple[str, ...] = ()


Packed = dict[str, Any]
"""A problem whose tensors are NumPy arrays: these Ray keeps once per node, and workers read them in place."""


def pack(problem: Any) -> Packed:
    """A problem, or a table, as Ray's object store takes it."""
    from workers.tabular import Table

    if isinstance(problem, Table):
        return {"table": problem}
    splits = {
        part: (
            {name: tensor.cpu().numpy() for name, tensor in split.inputs.items()},
            {name: tensor.cpu().numpy() for name, tensor in split.targets.items()},
        )
        for part in ("train", "validation", "test")
        for split in (getattr(problem, part),)
    }
    about = {key: getattr(problem, key) for key in ("name", "signature", "description", "options")}
    return {"splits": splits, "about": about}


def unpack(packed: Packed) -> Any:
    """The problem again. Its tensors may be views of memory shared with other processes: only to read."""
    import torch

    from workers.problems.problem import Problem, Split

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable.*")
        splits = {
            part: Split(
                {name: torch.from_numpy(array) for name, array in inputs.items()},
                {name: torch.from_numpy(array) for name, array in targets.items()},
            )
            for part, (inputs, targets) in packed["splits"].items()
        }
    about: dict[str, Any] = {**packed["about"], **splits}
    return Problem(**about)


def _warm_up(device: str) -> None:
    """Run a trial of nothing: what torch imports at its first step is not the first real trial's time."""
    import torch

    from search_spaces import Space, layer
    from workers import trial
    from workers.problems.problem import Problem

    examples = torch.rand(8, 2), torch.arange(8) % 2
    data = Problem.from_tensors("warm-up", examples, examples, examples).to(device)
    architecture = Space({"model": layer(torch.nn.Tanh)}).architecture({})
    for _ in trial.run(Job(-1, architecture, seed=0, epochs=1), data, device=device):
        pass


def runner(packed: Packed, cpus: int, device: str) -> Runner:
    """What runs a job: training, or for a table its answer in real time (torch is not even imported then)."""
    if "table" in packed:
        from workers.tabular import perform

        return lambda job, check, enough=lambda: False, group=None: perform(
            packed["table"], job, check, enough
        )
    import torch

    from workers import trial

    torch.set_num_threads(cpus)
    _warm_up(device)
    data = unpack(packed).to(device)

    def run(
        job: Job,
        check: Callable[[], None],
        enough: Callable[[], bool] = lambda: False,
        group: Alone | None = None,
    ) -> Iterator[Event]:
        # In each trial: a network's own code may have changed it, and OpenMP keeps it for each thread.
        torch.set_num_threads(cpus)
        return trial.run(job, data, device=device, check=check, enough=enough, group=group)

    return run


class Worker:
    """Runs the trials that it is ordered to, in order, one at a time, in a thread of its own.

    `exchange` waits for news in a concurrency group ``news``, with one thread; the others answer at once.

    Args:
        packed: the problem; Ray hands over what the reference stands for.
        cpus: threads that torch may use.
        device: to train on.
    """

    def __init__(self, packed: Packed, cpus: int, device: str) -> None:
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
            target=self._work, args=(packed, cpus, device, made), name="trials", daemon=True
        )
        work.start()
        error = made.get()
        if error is not None:
            raise error

    def ready(self) -> tuple[str, int]:
        """The node and the process id, once the worker can train."""
        return ray.get_runtime_context().get_node_id(), os.getpid()

    def exchange(self, orders: list[Order]) -> list[News]:
        """Take orders, wait until something has happened, and give all of it."""
        self.give(orders)
        news = [self._news.get()]
        with contextlib.suppress(queue.Empty):
            while self._left or not self._news.empty():
                news.append(self._news.get(timeout=_GATHER))
        return news

    def give(self, orders: list[Order]) -> None:
        """Take orders."""
        with self._lock:
            self._left += len(orders)
        for order in orders:
            self._orders.put(order)

    def withdraw(self, ticket: int, stop: bool) -> bool:
        """Take a trial back if it has not begun; if it has and ``stop`` is set, end it at its next step.

        Returns:
            Whether it had not begun: then nothing will come of it.
        """
        with self._lock:
            waiting = ticket not in self._begun
            if waiting or stop:
                self._withdrawn.add(ticket)
            return waiting

    def take(self, ticket: int, what: str) -> bytes:
        """What was held of a trial; it is not held any longer."""
        return self._held.pop((ticket, what))

    def _work(
        self, packed: Packed, cpus: int, device: str, made: queue.SimpleQueue[BaseException | None]
    ) -> None:
        try:
            run = runner(packed, cpus, device)
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
