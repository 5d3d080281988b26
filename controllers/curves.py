"""What the score of a trial after some epochs foretells of its score at the end, and how surely."""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

END = math.inf
"""Stands for the epochs of a trial that came to its end, whatever their number."""

PAIRS = 100
"""The number of the latest trials that a line from one rung to the next is fitted to."""

SLOPE, SLOPE_SPREAD = 0.5, 0.5
"""Mean and standard deviation of the slope of a line before there are trials: most curves draw nearer."""

PRIOR_PAIRS, PRIOR_SHARE = 2.0, 0.05
"""How many trials are taken to have been seen that lie off the line, and by which share of the variance."""

FREEDOM = 8.0
"""Degrees of freedom of the t distribution of what lies off a line: a few trials may do anything."""

COSTS = 3
"""After so many trials whose score stayed the same it is taken for a cost, which no epoch changes."""

MAD = 1.4826
"""The standard deviation of a normal distribution over its median absolute deviation."""

ROUNDS = 8
"""Rounds of a fit: each weighs the trials by how far they lay off the line of the one before."""


@dataclass(frozen=True)
class Forecast:
    """What is expected of the score of a trial at its end.

    Attributes:
        mean: the score that is expected.
        deviation: its standard deviation; 0.0 for a trial that came to its end.
        epochs: the epochs after which the trial was seen last; `END`: it came to its end.
    """

    mean: float
    deviation: float
    epochs: float


class Curves:
    """Forecasts the scores that trials will end with from those that they have paused with.

    From each rung to the next a line is fitted to the trials that were seen at both, and a forecast follows
    the lines up to the end: its variance grows on each by what trials lie off it. So every trial that went on
    says something, long before many have come to their ends; and since only the score at a rung decides who
    goes on from there, a line from it is not bent by the choice, as one from the first rung to the end of the
    few that got there would be. Forecasts keep the order of the scores at a rung: no line falls.

    Before there is a trial that was seen at both rungs, a score is expected to stay what it is, give or take
    the deviation of all scores at its rung.

    K. Swersky, J. Snoek and R. P. Adams, "Freeze-Thaw Bayesian Optimization", 2014, and T. Domhan,
    J. T. Springenberg and F. Hutter, "Speeding up Automatic Hyperparameter Optimization of Deep Neural
    Networks by Extrapolation of Learning Curves", IJCAI 2015, extrapolate each curve by a shape that curves
    are expected to have. Here only what early says of late is taken to be the same for all trials.

    Scores are those of one objective, higher being better.

    Attributes:
        num_complete: the number of trials that were seen at their end and before it, too.
    """

    def __init__(self) -> None:
        self.num_complete = 0
        self._seen: dict[str, dict[float, float]] = {}  # by trial: its scores by epochs
        self._rungs: list[float] = [END]
        self._spreads: dict[float, _Spread] = {}  # by epochs
        self._steps: dict[tuple[float, float], _Step] = {}  # by the epochs of two rungs next to each other

    def add(self, trial: str, epochs: float, score: float) -> None:
        """Takes in a score. An end that nothing was seen before says nothing of how trials get there.

        Args:
            trial: the id of the network that was trained.
            epochs: its epochs so far; `END`: it came to its end.
            score: its score then.
        """
        if epochs == END and trial not in self._seen:
            return
        scores = self._seen.setdefault(trial, {})
        if epochs in scores:
            return
        scores[epochs] = score
        self.num_complete += epochs == END
        if epochs not in self._rungs:
            insort(self._rungs, epochs)
        self._spreads.setdefault(epochs, _Spread()).add(score)
        place = self._rungs.index(epochs)
        before = self._rungs[place - 1]
        if place and before in scores:
            self._step(before, epochs).add(scores[before], score, self._spreads[before].variance)

    def forecast(self, trial: str) -> Forecast | None:
        """Returns what a trial is expected to end with; None: nothing can be said, for it never paused."""
        scores = self._seen.get(trial)
        if scores is None:
            return None
        epochs = max(scores)
        mean, variance = scores[epochs], 0.0
        for before, after in pairwise(self._rungs[self._rungs.index(epochs) :]):
            line = self._step(before, after).line(self._spreads[before].variance)
            mean, variance = line.follow(mean, variance)
        if not math.isfinite(mean) or not math.isfinite(variance):
            return None  # scores too large to be squared
        return Forecast(mean, math.sqrt(variance), epochs)

    def _step(self, before: float, after: float) -> _Step:
        return self._steps.setdefault((before, after), _Step())


@dataclass(frozen=True)
class _Line:
    """A line through (at, level), and the variances of what lies off it, of its level and of its slope."""

    at: float
    level: float
    slope: float
    variance: float
    of_level: float = 0.0
    of_slope: float = 0.0

    def follow(self, mean: float, variance: float) -> tuple[float, float]:
        """Returns mean and variance of a score after the step of which they were these before it."""
        away = mean - self.at
        own = self.variance + self.of_level + self.of_slope * away * away
        return self.level + self.slope * away, own + self.slope * self.slope * variance


class _Step:
    """From one rung to the next: the trials that were seen at both, and the line through their scores."""

    def __init__(self) -> None:
        self._pairs: deque[tuple[float, float]] = deque(maxlen=PAIRS)
        self._spread = 0.0
        self._line: _Line | None = None

    def add(self, before: float, after: float, spread: float) -> None:
        self._pairs.append((before, after))
        self._spread, self._line = spread, None

    def line(self, spread: float) -> _Line:
        """Returns the line; `spread` is the variance of all scores at the rung before."""
        if not self._pairs:
            return _Line(0.0, 0.0, 1.0, spread)
        if self._line is None:  # of the spread that there was then, so that when it is asked for says nothing
            self._line = _fit(self._pairs, self._spread)
        return self._line


class _Spread:
    """The variance of numbers that come one by one (B. P. Welford, Technometrics 1962)."""

    def __init__(self) -> None:
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def add(self, value: float) -> None:
        self._count += 1
        away = value - self._mean
        self._mean += away / self._count
        self._squares += away * (value - self._mean)

    @property
    def variance(self) -> float:
        """The variance; 1.0 where there are no two numbers yet."""
        return self._squares / self._count if self._count > 1 else 1.0


def _fit(pairs: Sequence[tuple[float, float]], spread: float) -> _Line:
    """Returns the line through pairs of scores: Bayesian regression, what lies off it being t distributed.

    The weights of the rounds are those of K. Lange, R. Little and J. Taylor, "Robust Statistical Modeling
    Using the t Distribution", JASA 1989.

    Args:
        pairs: the scores before and after of at least one trial.
        spread: the variance of all scores before.
    """
    count = len(pairs)
    if count >= COSTS and all(before == after for before, after in pairs):
        return _Line(0.0, 0.0, 1.0, 0.0)
    at, level = median(before for before, _ in pairs), median(after for _, after in pairs)
    off = [after - level - SLOPE * (before - at) for before, after in pairs]
    around = MAD * median(abs(rest) for rest in off)
    slope, squares, variance = SLOPE, 0.0, around * around or PRIOR_SHARE * spread
    for _ in range(ROUNDS if variance > 0.0 else 0):
        weights = [(FREEDOM + 1.0) / (FREEDOM + rest * rest / variance) for rest in off]
        weighted = [(w, before, after) for w, (before, after) in zip(weights, pairs, strict=True)]
        total = sum(weights)
        at = sum(w * before for w, before, _ in weighted) / total
        level = sum(w * after for w, _, after in weighted) / total
        ridge = variance / (SLOPE_SPREAD * SLOPE_SPREAD)
        squares = ridge + sum(w * (before - at) * (before - at) for w, before, _ in weighted)
        products = ridge * SLOPE + sum(w * (before - at) * (after - level) for w, before, after in weighted)
        slope = max(0.0, products / squares)
        off = [after - level - slope * (before - at) for before, after in pairs]
        seen = sum(w * rest * rest for w, rest in zip(weights, off, strict=True))
        variance = (seen + PRIOR_PAIRS * PRIOR_SHARE * spread) / (count + PRIOR_PAIRS)
        if variance <= 0.0:
            break
    of_slope = variance / squares if squares > 0.0 else 0.0
    of_one = variance * FREEDOM / (FREEDOM - 2.0)  # the variance of a t distribution of this scale
    return _Line(at, level, slope, of_one, variance / count, of_slope)
