"""A worker of a pool, and the card that it trains on, as the driver sees them."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from workers.executor import Card, Usage
from workers.job import Finished
from workers.pool.cards import CardSample, Spot
from workers.pool.packing import Packing
from workers.remote.runs import RemoteRun


@dataclass(eq=False)
class Member:
    """A worker of the pool: its actor, and the runs sent to it, the first one running.

    Attributes:
        actor: Ray's handle; of several processes, the first one's.
        name: its place in the pool, for people.
        runs: what it was ordered to do.
        ready: when it could train first; None: it is starting.
        listening: whether an answer is awaited from `Worker.exchange`.
        node: the node where it runs.
        handing_over: the trials that have ended while their weights are still on their way.
        others: the handles of the further processes.
        place: the placement group of several processes.
        card: the card of its own process; None on a CPU, where it has several processes, and while it is not
            known.
    """

    actor: Any
    name: str
    runs: deque[RemoteRun] = field(default_factory=deque)
    ready: float | None = None
    listening: bool = False
    node: str = ""
    handing_over: deque[tuple[RemoteRun, Finished]] = field(default_factory=deque)
    others: list[Any] = field(default_factory=list)
    place: Any = None
    card: PoolCard | None = None
    _busy: float = 0.0
    _held: float = 0.0  # seconds with a run
    _since: float | None = None  # when it got its first run

    def occupy(self) -> None:
        """Notes that there is something to do, or that there is not."""
        now = time.monotonic()
        if self.runs and self.ready is not None and self._since is None:
            self._since = now
        elif not self.runs and self._since is not None:
            self._held += now - self._since
            self._since = None

    def trained(self, seconds: float) -> None:
        """Counts the seconds of a training."""
        self._busy += seconds

    def usage(self) -> Usage:
        """How its time was spent so far."""
        now = time.monotonic()
        life = 0.0 if self.ready is None else now - self.ready
        held = self._held + (now - self._since if self._since is not None else 0.0)
        busy = self._busy
        if self.runs and self.runs[0].began is not None:
            busy += now - self.runs[0].began
        busy = min(busy, held)
        return Usage(self.name, self.node, busy, max(0.0, life - held), held - busy)


@dataclass(eq=False)
class PoolCard:
    """A card on which workers of the pool train.

    Attributes:
        spot: where it is.
        members: the workers on it, those included that are starting.
        actors: the process on it of each worker that is ready.
        secluded: whether it is kept for a run that is to be alone on it.
        suspect_until: when it is used again after its driver has said that it is gone (monotonic seconds).
        seen: how it did lately.
        asked: the worker that was asked how it does, and has not answered.
        packing: how many trials share it; None where each has a fixed share.
        place: the placement group that reserves it; None: Ray places its workers.
        failed_starts: how many workers in a row could not be started on it.
        start_at: when the next may be started (monotonic seconds).
    """

    spot: Spot
    members: list[Member] = field(default_factory=list)
    actors: dict[Member, Any] = field(default_factory=dict)
    secluded: bool = False
    suspect_until: float = 0.0
    seen: CardSample = field(default_factory=CardSample)
    asked: Member | None = None
    packing: Packing | None = None
    place: Any = None
    failed_starts: int = 0
    start_at: float = 0.0

    @property
    def room(self) -> int:
        """How many workers it is to have."""
        return len(self.members) if self.packing is None else self.packing.room

    @property
    def at_work(self) -> int:
        """How many workers on it have something to do."""
        return sum(bool(member.runs) for member in self.actors)

    @property
    def suspected(self) -> bool:
        """Whether it may be gone."""
        return self.suspect_until > time.monotonic()

    def takes(self, member: Member) -> bool:
        """Whether a run may begin on one of its workers that are ready, as things stand."""
        if self.secluded or self.suspected:
            return False
        return self.packing is None or member in self.members[: self.packing.room]

    def describe(self) -> Card:
        """What it did lately."""
        total = self.seen.memory_total or self.spot.memory
        return Card(
            self.spot.card,
            self.spot.name,
            self.spot.node,
            self.at_work,
            self.room,
            self.seen.busy,
            self.seen.memory,
            total,
        )
