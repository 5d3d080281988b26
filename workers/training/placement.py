"""Where examples lie while a network trains, and how they get to its device without making it wait."""

from __future__ import annotations

import contextlib
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from workers.problems.split import Split

if TYPE_CHECKING:
    from workers.problems.problem import Problem

_RESIDENT = 0.25
"""The share of the memory that a trial may have of a card which a problem's data may take for good."""


def place(problem: Problem, device: torch.device | str, share: float = 1.0) -> Problem:
    """Returns the problem with its data where networks on a device train on it best.

    On a card itself, where it takes no more than a quarter of the memory; else they stay where they are, and
    each batch is sent while the one before it is trained on (`workers.training.batches.Feed`).

    Args:
        problem: the problem.
        device: the device of the training.
        share: the share of the card's memory that trials here may have.
    """
    device = torch.device(device)
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        if _bytes(problem) > _RESIDENT * min(share * total, free):
            return problem
    return problem.to(device)


def _bytes(problem: Problem) -> int:
    splits = problem.splits.values()
    return sum(t.nbytes for split in splits for t in (*split.inputs.values(), *split.targets.values()))


def index_of(device: torch.device) -> int:
    """Returns the number of a card; of one that is not numbered, that of the current one."""
    return torch.cuda.current_device() if device.index is None else device.index


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Returns a tensor on a device; to a card it goes by way of pinned memory, for which nothing waits."""
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class SideStream:
    """A stream of a card for one computation, exchanged with the caller's (as `IsolatedRandomState` is).

    What is captured as a graph must not meet what ran in the default stream before: torch's nodes that add
    gradients up keep the stream that they were made in. On other devices this does nothing.

    Args:
        device: the device.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream: Any = None
        self._outside: Any = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __enter__(self) -> None:
        if self._stream is not None:
            self._outside = torch.cuda.current_stream(self._stream.device)
            self._stream.wait_stream(self._outside)
            torch.cuda.set_stream(self._stream)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._stream is not None:
            torch.cuda.set_stream(self._outside)
            # after an error that has broken the card, whose words come first
            with contextlib.suppress(RuntimeError):
                self._outside.wait_stream(self._stream)


class Glance:
    """Reads a number from a device now and then, without waiting for it: on a card it is an older one."""

    def __init__(self) -> None:
        self._there: Tensor | None = None
        self._arrival: torch.cuda.Event | None = None

    def at(self, value: Tensor) -> float | None:
        """Returns the number as it was when last looked at; None: it is not here yet.

        Args:
            value: a scalar.
        """
        if value.device.type != "cuda":
            return float(value)
        came: float | None = None
        if self._arrival is not None and self._there is not None:
            if not self._arrival.query():  # type: ignore[no-untyped-call]
                return None
            came = float(self._there)
        if self._there is None:
            self._there = torch.empty((), dtype=value.dtype, pin_memory=True)
        self._there.copy_(value, non_blocking=True)
        self._arrival = torch.cuda.current_stream(value.device).record_event()
        return came


class Stopwatch:
    """Times what a device does between two moments in its queue, without waiting for it.

    Args:
        device: the device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._marks: list[Any] = []

    def mark(self) -> None:
        """Notes the moment when the device has done all that it was told so far."""
        mark: Any = time.perf_counter()
        if self._device.type == "cuda":
            mark = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            mark.record(torch.cuda.current_stream(self._device))
        self._marks.append(mark)

    def seconds(self) -> float | None:
        """Returns the seconds between the two moments; None: the device has not come so far yet."""
        first, second = self._marks
        if self._device.type != "cuda":
            return float(second - first)
        return float(first.elapsed_time(second)) / 1000 if second.query() else None


class Lane:
    """The way of examples from main memory to a card: a stream beside the one that computes.

    Args:
        device: the card.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def send(self, split: Split) -> tuple[Split, torch.cuda.Event]:
        """Sends examples on their way; returns them and the event of their arrival, to be given to `take`."""
        pinned = split.map(lambda tensor: tensor.pin_memory())
        with torch.cuda.stream(self._stream):
            there = pinned.to(self._device, non_blocking=True)
            return there, self._stream.record_event()

    def take(self, split: Split, arrival: torch.cuda.Event) -> Split:
        """Returns the examples for use in the current stream, which waits for them; the caller does not."""
        stream = torch.cuda.current_stream(self._device)
        stream.wait_event(arrival)

        def keep(tensor: Tensor) -> Tensor:
            tensor.record_stream(stream)
            return tensor

        return split.map(keep)
