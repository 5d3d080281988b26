"""What the score of a trial after some epochs foretells of its score at the end, and how surely."""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import NamedTuple

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

FIRST = 3
"""The epochs from which on the last of them is looked at: what the second gains on the first, misleads."""

BEND_SPREAD, BEND_ERRORS = 0.5, 2.0
"""Standard deviation of a bend before there are trials, and how many standard errors are taken off it."""

LEAST_SLOPE = 0.05
"""What a slope is taken for at least where it is divided by."""

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


@dataclass(frozen=True)
class OlderCurve:
    """How a trial of an older search came to its end.

    Attributes:
        trial: the id of the network that was trained.
        scores: its scores by epochs, those after its end not among them; one number per objective each.
        end: its scores at its end.
    """

    trial: str
    scores: Mapping[int, tuple[float, ...]]
    end: tuple[float, ...]


class Curves:
    """Forecasts the scores that trials will end with from those that they have paused with.

    From each rung to the next a line is fitted to the trials that were seen at both, and a forecast follows
    the lines up to the end: its variance grows on each by what trials lie off it. So every trial that went on
    says something, long before many have come to their ends; and since only the score at a rung decides who
    goes on from there, a line from it is not bent by the choice, as one from the first rung to the end of the
    few that got there would be. Forecasts keep the order of the scores at a rung, gains alike: no line falls.

    What a trial gained in its last epoch says more of where it is going, if scores are not too noisy: a line
    may bend by it, as far as the trials that went on say so beyond doubt.

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
        self._gains: dict[str, float] = {}  # by trial: as it was seen last
        self._steps: dict[tuple[float, float], _Step] = {}  # by the epochs of two rungs next to each other

    def add(self, trial: str, epochs: float, score: float, before: float | None = None) -> None:
        """Takes in a score. An end that nothing was seen before says nothing of how trials get there.

        Args:
            trial: the id of the network that was trained.
            epochs: its epochs so far; `END`: it came to its end.
            score: its score then.
            before: its score one epoch earlier; None: it is not known.
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
        rung = self._rungs[place - 1]
        if place and rung in scores:
            pair = _Pair(scores[rung], self._gains[trial], score)
            self._step(rung, epochs).add(pair, self._spreads[rung].variance)
        self._gains[trial] = last_gain(epochs, score, before)

    def recall(self, curve: OlderCurve, rungs: Sequence[int], objective: int = 0) -> None:
        """Takes in a trial of an older search, as if it had paused on these rungs.

        Args:
            curve: how it came to its end.
            rungs: the epochs at which trials pause now, in ascending order.
            objective: the number of the objective whose scores these curves are of.
        """
        for epochs in rungs:
            if epochs in curve.scores:
                before = curve.scores.get(epochs - 1)
                earlier = None if before is None else before[objective]
                self.add(curve.trial, epochs, curve.scores[epochs][objective], earlier)
        self.add(curve.trial, END, curve.end[objective])

    def forecast(self, trial: str) -> Forecast | None:
        """Returns what a trial is expected to end with; None: nothing can be said, for it never paused."""
        scores = self._seen.get(trial)
        if scores is None:
            return None
        epochs = max(scores)
        mean, variance = scores[epochs], 0.0
        gain: float | None = self._gains[trial]
        for before, after in pairwise(self._rungs[self._rungs.index(epochs) :]):
            line = self._step(before, after).line(self._spreads[before].variance)
            mean, variance = line.follow(mean, variance, gain)
            gain = None  # what it will gain there, is not known
        if not math.isfinite(mean) or not math.isfinite(variance):
            return None  # scores too large to be squared
        return Forecast(mean, math.sqrt(variance), epochs)

    def worth_of_gain(self, epochs: float) -> float:
        """Returns how much score at a rung a gain of 1 there is worth, by what comes of both at the next."""
        after = self._rungs[self._rungs.index(epochs) + 1]
        step = self._step(epochs, after)
        if not step.has_gains:
            return 0.0
        line = step.line(self._spreads[epochs].variance)
        return line.bend / max(line.slope, LEAST_SLOPE) if line.bend else 0.0

    def _step(self, before: float, after: float) -> _Step:
        return self._steps.setdefault((before, after), _Step())


class _Pair(NamedTuple):
    """A trial that went on: its score and its gain at a rung, and its score at the next."""

    before: float
    gain: float
    after: float


@dataclass(frozen=True)
class _Line:
    """A line through (at, level), and the variances of what lies off it, of its level and of its slope.

    It is that of trials whose gain is `usual`, and `bend` what a gain of 1 more adds.
    """

    at: float
    level: float
    slope: float
    variance: float
    of_level: float = 0.0
    of_slope: float = 0.0
    bend: float = 0.0
    usual: float = 0.0

    def follow(self, mean: float, variance: float, gain: float | None) -> tuple[float, float]:
        """Returns mean and variance of a score after the step of which they were these before it."""
        away = mean - self.at
        bent = 0.0 if gain is None else self.bend * (gain - self.usual)
        own = self.variance + self.of_level + self.of_slope * away * away
        return self.level + self.slope * away + bent, own + self.slope * self.slope * variance


class _Step:
    """From one rung to the next: the trials that were seen at both, and the line through their scores."""

    def __init__(self) -> None:
        self._pairs: deque[_Pair] = deque(maxlen=PAIRS)
        self._spread = 0.0
        self._line: _Line | None = None

    @property
    def has_gains(self) -> bool:
        """Whether it is known of any of its trials what the last epoch has gained."""
        return any(pair.gain for pair in self._pairs)

    def add(self, pair: _Pair, spread: float) -> None:
        self._pairs.append(pair)
        self._spread, self._line = spread, None

    def line(self, spread: float) -> _Line:
        """Returns the line; `spread` is the variance of all scores at the rung before."""
        if not self._pairs:
            return _Line(0.0, 0.0, 1.0, spread)
        if self._line is None:  # of the spread that there was then, so that when it is asked for says nothing
            self._line = _bent(self._pairs, self._spread)
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


def last_gain(epochs: float, score: float, before: float | None) -> float:
    """Returns what the last epoch has gained, for e times as many epochs; 0.0 where that is not known."""
    if before is None or not FIRST <= epochs < END:
        return 0.0
    return (score - before) / math.log(epochs / (epochs - 1.0))


def _bent(pairs: Sequence[_Pair], spread: float) -> _Line:
    """Returns the line through pairs of scores, with the bend by their gains that is beyond doubt.

    The bend is that of Bayesian regression of what lies off the line on the gains, themselves less what the
    scores say of them (R. Frisch and F. Waugh, Econometrica 1933). It is drawn to 0 by the positive part of
    1 - c e^2 / b^2, for a bend b with the standard error e, as by W. James and C. Stein, 1961.

    Args:
        pairs: at least one.
        spread: the variance of all scores before.
    """
    line = _fit([(pair.before, pair.after) for pair in pairs], spread)
    if line.variance <= 0.0 or not any(pair.gain for pair in pairs):
        return line
    off = [pair.after - line.level - line.slope * (pair.before - line.at) for pair in pairs]
    variance = line.variance * (FREEDOM - 2.0) / FREEDOM
    weights = [(FREEDOM + 1.0) / (FREEDOM + rest * rest / variance) for rest in off]
    total = sum(weights)
    usual = sum(w * pair.gain for w, pair in zip(weights, pairs, strict=True)) / total
    aways = [(w, pair.before - line.at, pair.gain - usual) for w, pair in zip(weights, pairs, strict=True)]
    squares = sum(w * away * away for w, away, _ in aways)
    tied = sum(w * away * more for w, away, more in aways) / squares if squares > 0.0 else 0.0
    own = [more - tied * away for _, away, more in aways]
    weighted = list(zip(weights, own, off, strict=True))
    known = sum(w * more * more for w, more, _ in weighted)
    products = sum(w * more * rest for w, more, rest in weighted)
    ridge = variance / (BEND_SPREAD * BEND_SPREAD)
    bend = products / (known + ridge)
    # a product, not a power: of numbers that are too large Python's power raises
    left = sum(w * (rest - bend * more) * (rest - bend * more) for w, more, rest in weighted)
    variance = (left + PRIOR_PAIRS * PRIOR_SHARE * spread) / (len(pairs) + PRIOR_PAIRS)
    error = variance / (known + variance / (BEND_SPREAD * BEND_SPREAD))
    if not bend * bend > BEND_ERRORS * BEND_ERRORS * error:  # not a number where scores cannot be squared
        return line
    bend *= 1.0 - BEND_ERRORS * BEND_ERRORS * error / (bend * bend)
    straight = [(pair.before, pair.after - bend * (pair.gain - usual)) for pair in pairs]
    return replace(_fit(straight, spread), bend=bend, usual=usual)


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
