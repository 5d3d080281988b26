"""The workers of a pool: as many as there should be, on whatever nodes the cluster has."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import ray

from search_spaces.errors import ExecutorError
from workers.job import Event
from workers.pool import gang
from workers.pool.cards import CardSample, Spot
from workers.pool.member import Member, PoolCard
from workers.pool.worker import Setup, Worker
from workers.remote import cluster
from workers.remote.cluster import LOOK_SECONDS
from workers.remote.runs import RemoteRun

_SUSPECT_SECONDS = 60.0
"""Time for which a card is left alone that its driver says is gone, unless a new worker finds it well."""


class Members:
    """The workers of one pool.

    Args:
        data: Ray's reference to the problem.
        asked: how many workers there should be; None: as many as there is room for.
        resources: what each process takes of the cluster.
        processes: how many processes each worker has, which train a trial together.
        setup: how they train.
        started: the function that is called with each new worker and Ray's reference to what it answers once
            it can train; that comes back by `take_ready`.

    Attributes:
        ready: the workers that can train.
        cards: the cards on which they train, as far as there are some.
        expected: how many workers there are, or soon will be, on the nodes that are there.
        holds: what they take of the cluster together, see `workers.executor.Executor.holds`.
        look_again: when `adapt` has something to do (monotonic seconds).
    """

    _ask_seconds = LOOK_SECONDS
    """Seconds between looks at how the cards do."""

    def __init__(
        self,
        data: Any,
        asked: int | None,
        resources: cluster.Resources,
        processes: int,
        setup: Setup,
        started: Callable[[Member, Any], None],
    ) -> None:
        self._data, self._asked, self._resources, self._started = data, asked, resources, started
        self._processes, self._setup = processes, setup
        self._all: list[Member] = []
        self._names = itertools.count()
        self._room = 0
        self._failed_starts, self._most_failed = 0, 0
        self._ever_ready, self._patient_until = False, 0.0
        self.ready: list[Member] = []
        self.cards: list[PoolCard] = []
        self._ask_at = 0.0
        self.look_again = 0.0
        self._actor = ray.remote(concurrency_groups={"news": 1}, **resources.options())(Worker)

    def __contains__(self, member: Member) -> bool:
        return member in self._all

    @property
    def expected(self) -> int:
        return max(1, self._room if self._asked is None else min(self._room, self._asked))

    @property
    def holds(self) -> dict[str, float]:
        processes = self.expected * self._processes
        return {"cpus": processes * self._resources.cpus, "gpus": processes * self._resources.gpus}

    def takers(self) -> list[Member]:
        """The workers that are ready and that more runs may be sent to."""
        if not self.cards:
            return self.ready
        return [member for member in self.ready if member.card is None or member.card.takes(member)]

    def share_for(self, run: RemoteRun, member: Member) -> float | None:
        """Returns the share of its card's memory for a run about to be sent; None: what the worker has."""
        run.share = 1.0 if run.alone else self._resources.share
        return run.share if run.alone else None

    def take_end(self, run: RemoteRun, member: Member, event: Event) -> None:
        """A run has ended on a worker."""

    def begin(self, wait: float, retries: int) -> None:
        """Starts the workers.

        Where nodes are still to come, an autoscaler sees what the workers ask for.

        Args:
            wait: the seconds for room to appear, after which `adapt` raises.
            retries: how many starts in a row may fail before `take_ready` raises.

        Raises:
            ExecutorError: there is no room for even one, and none is waited for.
        """
        self._most_failed = retries
        self._patient_until = time.monotonic() + wait
        if wait <= 0:
            self._require_room()
        self.adapt()

    def adapt(self) -> None:
        """Follows the cluster: nodes that joined get workers, what waits for nodes that left is dropped.

        Raises:
            ExecutorError: there was no room for a first worker in time.
        """
        now = time.monotonic()
        if now < self.look_again:
            return
        self.look_again = now + LOOK_SECONDS
        self._room = cluster.room(self._resources, self._processes)
        if not self._room and not self._ever_ready and now > self._patient_until:
            self._require_room()
        self._grow()
        if self._asked is None:
            starting = [member for member in self._all if member.ready is None]
            for member in starting[::-1][: max(0, len(self._all) - self.expected)]:
                self._drop(member)

    def take_ready(self, member: Member, error: BaseException | None, spots: list[Spot] | None) -> None:
        """A worker can train, where its processes are, or could not be started.

        Raises:
            ExecutorError: none can.
        """
        if spots:
            self._failed_starts, self._ever_ready = 0, True
            member.ready, member.node = time.monotonic(), spots[0].node
            self.ready.append(member)
            for spot, actor in zip(spots, (member.actor, *member.others), strict=False):
                if spot.card:
                    self._settle(member, spot, actor)
            return
        self._failed_starts += 1
        if not self.ready and self._failed_starts > self._most_failed:
            raise ExecutorError(f"no worker can be started: {error}") from error
        self._drop(member)  # another one at the next look: whatever is wrong may pass

    def ask(self) -> list[tuple[PoolCard, Member, Any]]:
        """Asks a worker of each card how it does, if that was not done lately.

        Returns:
            The card, the worker, and Ray's reference to its answer; that comes back by `take_sample`.
        """
        now = time.monotonic()
        if not self.cards or now < self._ask_at:
            return []
        self._ask_at = now + self._ask_seconds
        asked = []
        for card in self.cards:
            if card.actors and card.asked not in card.actors:
                card.asked, actor = next(iter(card.actors.items()))
                asked.append((card, card.asked, actor.sample.remote()))
        return asked

    def take_sample(self, card: PoolCard, sample: CardSample | None) -> None:
        """A worker has answered how its card does; None: it could not."""
        card.asked = None
        card.seen = sample or card.seen

    def suspect(self, card: PoolCard) -> None:
        """Nothing begins on a card for a while, or till a worker has started on it: it is said to be gone."""
        card.suspect_until = time.monotonic() + _SUSPECT_SECONDS

    def dismiss(self, member: Member) -> None:
        """Nothing more for a worker: it only hands over what it has."""
        self.ready.remove(member)
        for card in self.cards:
            card.actors.pop(member, None)

    def replace(self, member: Member) -> None:
        """A new worker in place of one."""
        self._drop(member)
        self._add(member.name)

    def close(self) -> None:
        """Ends all of them."""
        for member in list(self._all):
            self._drop(member)

    def _grow(self) -> None:
        wanted = self.expected if self._asked is None else self._asked
        while len(self._all) < wanted:
            self._add(f"worker {next(self._names)}")

    def _require_room(self) -> None:
        cluster.require_room(self._resources, self._processes)

    def _add(self, name: str) -> None:
        if self._processes == 1:
            member = Member(self._actor.remote(self._data, self._setup), name)
            self._begin(member, member.actor.ready.remote())
        else:
            (first, *others), place, ready = gang.start(
                self._processes, self._resources, self._data, self._setup
            )
            self._begin(Member(first, name, others=others, place=place), ready)

    def _begin(self, member: Member, ready: Any) -> None:
        self._all.append(member)
        self._started(member, ready)

    def _settle(self, member: Member, spot: Spot, actor: Any) -> None:
        """Notes on which card a process of a worker is."""
        card = next((card for card in self.cards if card.spot.card == spot.card), None)
        if card is None:
            card = PoolCard(spot)
            self.cards.append(card)
        card.members.append(member)
        card.actors[member] = actor
        card.suspect_until = 0.0
        if self._processes == 1:
            member.card = card

    def _drop(self, member: Member) -> None:
        self._all.remove(member)
        if member in self.ready:
            self.ready.remove(member)
        for card in [card for card in self.cards if member in card.members]:
            card.members.remove(member)
            card.actors.pop(member, None)
            if not card.members and card.packing is None:
                self.cards.remove(card)
        for actor in (member.actor, *member.others):
            ray.kill(actor)
        if member.place is not None:
            ray.util.remove_placement_group(member.place)
