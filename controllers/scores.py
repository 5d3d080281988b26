"""Scores of networks that nobody has trained: what controllers may spend on them, and whom they speak for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from controllers.objectives import Limit
from search_spaces import Architecture
from search_spaces.errors import ControllerError
from search_spaces.holes import is_number

SHARE = 0.05
"""The share of an evaluation that may be spent on scores before each proposal."""

DRAWS = 16
"""The number of draws, at the most, of which the one is proposed that scores speak for."""

FEWEST = 2
"""The number of networks of which scores can choose one, at least."""

REMEMBERED = 20_000
"""The number of networks whose scores are remembered."""

Scores = tuple[float, ...]


class ScoreFunction(Protocol):
    """Scores networks without training them: always the same ones for the same network; more is better."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the scores; one that is a cost (``num_params``) has the name of its metric."""

    @property
    def price(self) -> float:
        """What the scores of one network cost, all together, in evaluations."""

    def __call__(self, architecture: Architecture) -> Sequence[float]:
        """Returns the scores, one for each name; NaN where the network has none."""


def checked_function(function: ScoreFunction) -> ScoreFunction:
    """Returns a function that scores networks, if it is one.

    Raises:
        ControllerError: it is none.
    """
    names, price = getattr(function, "names", None), getattr(function, "price", None)
    if not callable(function) or names is None or price is None:
        raise ControllerError(
            f"scores: expected a function of an architecture with `names` and a `price`, got {function!r:.80}"
        )
    if not is_number(price) or not 0.0 <= price < math.inf:
        raise ControllerError(f"scores: price: expected evaluations from 0, got {price!r:.80}")
    if not names or not all(isinstance(name, str) for name in names):
        raise ControllerError(f"scores: names: expected the names of some scores, got {names!r:.80}")
    return function


class Hints:
    """Scores networks for a controller within `SHARE` of what its evaluations cost.

    It earns with each proposal and spends on each network that it has not scored yet. What it has not spent
    it keeps. So it comes to the same place wherever the calls of a controller are repeated: no clock, no
    budget of a search.

    Args:
        function: the function that scores networks.
        limits: the limits of the controller, of which those on scores are known by them.

    Attributes:
        function: the function that scores networks.
        num_scored: the number of networks that were scored.
    """

    def __init__(self, function: ScoreFunction, limits: Sequence[Limit] = ()) -> None:
        self.function = function
        self.num_scored = 0
        self._num_earned = 0
        self._limits = [
            (function.names.index(limit.metric), limit) for limit in limits if limit.metric in function.names
        ]
        self._known: dict[str, Scores] = {}

    @property
    def spent(self) -> float:
        """What was spent so far, in evaluations."""
        return self.num_scored * self.function.price

    @property
    def affordable(self) -> int:
        """The number of networks that may be scored now; a large one where that is free."""
        if self.function.price <= 0.0:
            return REMEMBERED
        # rounded down, but not for the rounding of floats
        return math.floor(self._num_earned * SHARE / self.function.price + 1e-9) - self.num_scored

    def earn(self) -> None:
        """Takes in that one more network is proposed."""
        self._num_earned += 1

    def scores(self, architecture: Architecture) -> Scores:
        """Returns the scores of a network; a new one is paid for, whatever there is."""
        key = architecture.id
        found = self._known.get(key)
        if found is None:
            if len(self._known) == REMEMBERED:
                self._known.clear()
            found = tuple(map(float, self.function(architecture)))
            if len(found) != len(self.function.names):
                raise ControllerError(
                    f"scores: expected {len(self.function.names)} scores ({', '.join(self.function.names)}), "
                    f"got {len(found)}"
                )
            self._known[key] = found
            self.num_scored += 1
        return found

    def best(self, draws: Sequence[Architecture]) -> Architecture:
        """Returns the network that the scores speak for most, all of them together.

        That is the largest sum of the logarithms of its ranks among these, in each score: one that is last in
        one score loses more than one gains that is first in another (Lee and Ham, AZ-NAS: Assembling
        Zero-Cost Proxies for Network Architecture Search, 2024). What breaks a limit on a score comes last.
        """
        rows = [self.scores(one) for one in draws]
        columns = [_ranks(column) for column in zip(*rows, strict=True)]
        merits = [sum(map(math.log, ranks)) for ranks in zip(*columns, strict=True)]
        broken = [
            sum(limit.violation(row[place]) for place, limit in self._limits if not math.isnan(row[place]))
            for row in rows
        ]
        return draws[max(range(len(draws)), key=lambda i: (-broken[i], merits[i], -i))]


def _ranks(values: Sequence[float]) -> list[float]:
    """Returns the ranks of values from 1, the mean one of equal values, and in the middle without a value."""
    there = sorted(value for value in values if not math.isnan(value))
    found = []
    for value in values:
        if math.isnan(value):
            found.append(max(1.0, (1 + len(there)) / 2))
        else:
            below = sum(other < value for other in there)
            same = sum(other == value for other in there)
            found.append(below + (1 + same) / 2)
    return found
