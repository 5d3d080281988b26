"""How many ways there are to fill a finite space, exactly and without listing them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from search_spaces.bounds import MOST
from search_spaces.holes import Choice, Hole, Value
from search_spaces.nodes import Repeat, children, unwrapped


def count(root: Any) -> int | float:
    """Returns the number of ways to fill ``root``, which has no `real` in it; ``math.inf`` beyond the bound.

    Names that stand in several places, and say how often others are repeated, multiply the cases to be told
    apart; `search_spaces.bounds` has the bound on these.
    """
    try:
        return sum(_Counting(root).count(root, frozenset()).values())
    except _TooManyCases:
        return math.inf


class _TooManyCases(Exception):  # noqa: N818 - no error: counting goes no further
    """More cases than the bound."""


_Known = frozenset[tuple[str, Value]]
"""The shared holes already decided, each with its value where that matters elsewhere (else None)."""

_Ways = dict[_Known, int]
"""Numbers of ways to fill a part, by what is known afterwards."""


class _Counting:
    """Counts the ways to fill a space: sums over options, products over parts, names counted once.

    Only names that stand in more than one place need be remembered on the way, and their values only where
    they say how often something is repeated.
    """

    def __init__(self, root: Any) -> None:
        places: Counter[str] = Counter()
        lengths: set[str] = set()
        _survey(root, 1, places, lengths)
        self.shared = {name for name, n in places.items() if n > 1}
        self.lengths = lengths
        self.memory: dict[tuple[int, _Known], _Ways] = {}
        self.left = MOST.states

    def count(self, node: Any, known: _Known) -> _Ways:
        key = (id(node), known)
        if key not in self.memory:
            self.memory[key] = self._count(node, known)
        return self.memory[key]

    def _count(self, node: Any, known: _Known) -> _Ways:
        node = unwrapped(node)
        if isinstance(node, Hole):
            return self._count_hole(node, known)
        if isinstance(node, Repeat):
            if isinstance(node.times, int):
                return self._count_repeats(node.block, node.times, known)[-1]
            answers = [(int(times), after) for times, after in self._answers(node.times, known)]  # type: ignore
            ways: dict[_Known, list[_Ways]] = {
                after: self._count_repeats(node.block, max(n for n, a in answers if a == after), after)
                for _, after in answers
            }
            return _merged(ways[after][times] for times, after in answers)
        ways_of_all: _Ways = {known: 1}
        for _, part in children(node):
            ways_of_all = self._then(ways_of_all, part)
        return ways_of_all

    def _count_hole(self, hole: Hole, known: _Known) -> _Ways:
        if any(name == hole.name for name, _ in known):
            return {known: 1}  # decided where it stood before, with all that it made active
        if isinstance(hole, Choice):
            answers = self._answers(hole, known)
            return _merged(self.count(hole.options[hole.position(value)], after) for value, after in answers)
        if hole.name in self.lengths and hole.name in self.shared:
            return {after: 1 for _, after in self._answers(hole, known)}
        after = known | {(str(hole.name), None)} if hole.name in self.shared else known
        return {after: hole.num_values or 0}

    def _answers(self, hole: Hole, known: _Known) -> Iterator[tuple[Value, _Known]]:
        """The values still possible for a hole, each with what is known once it is taken."""
        before = [value for name, value in known if name == hole.name]
        for value in before or hole.values or ():
            if hole.name in self.shared and not before:
                yield value, known | {(str(hole.name), value if hole.name in self.lengths else None)}
            else:
                yield value, known

    def _count_repeats(self, block: Any, most: int, known: _Known) -> list[_Ways]:
        """The ways to fill ``block`` 0, 1, ... ``most`` times over."""
        ways: list[_Ways] = [{known: 1}]
        for _ in range(most):
            ways.append(self._then(ways[-1], block))
        return ways

    def _then(self, ways: _Ways, part: Any) -> _Ways:
        """The ways to fill what ``ways`` are of and ``part`` after it."""
        self.left -= len(ways)
        if self.left < 0:
            raise _TooManyCases
        return _merged(
            {after: n * m for after, m in self.count(part, before).items()} for before, n in ways.items()
        )


def _survey(node: Any, times: int, places: Counter[str], lengths: set[str]) -> None:
    """Notes in how many places each name stands, and which names say how often something is repeated."""
    node = unwrapped(node)
    if isinstance(node, Repeat):  # its copies are alike: two of them tell as much as all
        if isinstance(node.times, Hole):
            _survey(node.times, times, places, lengths)
            if node.times.name is not None:
                lengths.add(node.times.name)
        _survey(node.block, times * min(2, node.most), places, lengths)
        return
    if isinstance(node, Hole) and node.name is not None:
        places[node.name] += times
    for _, child in children(node):
        _survey(child, times, places, lengths)


def _merged(counts: Iterable[_Ways]) -> _Ways:
    merged: _Ways = {}
    for count in counts:
        for known, n in count.items():
            merged[known] = merged.get(known, 0) + n
    return merged
