"""How a search's workers spend their time: what the store is given of it, and of cards; what that says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nas.store.transaction import Transaction
from workers.executor import Card, Usage

_SECONDS = 5.0
"""Between records, with few workers."""

_WORKERS = 10
"""So many workers and cards are recorded in a second, at the most."""

Record = tuple[float, Usage]
"""Seconds of the search, and what one worker had spent by then."""


class UsageRecorder:
    """Records usage and cards while a search runs. Times are in seconds of the executor's clock."""

    def __init__(self) -> None:
        self._next = 0.0

    def due(self, now: float) -> bool:
        """Returns whether it is time for another record."""
        return now >= self._next

    def write(
        self,
        usage: Sequence[Usage],
        cards: Sequence[Card],
        transaction: Transaction,
        now: float,
        elapsed: float,
    ) -> None:
        """Records both, with the seconds of the search; nothing while the workers are starting."""
        if usage or cards:
            transaction.usage(elapsed, usage)
            transaction.cards(elapsed, cards)
            self._next = now + max(_SECONDS, (len(usage) + len(cards)) / _WORKERS)


@dataclass(frozen=True)
class Spent:
    """The seconds of workers together.

    Attributes:
        busy: the seconds in which they trained, see `workers.executor.Usage`.
        idle: the seconds in which they had nothing to do.
        overhead: all other seconds.
    """

    busy: float = 0.0
    idle: float = 0.0
    overhead: float = 0.0

    @property
    def whole(self) -> float:
        """All of these seconds."""
        return self.busy + self.idle + self.overhead

    def share(self, kind: str) -> float:
        """Returns what part of the whole a kind is, from 0 to 1."""
        return float(getattr(self, kind)) / self.whole if self.whole else 0.0


def by_worker(records: Sequence[Record]) -> dict[str, Spent]:
    """Returns what each worker spent, one that was replaced together with the one before."""
    found: dict[str, Spent] = {}
    for _, worker, spent in _steps(records):
        found[worker] = _sum([found.get(worker, Spent()), spent])
    return found


def over_time(records: Sequence[Record]) -> list[tuple[float, Spent]]:
    """Returns what all the workers spent between each record and the one before."""
    found: dict[float, list[Spent]] = {}
    for at, _, spent in _steps(records):
        found.setdefault(at, []).append(spent)
    return [(at, _sum(spent)) for at, spent in found.items()]


def total(records: Sequence[Record]) -> Spent:
    """Returns what all the workers spent."""
    return _sum(spent for _, _, spent in _steps(records))


def latest(records: Sequence[Record]) -> list[Usage]:
    """Returns the last record of all workers."""
    return [usage for at, usage in records if at == records[-1][0]]


def _steps(records: Sequence[Record]) -> Iterable[tuple[float, str, Spent]]:
    """Returns what each worker spent since its last record; a worker that is new began from nothing."""
    before: dict[str, Usage] = {}
    for at, usage in records:
        last = before.get(usage.worker)
        if last is None or usage.busy + usage.idle + usage.overhead < last.busy + last.idle + last.overhead:
            last = Usage(usage.worker, usage.node, 0.0, 0.0, 0.0)
        spent = (
            max(0.0, getattr(usage, kind) - getattr(last, kind)) for kind in ("busy", "idle", "overhead")
        )
        before[usage.worker] = usage
        yield at, usage.worker, Spent(*spent)


def _sum(parts: Iterable[Spent]) -> Spent:
    several = list(parts)
    return Spent(
        sum(one.busy for one in several),
        sum(one.idle for one in several),
        sum(one.overhead for one in several),
    )
