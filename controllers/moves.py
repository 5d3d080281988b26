"""Steps from one architecture to another: mutation and crossover, as two ways to fill a space."""

import random

from search_spaces import Architecture, Space
from search_spaces.holes import Hole, Value


class Moves:
    """Mutation and crossover in one space.

    Both also take parents from another, overlapping space: decisions that this space does not know are
    dropped, and those that it lacks are sampled.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        # a hole with a single value cannot be mutated, so it is never worth a try
        self._open = frozenset(path for path, hole in space.holes().items() if hole.num_values != 1)

    def mutate(self, parent: Architecture, rng: random.Random) -> Architecture:
        """Returns the parent with one active decision, drawn uniformly, moved to another value.

        Decisions that become active by it are sampled, all others are kept.
        """
        decisions = dict(parent.decisions)
        candidates = [path for path in decisions if path in self._open]
        target = candidates[int(rng.random() * len(candidates))] if candidates else None

        def pick(path: str, hole: Hole) -> Value:
            if path in decisions:
                value = decisions[path]
                if hole.contains(value):
                    return hole.mutate(value, rng) if path == target else value
            return hole.sample(rng)

        return self._space.fill(pick)

    def cross(self, first: Architecture, second: Architecture, rng: random.Random) -> Architecture:
        """Returns a uniform crossover: decisions that both parents made come from either, equally likely.

        A decision that only one of them made is inherited from that one.
        """
        ours, theirs = dict(first.decisions), dict(second.decisions)

        def pick(path: str, hole: Hole) -> Value:
            inherited = [
                parent[path] for parent in (ours, theirs) if path in parent and hole.contains(parent[path])
            ]
            if not inherited:
                return hole.sample(rng)
            return inherited[int(rng.random() * len(inherited))]

        return self._space.fill(pick)
