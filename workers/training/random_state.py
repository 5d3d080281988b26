"""Running a computation under random states of its own: nothing around it changes it or is changed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import torch

T = TypeVar("T")


def seed_all(seed: int, device: torch.device) -> None:
    """Set the global random states: torch's (of the CPU and ``device``), Python's and NumPy's."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


class IsolatedRandomState:
    """The global random states (torch, Python, NumPy) of one computation, exchanged with the caller's.

    Inside ``with`` the computation's own states are in place; outside, the caller's, untouched. May be
    entered again and again: the computation goes on where it was.

    Args:
        seed: the states to begin with.
        device: whose state belongs to the computation besides the CPU's.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)
        outside = self._states()
        seed_all(seed, self._device)
        self._other = self._states()
        self._place(outside)

    def __enter__(self) -> None:
        self._exchange()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exchange()

    def _exchange(self) -> None:
        current = self._states()
        self._place(self._other)
        self._other = current

    def _states(self) -> tuple[Any, ...]:
        cuda = torch.cuda.get_rng_state(self._device) if self._device.type == "cuda" else None
        return random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda

    def _place(self, states: tuple[Any, ...]) -> None:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if states[3] is not None:
            torch.cuda.set_rng_state(states[3], self._device)


def isolated(steps: Iterator[T], own: AbstractContextManager[None]) -> Iterator[T]:
    """Yields the items of ``steps``, each computed inside ``own``, an `IsolatedRandomState` or the like."""
    try:
        while True:
            with own:
                try:
                    item = next(steps)
                except StopIteration:
                    return
            yield item
    finally:
        close = getattr(steps, "close", None)
        if close is not None:
            close()
