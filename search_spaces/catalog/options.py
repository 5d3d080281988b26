"""What the catalog's functions make of the options they are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search_spaces.errors import SpaceError
from search_spaces.holes import Hole, choice, plain
from search_spaces.ranges import integer


def one_of(name: str, options: Any) -> Any:
    """A choice among ``options``; of one option, that; a plain value or a hole of the caller's is itself.

    Raises:
        SpaceError: no options.
    """
    if isinstance(options, Hole) or not isinstance(options, Sequence) or isinstance(options, str):
        return options
    if not options:
        raise SpaceError(f"{name}: expected at least one option, got none")
    return options[0] if len(options) == 1 else choice(*options)


def of_kind(name: str, kinds: Sequence[str], known: Mapping[str, Any]) -> Any:
    """A choice among those of ``known`` that ``kinds`` names; of one kind, that.

    Raises:
        SpaceError: no kinds, or one that is not known.
    """
    if isinstance(kinds, str) or not isinstance(kinds, Sequence):
        raise SpaceError(f"{name}: expected a list of kinds from {', '.join(known)}, got {kinds!r:.80}")
    for kind in kinds:
        if not isinstance(kind, str) or kind not in known:
            raise SpaceError(f"{name}: expected kinds from {', '.join(known)}, got {kind!r}")
    if not kinds:
        raise SpaceError(f"{name}: expected at least one option, got none")
    return known[kinds[0]] if len(kinds) == 1 else choice(**{kind: known[kind] for kind in kinds})


def up_to(name: str, most: Any, low: int = 1) -> Any:
    """A whole number from ``low`` to ``most``; a hole of the caller's is itself.

    Raises:
        SpaceError: no whole number, or one below ``low``.
    """
    most = plain(most)
    if isinstance(most, Hole):
        return most
    if not isinstance(most, int) or isinstance(most, bool) or most < low:
        raise SpaceError(f"{name}: expected a whole number >= {low}, got {most!r}")
    return most if most == low else integer(low, most)
