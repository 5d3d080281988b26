"""What a pool tells Ray's own metrics (Prometheus): trials by outcome, and how its workers' time is spent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from ray.util import metrics

from workers.executor import Usage
from workers.job import Event, Failed, Last, Reported

_SECONDS = 5.0
"""Between updates: Ray exports them no oftener."""


class PoolMetrics:
    """Counts what happens and hands it to Ray from time to time; see the dashboard's metrics page.

    - ``nas_trials_total``, by ``outcome`` (``finished``, or the reason of a failure)
    - ``nas_epochs_total``
    - ``nas_workers``, by ``state`` (``busy``, ``idle``)
    - ``nas_worker_seconds_total``, by ``kind`` (``busy``, ``idle``, ``overhead``)
    """

    def __init__(self) -> None:
        self._trials = metrics.Counter("nas_trials_total", "Trials that ended.", ("outcome",))
        self._epochs = metrics.Counter("nas_epochs_total", "Epochs that were reported.")
        self._workers = metrics.Gauge("nas_workers", "Workers of the pool.", ("state",))
        self._seconds = metrics.Counter("nas_worker_seconds_total", "Time of the workers.", ("kind",))
        self._outcomes: Counter[str] = Counter()
        self._new_epochs = 0
        self._given = dict.fromkeys(("busy", "idle", "overhead"), 0.0)
        self._next = time.monotonic() + _SECONDS

    def count(self, events: Sequence[Event]) -> None:
        """Counts events."""
        for event in events:
            if isinstance(event, Reported):
                self._new_epochs += 1
            elif isinstance(event, Last):
                self._outcomes[event.reason if isinstance(event, Failed) else "finished"] += 1

    @property
    def due(self) -> bool:
        """Whether it is time to `export`."""
        return time.monotonic() >= self._next

    def export(self, usage: Sequence[Usage], busy: int) -> None:
        """Hands over what was counted.

        Args:
            usage: how each worker has spent its time.
            busy: how many workers have something to do.
        """
        self._next = time.monotonic() + _SECONDS
        for outcome, count in self._outcomes.items():
            self._trials.inc(count, {"outcome": outcome})
        self._outcomes.clear()
        if self._new_epochs:
            self._epochs.inc(self._new_epochs)
            self._new_epochs = 0
        self._workers.set(busy, {"state": "busy"})
        self._workers.set(len(usage) - busy, {"state": "idle"})
        for kind, given in self._given.items():
            total = sum(getattr(one, kind) for one in usage)
            new = total - given
            self._given[kind] = total
            if new > 0:  # a worker that was lost takes its time with it
                self._seconds.inc(new, {"kind": kind})
