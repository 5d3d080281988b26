"""A bounded memory of results to learn from: the best, the latest and a random sample of the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controllers import ranking
from controllers.curves import END, Forecast
from controllers.records import Outcome

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """A genome and how it did.

    Attributes:
        genome: the genome of the network.
        outcome: how it did; of a trial that has paused, with the scores that are expected.
        forecasts: the forecasts of those, of each objective; empty for a trial that is over.
    """

    genome: Floats
    outcome: Outcome
    forecasts: tuple[Forecast, ...] = ()

    def forecast(self, objective: int) -> Forecast:
        """Returns what is known of the score of an objective at the end, by the objective's number."""
        if self.forecasts:
            return self.forecasts[objective]
        return Forecast(self.outcome.scores[objective], 0.0, END)


class Archive:
    """Keeps between `size` and 5/4 `size` results, so that learning from them takes the same time for ever.

    Half of what is kept when it overflows are the best results, a quarter the latest others, and a quarter a
    random sample of those that remain.

    Args:
        size: the number of results that are kept at least.
        rng: the generator with which results are chosen.

    Attributes:
        results: the results that are kept.
        num_scored: the number of those with scores.
    """

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self._size = size
        self._rng = rng
        self.results: list[Result] = []
        self.num_scored = 0

    def add(self, genome: Floats, outcome: Outcome) -> None:
        """Records a result; forgets some others when there are too many."""
        self.results.append(Result(genome, outcome))
        self.num_scored += bool(outcome.scores)
        if len(self.results) > self._size + self._size // 4:
            chosen = choose([result.outcome for result in self.results], self._size, self._rng)
            self.results = [self.results[index] for index in chosen]
            self.num_scored = sum(bool(result.outcome.scores) for result in self.results)


def choose(outcomes: Sequence[Outcome], count: int, rng: np.random.Generator) -> list[int]:
    """Returns indices of `count` outcomes: half the best, a quarter the latest, the others at random.

    They are in ascending order.
    """
    if len(outcomes) <= count:
        return list(range(len(outcomes)))
    best = set(ranking.order(outcomes)[: count // 2])
    others = [index for index in range(len(outcomes)) if index not in best]
    latest = others[len(others) - count // 4 :]
    rest = others[: len(others) - count // 4]
    drawn = rng.choice(len(rest), count - len(best) - len(latest), replace=False)
    return sorted([*best, *latest, *(rest[int(place)] for place in drawn)])
