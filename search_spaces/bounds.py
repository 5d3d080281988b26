"""How large what is described may be, so that no slip and no stranger's text fills a memory or takes hours.

Every bound is far above what searches use, and each can be moved by an environment variable, which is read
once, when this package is imported: ``NAS_MOST_PARTS=1000000`` for `Bounds.parts`, and so on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import Annotated

from search_spaces.arguments import AtMost, Count, check_fields
from search_spaces.errors import SpaceError

VARIABLE = "NAS_MOST_"
"""What the name of each environment variable begins with; the name of the bound in capitals follows."""


@dataclass(frozen=True)
class Bounds:
    """The largest sizes.

    Attributes:
        parts: the nodes of a space (layers, holes, their options and arguments, plain values); every copy of
            a `repeat` counts.
        depth: the levels of a space, one within the other.
        options: the options of a choice.
        times: the copies of a `repeat`.
        characters: the characters of the JSON of a space or an architecture.
        states: the cases that are told apart while the ways to fill a space are counted.
        modules: the modules and parameters of a network, each tensor counted as one.
        epochs: the epochs of a training.

    Raises:
        SpaceError: a bound that is no whole number of at least 1.
    """

    parts: Count = 50_000
    depth: Count = 200
    options: Count = 10_000
    times: Count = 10_000
    characters: Count = 10_000_000
    states: Count = 100_000
    modules: Count = 10_000
    epochs: Count = 1_000_000

    def __post_init__(self) -> None:
        check_fields(self, lambda wrong: SpaceError(f"bounds: {wrong}"))

    @staticmethod
    def from_environment() -> Bounds:
        """Returns the bounds that the environment names, the others at their defaults.

        Raises:
            SpaceError: a variable that holds no whole number of at least 1.
        """
        given = {}
        for one in fields(Bounds):
            text = os.environ.get(variable(one.name))
            if text:
                if not text.isascii() or not text.isdigit() or not 0 < len(text) <= 18:
                    raise SpaceError(
                        f"{variable(one.name)}: expected a whole number of at least 1, got {text!r:.80}"
                    )
                given[one.name] = int(text)
        return Bounds(**given)


def variable(name: str) -> str:
    """Returns the environment variable that moves a bound."""
    return VARIABLE + name.upper()


def beyond(name: str, what: str) -> str:
    """Returns what is said where a bound is passed.

    Args:
        name: the name of the bound.
        what: what passes it, in words.
    """
    return f"{what}: more than {getattr(MOST, name):,} {name} (the bound; {variable(name)} moves it)"


MOST = Bounds.from_environment()
"""The bounds of this process."""

Epochs = Annotated[Count, AtMost(MOST.epochs)]
"""The epochs of a training, within the bound."""
