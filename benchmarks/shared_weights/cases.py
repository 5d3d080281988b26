"""The cells that are compared, and the problems that they are trained on."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

from search_spaces import Architecture, Space
from search_spaces.catalog import cell
from workers import problems
from workers.problems.problem import Problem

RECIPE = {"schedule": "wsd", "epochs": 12}
"""How every cell is trained alone, and the bank but for its epochs."""

PROBLEMS: dict[str, Callable[[], Problem]] = {
    "characters": lambda: problems.load("omniglot", inputs=["image"], tasks=["character"]),
    "pairs": lambda: problems.load("digit_pairs", tasks=["left", "right"]),
}


@cache
def problem(name: str) -> Problem:
    """A problem, loaded once."""
    return PROBLEMS[name]()


@cache
def space() -> Space:
    """The 15,625 cells of NAS-Bench-201, at 8 channels, one cell in each stage."""
    return Space({"model": cell(channels=8, cells=1).value, "recipe": RECIPE})


def cells(count: int) -> list[Architecture]:
    """So many different cells, drawn at random; more of them begin with the same ones."""
    rng, found = random.Random(0), dict[str, Architecture]()
    while len(found) < count:
        one = space().sample(rng)
        found.setdefault(one.id, one)
    return list(found.values())
