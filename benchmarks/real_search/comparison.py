"""Paired differences between methods, with their intervals and tests; and ranks over problems."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.real_search.rows import DONE

LEVEL = 0.95

Scores = Mapping[tuple[str, float], Mapping[str, Mapping[int, float]]]
"""Test scores in percent, by problem and seconds, by method, by seed."""


def scores_of(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, float], dict[str, dict[int, float]]]:
    """The test scores of what was handed over, in percent; who handed over nothing has none of a hundred."""
    found: dict[tuple[str, float], dict[str, dict[int, float]]] = {}
    for row in rows:
        if row["status"] == DONE:
            case = found.setdefault((row["problem"], row["seconds"]), {})
            case.setdefault(row["method"], {})[row["seed"]] = 100 * (row["test"] or 0.0)
    return found


@dataclass(frozen=True)
class Difference:
    """How much better one method is than another one on a problem, over the seeds that both have.

    Attributes:
        mean: the mean of the differences, in points.
        low, high: the ends of their two-sided 95 % interval by Student's t; infinite for one seed.
        lower: the lower bound of the one-sided 95 % interval.
        n: the number of seeds.
    """

    mean: float
    low: float
    high: float
    lower: float
    n: int
    _error: float

    def p_above(self, bound: float) -> float:
        """The p of the one-sided t test that the mean is no more than a bound."""
        if self.n < 2:
            return 1.0
        if self._error == 0:
            return 0.0 if self.mean > bound else 1.0
        return float(stats.t.sf((self.mean - bound) / self._error, self.n - 1))


def difference(ours: Mapping[int, float], other: Mapping[int, float]) -> Difference | None:
    """The paired difference of two methods; None: they share no seed."""
    seeds = sorted(ours.keys() & other.keys())
    if not seeds:
        return None
    values = [ours[seed] - other[seed] for seed in seeds]
    mean, n = statistics.fmean(values), len(values)
    if n < 2:
        return Difference(mean, -np.inf, np.inf, -np.inf, n, np.inf)
    error = statistics.stdev(values) / n**0.5
    two, one = (float(stats.t.ppf(q, n - 1)) * error for q in ((1 + LEVEL) / 2, LEVEL))
    return Difference(mean, mean - two, mean + two, mean - one, n, error)


def holm(ps: Sequence[float]) -> list[float]:
    """The p of several tests, adjusted so that all hold together (S. Holm 1979)."""
    adjusted, running = [0.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        running = max(running, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = running
    return adjusted


def mean_ranks(
    scores: Scores, cases: Sequence[tuple[str, float]], methods: Sequence[str]
) -> dict[str, float]:
    """The mean over problems of each method's rank by its mean over seeds, 1 the best, ties shared.

    Only over the seeds that all of these methods have; a method without any score there is the last.

    Args:
        scores: the scores.
        cases: the problems, each with its seconds.
        methods: the methods to rank.
    """
    ranks: dict[str, list[float]] = {method: [] for method in methods}
    for case in cases:
        by_method = scores.get(case, {})
        own = [set(by_method[m]) for m in methods if by_method.get(m)]
        seeds = set.intersection(*own) if own else set()
        means = [
            statistics.fmean(by_method[m][s] for s in seeds) if seeds and by_method.get(m) else -np.inf
            for m in methods
        ]
        for method, rank in zip(methods, stats.rankdata([-mean for mean in means]), strict=True):
            ranks[method].append(float(rank))
    return {method: statistics.fmean(own) for method, own in ranks.items() if own}


def wilcoxon(
    scores: Scores, cases: Sequence[tuple[str, float]], ours: str, other: str
) -> tuple[float | None, int]:
    """The p of the exact two-sided signed-rank test over problems' mean differences, and their number."""
    found = [difference(scores.get(c, {}).get(ours, {}), scores.get(c, {}).get(other, {})) for c in cases]
    means = [one.mean for one in found if one is not None]
    if len(means) < 2 or not any(means):
        return None, len(means)
    # all the signs there are, which holds with ties, too
    every = stats.PermutationMethod(n_resamples=2 ** min(len(means), 20))
    return float(stats.wilcoxon(means, method=every).pvalue), len(means)
