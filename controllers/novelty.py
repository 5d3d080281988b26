"""Finding a network that has not been tried: no training is spent twice on the same one."""

import math
import random
from collections.abc import Iterator
from typing import Any

from controllers.moves import Moves
from search_spaces import Architecture, Space

WALK_STEPS = 40
RANDOM_SAMPLES = 40
SMALL_SPACE = 100_000  # spaces up to this many decision sets are searched to the last one
CURSOR_STEPS = 1_000  # in larger ones, how many decision sets a single look-up may pass over


class NoveltyGuard:
    """Remembers the ids of all networks told or in flight, and finds others.

    An id stands for every decision set that makes the same network, so a space may run out of networks long
    before it runs out of decision sets. Work per look-up does not grow with the number of ids remembered.
    """

    def __init__(self, space: Space, moves: Moves, rng: random.Random) -> None:
        self._space = space
        self._moves = moves
        self._rng = rng
        self._tried: set[str] = set()
        self._size: float | None = None
        self._cursor: Iterator[Architecture] | None = None
        self._next: Architecture | None = None
        self._ended = False

    def __getstate__(self) -> dict[str, Any]:
        # an enumeration half way cannot be copied; a new one passes over what is tried and finds the same
        return {**self.__dict__, "_cursor": None, "_next": None}

    def note(self, architecture_id: str) -> None:
        """Counts this id as tried (told or in flight)."""
        self._tried.add(architecture_id)

    def forget(self, architecture_id: str) -> None:
        """Counts this id as untried again."""
        self._tried.discard(architecture_id)
        # the cursor may have passed it; everything else it passed is tried, so it catches up quickly
        self._cursor, self._next, self._ended = None, None, False

    def tried(self, architecture_id: str) -> bool:
        """Returns whether this id has been told or is in flight."""
        return architecture_id in self._tried

    @property
    def exhausted(self) -> bool:
        """Whether every network of the space is known to be tried (spaces with a `real` hole never are)."""
        return self._peek() is None and self._ended

    def near(self, repeat: Architecture) -> tuple[Architecture, str] | None:
        """Returns an untried architecture and how it was found, or None when none could be found.

        Tried in turn: a random walk by mutation away from `repeat` (likely to stay close to what the
        algorithm wanted), random samples, and for finite spaces the enumeration, which misses none.
        """
        current = repeat
        for _ in range(WALK_STEPS):
            current = self._moves.mutate(current, self._rng)
            if current.id not in self._tried:
                return current, "walk"
        for _ in range(RANDOM_SAMPLES):
            current = self._space.sample(self._rng)
            if current.id not in self._tried:
                return current, "random"
        found = self._peek()
        return None if found is None else (found, "enumeration")

    def _peek(self) -> Architecture | None:
        """Returns the first untried architecture in the order of enumeration.

        Ids are only ever added, so the cursor never has to go back: all look-ups together pass over each
        decision set once.
        """
        if self._next is not None and self._next.id not in self._tried:
            return self._next
        self._next = None
        if self._ended:
            return None
        if self._size is None:
            self._size = self._space.size()
        if math.isinf(self._size):
            return None
        if self._cursor is None:
            self._cursor = self._space.enumerate()
        for steps, architecture in enumerate(self._cursor, start=1):
            if architecture.id not in self._tried:
                self._next = architecture
                return architecture
            if steps >= CURSOR_STEPS and self._size > SMALL_SPACE:
                return None
        self._ended = True
        return None
