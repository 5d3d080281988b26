"""The memory of this process: how much it holds, and a bound on that for the time of a trial."""

from __future__ import annotations

import re
import resource
import sys
import time

import torch

from search_spaces.errors import TrainingFailure

_LOOK = 0.1
"""Seconds between looks at a trial's memory; a peak between two is seen, where the system remembers it."""

_FIELDS = re.compile(rb"^(VmHWM|VmRSS|RssAnon|RssShmem):\s+(\d+) kB$", re.MULTILINE)


class MemoryLimit:
    """A bound on the memory that this process holds while a trial runs.

    What it shares with others (Ray's object store) does not count. Linux tells the peak since the limit was
    made, other systems that since the process began.

    Args:
        size: the bound in bytes; None: no bound.
    """

    def __init__(self, size: int | None) -> None:
        self._size = size
        self._next = 0.0
        self._field = "VmRSS"
        if size is not None and _forget_the_peak():
            self._field = "VmHWM"

    def check(self, *, now: bool = False) -> None:
        """Looks now and then, or just now.

        Raises:
            TrainingFailure: ``out_of_memory``, with both figures.
        """
        if self._size is None:
            return
        moment = time.perf_counter()
        if now or moment >= self._next:
            self._next = moment + _LOOK
            most = held(self._field)
            if most > self._size:
                text = f"the process held {_shown(most)}, the limit is {_shown(self._size)}"
                raise TrainingFailure("out_of_memory", text)


class PeakMemory:
    """The most memory that was held since this was made: of a card, what torch had reserved there.

    Without a card, of this process, as `MemoryLimit` counts it.

    Args:
        device: the device of the trial.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            _forget_the_peak()

    def bytes(self) -> int:
        """Returns it."""
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_reserved(self._device))
        return held("VmHWM")


def _forget_the_peak() -> bool:
    """Sets the peak of this process back to what it holds now; returns whether the system has done it."""
    # "5" does it (man 5 proc); not every sandbox lets us
    try:
        with open("/proc/self/clear_refs", "wb", buffering=0) as file:
            file.write(b"5")
    except OSError:
        return False
    return True


def held(field: str = "VmRSS") -> int:
    """Bytes of memory that this process holds, without what it shares with others.

    Args:
        field: a field of Linux's ``/proc/self/status``: ``VmRSS``, or its peak ``VmHWM``, or ``RssAnon`` for
            what is no part of a file (loaded libraries are). Other systems tell the peak since the process
            began.
    """
    try:
        with open("/proc/self/status", "rb") as file:
            found = {name.decode(): int(size) for name, size in _FIELDS.findall(file.read())}
        shared = 0 if field == "RssAnon" else found.get("RssShmem", 0)
        return 1024 * (found[field] - shared)
    except (OSError, KeyError):
        # in bytes on a Mac, else in KiB
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _shown(size: int) -> str:
    return f"{size / 2**30:.3g} GiB" if size >= 2**30 else f"{size / 2**20:.3g} MiB"
