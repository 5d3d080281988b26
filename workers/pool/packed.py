"""The workers of a pool that packs its cards: whole ones are reserved, each with as many as its plan says."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import ray
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from search_spaces.errors import ExecutorError
from workers.job import Event, Finished, Job
from workers.pool.cards import CardSample, Spot
from workers.pool.member import Member, PoolCard
from workers.pool.members import Members
from workers.pool.packing import MOST, Packing, estimate
from workers.pool.worker import Setup
from workers.recipe import Recipe
from workers.remote import cluster
from workers.remote.cluster import LOOK_SECONDS
from workers.remote.runners import Packed
from workers.remote.runs import RemoteRun, ran_out_of_card

if TYPE_CHECKING:
    from search_spaces import Signature

SHARE = 1 / MOST
"""The share of a card that Ray counts for each worker: it is we who say how many there are."""

_PACE = 0.5
"""Seconds between looks at what the plans say."""


class Estimates:
    """What trainings on a problem are expected to take of a card's memory.

    Args:
        packed: the problem.
    """

    def __init__(self, packed: Packed) -> None:
        self._signature: Signature | None = None if "table" in packed else packed["about"]["signature"]
        self._data = _bytes(packed.get("splits"))

    def of(self, job: Job) -> int:
        """Returns the bytes for a job; 0 where nothing can be said, as of what cannot be built."""
        if self._signature is None:
            return 0
        try:
            cost, recipe = job.architecture.cost(self._signature), Recipe.of(job.architecture)
        except Exception:  # whatever a user's module raises: its worker will tell
            return 0
        return estimate(
            num_params=cost.num_params,
            activation_bytes=cost.activation_bytes,
            batch_size=recipe.batch_size,
            optimizer=recipe.optimizer,
            data=self._data,
        )


def _bytes(arrays: Any) -> int:
    if isinstance(arrays, Mapping):
        return sum(map(_bytes, arrays.values()))
    return int(getattr(arrays, "nbytes", 0))


class PackedMembers(Members):
    """The workers of a pool that says itself how many of them share a card; see `Packing`.

    Each card is reserved as a placement group of one bundle, with its part of the node's cores: what is
    started in it is on that very card. Workers come and go as the plan of the card says; one that is not
    wanted any longer goes when it is idle.

    Args:
        data: Ray's reference to the problem.
        asked: the workers on all cards, at most; None: no such bound.
        resources: what each worker takes of the cluster, with `SHARE` of a card.
        setup: how they train.
        started: the function of `Members`.
        estimates: what trainings take of a card's memory.
        window: the seconds for which a card is watched before more trials are let on it.
    """

    _ask_seconds = 1.0

    def __init__(
        self,
        data: Any,
        asked: int | None,
        resources: cluster.Resources,
        setup: Setup,
        started: Callable[[Member, Any], None],
        *,
        estimates: Estimates,
        window: float,
    ) -> None:
        super().__init__(data, asked, resources, 1, setup, started)
        self._estimates, self._window = estimates, window
        self._nodes_at = 0.0
        self._gone: list[PoolCard] = []  # cards on which no worker can be started: nobody else's either

    @property
    def holds(self) -> dict[str, float]:
        return {"gpus": len(self.cards)}  # each card as a whole, with a part of the cores of its node

    @property
    def expected(self) -> int:
        room = sum(card.room for card in self.cards)
        return max(1, room if self._asked is None else min(room, self._asked))

    def adapt(self) -> None:
        """Follows the cluster, and the plans of its cards.

        Raises:
            ExecutorError: there was no card in time.
        """
        now = time.monotonic()
        if now >= self._nodes_at:
            self._nodes_at = now + LOOK_SECONDS
            self._follow_nodes(now)
        if now >= self.look_again:
            self.look_again = now + _PACE
            for card in list(self.cards):
                self._follow_plan(card, now)

    def share_for(self, run: RemoteRun, member: Member) -> float | None:
        plan = _plan(member)
        run.estimated = self._estimates.of(run.job)
        if run.alone:
            run.share = 1.0
        else:
            plan.expect(run.estimated, time.monotonic())
            run.share = plan.share
        return run.share

    def take_end(self, run: RemoteRun, member: Member, event: Event) -> None:
        plan, now = _plan(member), time.monotonic()
        if isinstance(event, Finished):
            plan.measured(run.estimated, event.costs.get("peak_memory_bytes", 0.0), now)
        elif ran_out_of_card(event) and not run.alone:
            plan.ran_out(now)

    def take_sample(self, card: PoolCard, sample: CardSample | None) -> None:
        super().take_sample(card, sample)
        plan = card.packing
        if sample is None or plan is None:
            return
        plan.memory = sample.memory_total or plan.memory
        most = len(card.members) + self._left()
        at_work = not card.secluded and card.at_work >= plan.room
        plan.observe(time.monotonic(), sample.busy, at_work, sample.memory, most)

    def take_ready(self, member: Member, error: BaseException | None, spots: list[Spot] | None) -> None:
        card = member.card
        super().take_ready(member, error, spots)
        if card is not None and not spots:
            card.failed_starts += 1
            card.start_at = time.monotonic() + LOOK_SECONDS
            if card.failed_starts > self._most_failed:
                self._give_up(card)

    def replace(self, member: Member) -> None:
        card = member.card
        self._drop(member)
        if card is not None and card in self.cards:
            _plan(member).disturbed()
            if len(card.members) < card.room:
                self._start(card, member.name)

    def close(self) -> None:
        super().close()
        for card in self.cards + self._gone:
            ray.util.remove_placement_group(card.place)
        self.cards, self._gone = [], []

    def _require_room(self) -> None:
        if not cluster.cards_by_node(self._resources):
            beside = dataclasses.replace(self._resources, gpus=0).words()
            raise ExecutorError(
                f'Pool(gpus="auto"): no GPU with room for a worker of {beside} beside it: '
                f"the cluster has {cluster.there_is()}"
            )

    def _left(self) -> int:
        """How many more workers there may be."""
        return MOST if self._asked is None else max(0, self._asked - len(self._all))

    def _follow_nodes(self, now: float) -> None:
        """Reserves the cards that have joined, and drops those that have left."""
        nodes = cluster.cards_by_node(self._resources)
        for card in [card for card in self.cards + self._gone if card.spot.node not in nodes]:
            if card.spot.node or nodes:
                self._release(card)
        if not nodes and not self._ever_ready and now > self._patient_until:
            self._require_room()
        if not nodes and not self.cards:  # an autoscaler sees what is asked for
            self._reserve("", self._resources.bundle() | {"GPU": 1.0}, 1)
        most = sum(here.count for here in nodes.values())
        for node, here in nodes.items():
            known = sum(card.spot.node == node for card in self.cards + self._gone)
            for _ in range(here.count - known):
                wanted = self._asked is None or len(self.cards) < self._asked
                if wanted and len(self.cards) + len(self._gone) < most:
                    self._reserve(node, here.bundle, here.workers)

    def _reserve(self, node: str, bundle: Mapping[str, float], workers: int) -> None:
        # not bound to the node: that would need labels that older versions of Ray do not have
        place = placement_group([dict(bundle)], strategy="STRICT_PACK", _soft_target_node_id=node or None)
        self.cards.append(PoolCard(Spot(node), packing=Packing(workers, window=self._window), place=place))

    def _follow_plan(self, card: PoolCard, now: float) -> None:
        for member in card.members[: card.room - 1 : -1]:
            if member.ready is None or not (member.runs or member.handing_over):
                self._drop(member)
        if now >= card.start_at:
            for _ in range(min(card.room - len(card.members), self._left())):
                self._start(card, f"worker {next(self._names)}")

    def _start(self, card: PoolCard, name: str) -> None:
        strategy = PlacementGroupSchedulingStrategy(card.place, placement_group_bundle_index=0)
        actor = self._actor.options(scheduling_strategy=strategy).remote(self._data, self._setup)
        member = Member(actor, name, card=card)
        card.members.append(member)
        self._begin(member, actor.ready.remote())

    def _settle(self, member: Member, spot: Spot, actor: Any) -> None:
        card = member.card
        assert card is not None  # it was started on one
        card.spot, card.actors[member] = spot, actor
        card.failed_starts, card.suspect_until = 0, 0.0
        plan = _plan(member)
        plan.memory = spot.memory or plan.memory

    def _give_up(self, card: PoolCard) -> None:
        """Uses a card no longer on which no worker can be started; it stays reserved, so that nobody does."""
        if card in self.cards and not card.actors:
            self.cards.remove(card)
            self._gone.append(card)
            for member in list(card.members):
                self._drop(member)

    def _release(self, card: PoolCard) -> None:
        (self.cards if card in self.cards else self._gone).remove(card)
        for member in [member for member in card.members if member.ready is None]:
            self._drop(member)
        ray.util.remove_placement_group(card.place)


def _plan(member: Member) -> Packing:
    assert member.card is not None  # it was started on a card, which has a plan
    assert member.card.packing is not None
    return member.card.packing
