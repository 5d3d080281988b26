"""When a hole is active, told from the decisions around it, without filling the space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from search_spaces.holes import Choice, Hole
from search_spaces.nodes import Repeat, children, join, place_of, unwrapped
from search_spaces.space import Space


@dataclass(frozen=True, eq=False)
class Condition:
    """The condition that a hole has one of certain values.

    Attributes:
        path: the path of the hole.
        positions: the positions of these values among all of the hole's.
        outer: the condition that must be met, too, where this one stands; None if there is no other.
    """

    path: str
    positions: Sequence[int]
    outer: Condition | None


def occurrences(space: Space) -> Iterator[tuple[str, Condition | None]]:
    """Yields every place of every hole: the hole's path, and the condition under which it is active there.

    A hole with a name may stand in several places: it is active if it is so in one of them. None is for a
    place that is always there.
    """
    yield from _walk(space.value, "", None)


def _walk(node: Any, path: str, outer: Condition | None) -> Iterator[tuple[str, Condition | None]]:
    node = unwrapped(node)
    if isinstance(node, Hole):
        path = place_of(node, path)
        yield path, outer
    for number, (step, child) in enumerate(children(node)):
        inner = outer
        if isinstance(node, Choice):
            inner = Condition(path, (number,), outer)
        elif isinstance(node, Repeat) and isinstance(node.times, Hole) and number > 0:
            enough = [i for i, times in enumerate(node.times.values or ()) if int(times) >= number]  # type: ignore[arg-type]
            inner = Condition(place_of(node.times, join(path, "times")), enough, outer)
        yield from _walk(child, join(path, step), inner)
