"""Local search: climb from neighbour to better neighbour, and start again elsewhere at the top."""

import math
from collections.abc import Sequence
from typing import Any

from controllers import ranking
from controllers.base import Controller, Draft, Outcome, Proposal
from controllers.objectives import Limit, Objective
from search_spaces import Architecture, Space
from search_spaces.arguments import Count, checked
from search_spaces.errors import ControllerError
from search_spaces.holes import Hole, Rng, Value
from search_spaces.ranges import Integer

# steps of a number, as shares of its (possibly logarithmic) range: large ones only would miss the top, small
# ones only would never arrive
STEPS = (1 / 4, 1 / 16, 1 / 64)

PERTURBED = 0.3  # share of the decisions that a restart near the best top draws anew

Merit = tuple[int, float]


class LocalSearch(Controller):
    """Hill climbing with restarts, after C. White, S. Nolen and Y. Savani, "Exploring the Loss Landscape in
    Neural Architecture Search", UAI 2021 (Algorithm 1, moving on at the first improvement).

    Neighbours of an architecture differ from it in one active decision: another option of a choice, a number
    one step of 1/4, 1/16 or 1/64 of its range (at least one unit) up or down. Decisions that become active by
    it are sampled, all others are kept. Every other restart is a random place, for a top may be poor; the
    rest are the best top so far with 30 % of its decisions drawn anew (iterated local search, H. R. Lourenco,
    O. C. Martin and T. Stuetzle, 2003), for good networks lie near each other, and where results are noisy a
    climb may have stopped below a neighbour that was unlucky.

    Made asynchronous: an ask takes the next untried neighbour of the best climb that has one. A climb whose
    neighbours are all tried may wait for results while the next one starts, and goes on if one of them is an
    improvement. Results that were never asked for join the latest climb. Infeasible trials are climbed out of
    by their violation. With several objectives every climb has random weights of its own (Chebyshev's
    scalarization of the scores, each relative to the range seen), so the climbs spread along the front.

    Args:
        space: a `Space`, or anything that `Space()` takes.
        objectives: one objective or several.
        starts: the number of architectures that a climb begins with; it goes on from the best of them.
        limits: the bounds that a trial must respect to be feasible.
        seed: the only source of randomness.
        repeats: whether proposals may repeat networks that have been told or are in flight.

    Raises:
        ControllerError: `starts` is no integer of at least 1.
    """

    @checked(ControllerError)
    def __init__(
        self,
        space: Any,
        objectives: Objective | Sequence[Objective],
        *,
        starts: Count = 3,
        limits: Limit | Sequence[Limit] = (),
        seed: int = 0,
        repeats: bool = False,
    ) -> None:
        super().__init__(space, objectives, limits=limits, seed=seed, repeats=repeats)
        self.starts = starts
        self._holes = self.space.holes()
        self._known: dict[str, Outcome] = {}
        self._ranges: list[tuple[float, float]] = []  # of each objective, over feasible trials
        self._climbs: list[_Climb] = []  # those with something to ask
        self._tops: list[tuple[Architecture, Outcome]] = []
        self._begun = 0
        self._latest = self._begin()
        self._owners: dict[int, _Climb] = {}  # by the number of a proposal in flight

    def _propose(self) -> Draft:
        while True:
            climb = max(self._climbs, key=self._merit_of) if self._climbs else self._begin()
            draft = self._next(climb)
            if draft is not None:
                # under the number that it will have, so that being asked again after a repeat changes nothing
                if draft.origin != "neighbour":
                    climb.begun.add(self.num_asked)
                self._owners[self.num_asked] = climb
                return draft
            self._climbs.remove(climb)
            if climb.center is not None and climb.outcome is not None:
                self._tops.append((climb.center, climb.outcome))

    def _learn(self, proposal: Proposal, outcome: Outcome) -> None:
        climb = self._owners.pop(proposal.number, None) if self._is_own(proposal) else None
        if climb is None:
            climb = self._latest
            if self._starting(climb):
                climb.begun.add(-self.num_told)
        if outcome.failed:
            return
        self._known[proposal.architecture.id] = outcome
        if outcome.feasible:
            pairs = self._ranges or [(score, score) for score in outcome.scores]
            self._ranges = [
                (min(low, score), max(high, score))
                for (low, high), score in zip(pairs, outcome.scores, strict=True)
            ]
        self._consider(climb, proposal.architecture, outcome)

    def _starting(self, climb: "_Climb") -> bool:
        return len(climb.begun) - (self.num_asked in climb.begun) < self.starts

    def _is_own(self, proposal: Proposal) -> bool:
        return proposal.number in self._owners and proposal.number not in self._in_flight

    def _begin(self) -> "_Climb":
        """Begins a new climb, at random or near the best top."""
        climb = _Climb([-math.log(1.0 - self.rng.random()) for _ in self.objectives])
        if self._begun % 2 and self._tops:
            climb.near = max(self._tops, key=lambda top: self._merit(top[1], climb))[0]
        self._begun += 1
        self._latest = climb
        self._climbs.append(climb)
        return climb

    def _next(self, climb: "_Climb") -> Draft | None:
        """Returns what a climb would try next; None if it has to wait or is at its top."""
        if self._starting(climb):
            if climb.near is None:
                return self._draw()
            return Draft(_perturbed(self.space, climb.near, self.rng), (climb.near.id,), "perturbation")
        while climb.moves:
            path, value = climb.moves.pop()
            center = climb.center
            assert center is not None
            neighbour = _neighbour(self.space, center, path, value, self.rng)
            if not self._guard.tried(neighbour.id):
                return Draft(neighbour, (center.id,), "neighbour")
            if neighbour.id in self._known:  # from another climb
                self._consider(climb, neighbour, self._known[neighbour.id])
        return None

    def _consider(self, climb: "_Climb", architecture: Architecture, outcome: Outcome) -> None:
        """Goes there if it is better than where the climb is."""
        best = climb.outcome
        if best is not None and self._merit(outcome, climb) <= self._merit(best, climb):
            return
        climb.center, climb.outcome = architecture, outcome
        climb.moves = _moves(architecture, self._holes, self.rng)
        if climb not in self._climbs:
            self._climbs.append(climb)

    def _merit_of(self, climb: "_Climb") -> Merit:
        return (0, 0.0) if climb.outcome is None else self._merit(climb.outcome, climb)

    def _merit(self, outcome: Outcome, climb: "_Climb") -> Merit:
        if len(self.objectives) == 1 or not outcome.feasible:
            return ranking.key(outcome)
        # Chebyshev's scalarization, augmented by a small share of the sum as is usual, against ties
        lacks = [
            weight * (high - score) / ((high - low) or 1.0)
            for weight, score, (low, high) in zip(climb.weights, outcome.scores, self._ranges, strict=True)
        ]
        return (2, -max(lacks) - 0.05 * sum(lacks))


class _Climb:
    """Where a climb stands, and what is left to try around there."""

    def __init__(self, weights: list[float]) -> None:
        self.weights = weights
        self.near: Architecture | None = None  # where it starts, if not at random
        # numbers of what it starts from; those of results from elsewhere are below 0
        self.begun: set[int] = set()
        self.center: Architecture | None = None
        self.outcome: Outcome | None = None
        self.moves: list[tuple[str, Value]] = []


def _moves(center: Architecture, holes: dict[str, Hole], rng: Rng) -> list[tuple[str, Value]]:
    """Returns every change of one decision, shuffled."""
    moves = [
        (path, value)
        for path, decided in center.decisions.items()
        if path in holes and holes[path].contains(decided)
        for value in _others(holes[path], decided)
    ]
    for i in range(len(moves) - 1, 0, -1):
        j = int(rng.random() * (i + 1))
        moves[i], moves[j] = moves[j], moves[i]
    return moves


def _others(hole: Hole, value: Value) -> list[Value]:
    """Returns the values next to one, without it."""
    if not hole.ordered:
        return [other for other in hole.values or () if other != value]
    here = hole.to_unit(value)
    units = [min(max(here + sign * step, 0.0), 1.0) for step in STEPS for sign in (-1.0, 1.0)]
    near = [hole.from_unit(unit) for unit in units if abs(unit - here) > 1e-6]
    if isinstance(hole, Integer):
        at = hole.coerce(value)
        near += [other for other in (at - hole.step, at + hole.step) if hole.contains(other)]
    return [other for other in dict.fromkeys(near) if other != value]


def _neighbour(space: Space, center: Architecture, path: str, value: Value, rng: Rng) -> Architecture:
    decisions = {**center.decisions, path: value}

    def pick(path: str, hole: Hole) -> Value:
        kept = path in decisions and hole.contains(decisions[path])
        return decisions[path] if kept else hole.sample(rng)

    return space.fill(pick)


def _perturbed(space: Space, top: Architecture, rng: Rng) -> Architecture:
    decisions = top.decisions

    def pick(path: str, hole: Hole) -> Value:
        kept = path in decisions and hole.contains(decisions[path]) and rng.random() >= PERTURBED
        return decisions[path] if kept else hole.sample(rng)

    return space.fill(pick)
