"""What a trial leaves behind in its process: cleaned up, and judged."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from collections.abc import Callable
from functools import cache

import torch

from workers.training.placement import index_of
from workers.trial.memory import held

_NOTICEABLE, _LEFT_BEHIND, _LEFT_IN_ALL = 64 * 2**20, 256 * 2**20, 1024 * 2**20
_ON_A_CARD = 2**20, 64 * 2**20
"""The same of the first two on a card, where what is reserved is known to the byte, and others want it."""


class Residue:
    """The memory that trials leave behind in this process.

    The process is fit for another trial unless the last one has left 256 MiB more than any before it, all of
    them together 1 GiB, or so much that half of the trial's limit is gone.

    Args:
        measure: the function that says how many bytes are held now.
        cleaners: the functions that may lower that, in this order.
        noticeable: the bytes more than ever before that are worth cleaning up.
        left_behind: the bytes more than ever before with which the process is not fit.
    """

    def __init__(
        self,
        measure: Callable[[], int],
        cleaners: tuple[Callable[[], object], ...],
        noticeable: int = _NOTICEABLE,
        left_behind: int = _LEFT_BEHIND,
    ) -> None:
        self._measure, self._cleaners = measure, cleaners
        self._noticeable, self._left_behind = noticeable, left_behind
        self._first = self._most = measure()

    def is_fit(self, *, kept: int = 0, limit: int | None = None) -> bool:
        """Cleans up, where there is so much that it is worth the time, and judges the process.

        Args:
            kept: the bytes of the trial's results, which are still to be handed on.
            limit: the trial's memory limit in bytes.
        """
        half = sys.maxsize if limit is None else max(limit // 2, self._first + self._noticeable)
        bound = min(self._most + self._left_behind, self._first + _LEFT_IN_ALL, half)
        now = self._measure() - kept
        for clean in self._cleaners:
            if now <= min(bound, self._most + self._noticeable):
                break
            clean()
            now = self._measure() - kept
        fit = now <= bound
        self._most = max(self._most, now)
        if not fit:  # who uses the process all the same begins anew
            self._first = self._most = now
        return fit


def _trim() -> None:
    """Have the C library give back what it keeps for later; glibc has a call for that."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


@cache
def _host() -> Residue:
    # The cheapest cleaner first: to collect takes some 50 ms. Libraries that a trial was the first to load
    # are no residue: the next process would load them, too.
    return Residue(lambda: held("RssAnon"), (_trim, gc.collect, _trim))


@cache
def _gpu(index: int) -> Residue:
    return Residue(lambda: _reserved(index), (gc.collect,), *_ON_A_CARD)


def _reserved(index: int) -> int:
    # cuBLAS's workspaces count as in use: each stream that has multiplied keeps one
    torch._C._cuda_clearCublasWorkspaces()
    torch.cuda.empty_cache()
    # not what is allocated: a graph whose capture was broken off may keep its memory, of which nobody has any
    return torch.cuda.memory_reserved(index)


def begin(device: torch.device) -> None:
    """Notes what this process holds before its first trial."""
    _host()
    if device.type == "cuda":
        _gpu(index_of(device))


def is_fit(device: torch.device, *, kept: int, limit: int | None) -> bool:
    """Cleans up after a trial; returns whether the process may run another one.

    Args:
        device: the device that the trial was trained on.
        kept: the bytes of its results, which are still to be handed on.
        limit: its `Job.memory`.
    """
    fit = _host().is_fit(kept=kept, limit=limit)
    if device.type == "cuda":
        try:
            torch.cuda.synchronize(device)
            fit &= _gpu(index_of(device)).is_fit()
        except RuntimeError:  # some errors leave a process without a usable GPU
            return False
    return fit
