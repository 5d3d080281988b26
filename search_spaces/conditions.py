"""When a hole is active, told from the decisions around it, without filling the space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from search_spaces.holes import Choice, Hole
from search_spaces.nodes import Repeat, Wrapper, children, join
from search_spaces.space import ROOT, Space


@dataclass(frozen=True, eq=False)
class Condition:
    """That a hole has one of certain values.

    Attributes:
        path: the hole's.
        positions: of these values among all of the hole's.
        outer: the condition that must be met, too, where this one stands; None if there is no other.
    """

    path: str
    positions: Sequence[int]
    outer: Condition | None


def occurrences(space: Space) -> Iterator[tuple[str, Condition | None]]:
    """Every place of every hole: the hole's path, and the condition under which it is active there.

    A hole with a name may stand in several places: it is active if it is so in one of them. None is for a
    place that is always there.
    """
    yield from _walk(space.value, "", None)


def _walk(node: Any, path: str, outer: Condition | None) -> Iterator[tuple[str, Condition | None]]:
    if isinstance(node, Hole):
        path = node.name or path or ROOT
        yield path, outer
        if isinstance(node, Choice):
            for position, (label, option) in enumerate(zip(node.labels, node.options, strict=True)):
                yield from _walk(option, f"{path}.{label}", Condition(path, (position,), outer))
    elif isinstance(node, Repeat):
        times, at = node.times, join(path, "times")
        yield from _walk(times, at, outer)
        for copy in range(node.most):
            inner = outer
            if isinstance(times, Hole):
                more = [place for place, value in enumerate(times.values or ()) if int(value) > copy]  # type: ignore[arg-type]
                inner = Condition(times.name or at, more, outer)
            yield from _walk(node.block, join(path, copy), inner)
    elif isinstance(node, Wrapper):
        yield from _walk(node.value, path, outer)
    else:
        for step, child in children(node):
            yield from _walk(child, join(path, step), outer)
