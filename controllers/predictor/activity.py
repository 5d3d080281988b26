"""Which genes of many genomes are active, all at once."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from search_spaces import Space
from search_spaces.conditions import Condition, occurrences

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

ALWAYS = 0  # the condition that is always met


class Activity:
    """Tells active genes from the positions of the values that the genes stand for.

    Args:
        space: the space of the genomes.
        genes: the gene that stands for the hole at a path; holes with a single value need none.

    Attributes:
        deciding: the genes that decide whether others are active, ascending.
    """

    def __init__(self, space: Space, genes: Mapping[str, int]) -> None:
        self._sizes = {path: hole.num_values or 0 for path, hole in space.holes().items()}
        self._genes = genes
        self._numbers: dict[tuple[int, int, tuple[int, ...]], int] = {}
        self._conditions: list[tuple[int, int, Booleans]] = []
        places: set[tuple[int, int]] = set()
        for path, condition in occurrences(space):
            number = self._number(condition)
            if path in genes:
                places.add((genes[path], number))
        ordered = np.array(sorted(places), dtype=np.int64).reshape(-1, 2)
        self._where = ordered[:, 1]
        self._starts = np.searchsorted(ordered[:, 0], np.arange(len(genes)))
        self.deciding = sorted({gene for _, gene, _ in self._conditions})

    def __call__(self, positions: Mapping[int, Integers], count: int) -> Booleans:
        """Returns which genes of some genomes are active, shape (count, genes).

        Args:
            positions: the positions of the values of each deciding gene, shape (count,); what the inactive
                among them say does not matter.
            count: the number of genomes.
        """
        met = np.ones((len(self._conditions) + 1, count), dtype=bool)
        for number, (outer, gene, meeting) in enumerate(self._conditions, start=1):
            np.logical_and(met[outer], meeting[positions[gene]], out=met[number])
        if not len(self._where):  # nothing to decide
            return np.ones((count, 0), dtype=bool)
        return np.asarray(np.logical_or.reduceat(met[self._where], self._starts, axis=0).T)

    def _number(self, condition: Condition | None) -> int:
        """Returns the number of a condition; outer ones have lower numbers."""
        if condition is None:
            return ALWAYS
        outer = self._number(condition.outer)
        gene = self._genes.get(condition.path)
        if gene is None:  # its only value is the one asked for
            return outer
        key = (outer, gene, tuple(condition.positions))
        if key not in self._numbers:
            meeting = np.zeros(self._sizes[condition.path], dtype=bool)
            meeting[list(condition.positions)] = True
            self._conditions.append((outer, gene, meeting))
            self._numbers[key] = len(self._conditions)
        return self._numbers[key]
