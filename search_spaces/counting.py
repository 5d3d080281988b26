"""How many ways there are to fill a finite space, exactly and without listing them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from search_spaces.holes import Choice, Hole, Value
from search_spaces.nodes import Repeat, Wrapper, children


def count(root: Any) -> int:
    """The number of ways to fill ``root``, which has no `real` in it."""
    return sum(_Counting(root).count(root, frozenset()).values())


_Known = frozenset[tuple[str, Value]]
"""The named holes already decided, each with its value where a repeat depends on it (else None)."""

_Ways = dict[_Known, int]
"""Numbers of ways to fill a part, by what is known afterwards."""


class _Counting:
    """Counts the ways to fill a space: sums over options, products over parts, names counted once."""

    def __init__(self, root: Any) -> None:
        self.lengths = {hole.name for hole in _lengths(root) if hole.name is not None}

    def count(self, node: Any, known: _Known) -> _Ways:
        if isinstance(node, Hole):
            answers = self._answers(node, known)
            return _merged(self._count_value(node, value, after) for value, after in answers)
        if isinstance(node, Wrapper):
            return self.count(node.value, known)
        if isinstance(node, Repeat):
            if isinstance(node.times, int):
                return self._count_all([node.block] * node.times, known)
            return _merged(
                self._count_all([node.block] * int(times), after)  # type: ignore[arg-type]
                for times, after in self._answers(node.times, known)
            )
        return self._count_all((child for _, child in children(node)), known)

    def _answers(self, hole: Hole, known: _Known) -> Iterator[tuple[Value, _Known]]:
        """The values still possible for a hole, each with what is known once it is taken."""
        for value in hole.values or ():
            if hole.name is None:
                yield value, known
                continue
            fact = (hole.name, value if hole.name in self.lengths else None)
            before = [v for name, v in known if name == hole.name]
            if not before:
                yield value, known | {fact}
            elif before == [fact[1]]:
                yield value, known
                if fact[1] is None:
                    return  # decided before: one way, whichever value it was

    def _count_value(self, hole: Hole, value: Value, known: _Known) -> _Ways:
        if isinstance(hole, Choice):
            return self.count(hole.options[hole.position(value)], known)
        return {known: 1}

    def _count_all(self, nodes: Iterable[Any], known: _Known) -> _Ways:
        ways: _Ways = {known: 1}
        for node in nodes:
            ways = _merged(
                {after: n * m for after, m in self.count(node, before).items()} for before, n in ways.items()
            )
        return ways


def _lengths(node: Any) -> Iterator[Hole]:
    """Every hole that says how often a repeat repeats."""
    if isinstance(node, Choice):
        for option in node.options:
            yield from _lengths(option)
    elif isinstance(node, Wrapper):
        yield from _lengths(node.value)
    elif isinstance(node, Repeat):
        if isinstance(node.times, Hole):
            yield node.times
        yield from _lengths(node.block)
    else:
        for _, child in children(node):
            yield from _lengths(child)


def _merged(counts: Iterable[_Ways]) -> _Ways:
    merged: _Ways = {}
    for count in counts:
        for known, n in count.items():
            merged[known] = merged.get(known, 0) + n
    return merged
