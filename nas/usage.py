"""Recording how the workers' time was spent, while a search runs."""

from __future__ import annotations

from collections.abc import Sequence

from nas.writing import Writing
from workers.executor import Usage

_SECONDS = 5.0
"""Between records, with few workers."""

_WORKERS = 10
"""So many workers are recorded in a second, at the most."""


class UsageRecord:
    """Says when it is time for another record. Times are in seconds of the executor's clock."""

    def __init__(self) -> None:
        self._next = 0.0

    def due(self, now: float) -> bool:
        """Whether it is."""
        return now >= self._next

    def write(self, usage: Sequence[Usage], writing: Writing, now: float, elapsed: float) -> None:
        """Record it, with the seconds of the search; nothing while the workers are starting."""
        if usage:
            writing.usage(elapsed, usage)
            self._next = now + max(_SECONDS, len(usage) / _WORKERS)
