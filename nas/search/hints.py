"""Hints: the scores of networks that nobody has trained, as a search hands them to its controller."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.description import Description
from search_spaces.architecture import Architecture
from search_spaces.errors import SearchError
from workers.tabular import Table
from workers.zero_cost import catalog, metrics

if TYPE_CHECKING:
    from workers.problems import Problem

COUNTS = ("num_params", "num_macs")
"""The scores that a dry run tells, without a network or data."""

NONE = "none"
"""The word for no hints."""


@dataclass(frozen=True)
class NetworkScores:
    """Scores networks for a controller (`controllers.scores.ScoreFunction`).

    They depend on the network and the seed alone, so that a search that goes on finds the same ones again.

    Attributes:
        problem: the problem that the networks are to serve.
        names: the names of the scores; of scores of several parts those of the parts.
        price: what the scores of one network cost, in evaluations.
        seed: the seed of weights and batches.
    """

    problem: Problem
    names: tuple[str, ...]
    price: float = 0.0
    seed: int = 0

    @staticmethod
    def of(problem: Problem | Table, description: Description) -> NetworkScores | None:
        """Returns the scores that a search hands to its controller; None: none."""
        if isinstance(problem, Table) or not description.hints:
            return None
        return NetworkScores(problem, description.hints, seed=description.seed)

    def __call__(self, architecture: Architecture) -> tuple[float, ...]:
        """Returns the scores, one for each name; NaN where the network has none."""
        found: dict[str, float] = {}
        for name in dict.fromkeys(full.partition(".")[0] for full in self.names):
            try:
                found |= self._score(architecture, name)
            except Exception:  # it cannot be built or has no such score; a user's module may raise anything
                continue
        return tuple(found.get(name, math.nan) for name in self.names)

    def _score(self, architecture: Architecture, name: str) -> dict[str, float]:
        if name not in COUNTS:
            from workers.zero_cost.scoring import score  # torch

            return score(architecture, self.problem, [name], seed=self.seed)
        return architecture.cost(self.problem.signature).to_dict()


def hints_of(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of scores, those of the parts in place of a score of several parts.

    Raises:
        UnknownNameError: there is no score of that name.
        SearchError: the word for none is among others.
    """
    if NONE in names:
        if len(names) > 1:
            raise SearchError(f"hints: {NONE!r} stands alone, got {', '.join(names)}")
        return ()
    found: list[str] = []
    for name in names:
        catalog.find(name.partition(".")[0])
        found += [full for full in metrics() if name in (full, full.partition(".")[0])]
    return tuple(dict.fromkeys(found))
