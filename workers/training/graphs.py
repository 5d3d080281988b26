"""CUDA graphs of training steps: captured once for a shape of batch, then replayed with one launch."""

from __future__ import annotations

import time
import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from workers.failures import words_of
from workers.problems.split import Split
from workers.training.criterion import Losses
from workers.training.placement import index_of

WARM_UP = 3
"""Steps of a shape that run as they are, within one epoch, before it is captured: libraries choose their
kernels and take their memory in the first ones."""
MEASURED = 5
"""Steps after these by which it is judged whether a step is launch-bound."""
MOST_SHAPES = 4
"""Shapes that are captured for one training; each holds its own memory for activations."""
_LAUNCH_BOUND = 0.7
"""A step is launch-bound where the host needs more than this share of its time to issue it."""
_OURS = ("torch.nn.", "search_spaces.")
"""Whose modules do nothing in ``forward`` but compute: all that they do is in the graph."""

_WAITED = "called a synchronizing CUDA operation"
"""How torch words it, in its mode for synchronisations, that an operator waits."""

Run = Callable[[], None]


class Capture(ABC):
    """How a device records steps: `CardCapture`, and in tests a stand-in."""

    @abstractmethod
    def record(self, run: Run) -> Run:
        """Records what ``run`` would do on the device, without doing it; returns what does it."""

    @abstractmethod
    def watch(self) -> Any:
        """Returns a context whose value is, on leaving, a list of where a step waits for the device."""

    @abstractmethod
    def begin_measure(self) -> None:
        """Begins to measure steps."""

    @abstractmethod
    def end_measure(self) -> None:
        """Ends it."""

    @abstractmethod
    def launch_bound(self) -> bool | None:
        """Returns whether the steps measured were bound by issuing them; None: not known yet."""


class CardCapture(Capture):
    """CUDA graphs on a card, with one pool of memory for all graphs of a training.

    Args:
        device: the card.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()
        self._issued = 0.0
        self._begin, self._end = (_timed_event() for _ in range(2))

    def record(self, run: Run) -> Run:
        graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.current_stream(self._device)
        states = torch.cuda.get_rng_state(self._device)
        try:
            # In the stream in which the steps before ran (see `SideStream`). Of this thread alone: another
            # one may sample the card meanwhile.
            with torch.cuda.graph(graph, self._pool, stream, capture_error_mode="thread_local"):
                run()
        except BaseException:
            # A generator whose capture was broken off takes itself to be in one for ever.
            generator = torch.cuda.default_generators[index_of(self._device)]
            generator.graphsafe_set_state(generator.clone_state())
            torch.cuda.set_rng_state(states, self._device)
            raise
        return graph.replay

    @contextmanager
    def watch(self) -> Iterator[list[str]]:
        found: list[str] = []
        before = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                yield found
            finally:
                torch.cuda.set_sync_debug_mode(before)
        for one in caught:
            if _WAITED in str(one.message):
                found.append(f"{one.filename}:{one.lineno}")
            else:
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)

    def begin_measure(self) -> None:
        self._begin.record()
        self._issued = -time.perf_counter()

    def end_measure(self) -> None:
        self._issued += time.perf_counter()
        self._end.record()

    def launch_bound(self) -> bool | None:
        if not self._end.query():
            return None
        milliseconds: float = self._begin.elapsed_time(self._end)
        return 1000 * self._issued > _LAUNCH_BOUND * milliseconds


def _timed_event() -> Any:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def capture_for(device: torch.device) -> Capture | None:
    """Returns what captures on a device; None: it has no graphs."""
    return CardCapture(device) if device.type == "cuda" else None


class _Captured:
    """A step on fixed storages.

    Args:
        batch: the first batch of its shape.
        run: a step; what it returns lies in the same storages after each replay, and has no gradient.
        capture: what captures.
    """

    def __init__(self, batch: Split, run: Callable[[Split], Losses], capture: Capture) -> None:
        self._batch = batch.map(lambda tensor: torch.empty_like(tensor).copy_(tensor))
        self._into = _tensors(self._batch)
        made: list[Losses] = []
        self._replay = capture.record(lambda: made.append(run(self._batch)))
        self._losses = made[-1]

    def __call__(self, batch: Split) -> Losses:
        for there, came in zip(self._into, _tensors(batch), strict=True):
            there.copy_(came, non_blocking=True)
        self._replay()
        return self._losses


class Graphs:
    """The graphs of one training, by the shapes of batches; a batch of none of them runs as it is.

    Args:
        run: a step on a batch, with a learning rate that lies on the device.
        capture: what captures.
        always: whether to capture without asking whether a step is launch-bound.

    Attributes:
        why_not: why steps are not captured; empty: they are, or that is not known yet.
        captured: the number of graphs.
    """

    def __init__(
        self, run: Callable[[Split], Losses], rate: Tensor, capture: Capture, *, always: bool
    ) -> None:
        self._run, self._rate, self._capture, self._always = run, rate, capture, always
        self._seen: Counter[tuple[Any, ...]] = Counter()
        self._graphs: dict[tuple[Any, ...], _Captured] = {}
        self._measured: bool | None = True if always else None  # None: not yet
        self._watched = False
        self.why_not = ""

    @property
    def captured(self) -> int:
        """The number of graphs so far."""
        return len(self._graphs)

    def forget(self) -> None:
        """Drops all graphs: what a step does has changed."""
        self._graphs.clear()
        self._seen.clear()

    def begin_epoch(self) -> None:
        """Forgets which shapes were seen: one that comes once an epoch is not worth a graph."""
        self._seen.clear()

    def step(self, batch: Split, rate: float, eager: Callable[[], Losses]) -> Losses:
        """Makes a step: replayed where its shape is captured, else by ``eager``."""
        if self.why_not:
            return eager()
        if batch.labelled or batch.present:
            # rows that are picked out differ in number from batch to batch
            if not self._graphs:
                self.why_not = "examples lack labels or modalities"
            return eager()
        shape = _shape(batch)
        if shape not in self._graphs:
            losses = self._prepare(shape, batch, eager)
            if losses is not None:
                return losses
        self._rate.fill_(rate)
        return self._graphs[shape](batch)

    def _prepare(self, shape: tuple[Any, ...], batch: Split, eager: Callable[[], Losses]) -> Losses | None:
        """Captures a shape that came often enough and returns None; else makes a step, returns its losses."""
        seen = self._seen[shape]
        self._seen[shape] += 1
        if seen < WARM_UP or len(self._graphs) >= MOST_SHAPES:
            return eager()
        if self._measured is None:
            return self._measure(seen, eager)
        if not self._measured:
            self.why_not = "a step is not launch-bound"
            return eager()
        if not self._watched:
            self._watched = True
            with self._capture.watch() as waits:
                losses = eager()
            if waits:
                self.why_not = f"a step waits for the device ({_short(waits[0])})"
            return losses
        try:
            self._graphs[shape] = _Captured(batch, self._run, self._capture)
        except Exception as error:  # of CUDA, of a library, of the network's code
            self.why_not = f"{type(error).__name__}: {words_of(error):.200}"
            return eager()
        return None

    def _measure(self, seen: int, eager: Callable[[], Losses]) -> Losses:
        if seen >= WARM_UP + MEASURED:
            self._measured = self._capture.launch_bound()
            return eager()
        if seen == WARM_UP:
            self._capture.begin_measure()
        losses = eager()
        if seen == WARM_UP + MEASURED - 1:
            self._capture.end_measure()
        return losses


def why_not_of(network: nn.Module) -> str:
    """Returns why ``graphs="auto"`` leaves a network alone; empty where it does not.

    A module of the user's may count, or draw from Python's generator, which no graph repeats.
    """
    for name, module in network.named_modules():
        kind = type(module)
        if not f"{kind.__module__}.".startswith(_OURS):
            return (
                f"{kind.__name__} ({name or 'the network'}) may do what a graph does not repeat: graphs=True"
            )
    return ""


def _tensors(batch: Split) -> list[Tensor]:
    domain = () if batch.domain is None else (batch.domain,)
    return [*batch.inputs.values(), *batch.targets.values(), *domain]


def _shape(batch: Split) -> tuple[Any, ...]:
    names = (*batch.inputs, None, *batch.targets)
    return (names, *((tensor.shape, tensor.dtype) for tensor in _tensors(batch)))


def _short(place: str) -> str:
    return "/".join(place.split("/")[-2:])
