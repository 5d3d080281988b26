"""What trained networks are worth by their scores: each shrunk towards the others, with an interval.

The best of many scores is too high: it was the luckiest of the good ones, too (selection on a validation
split overfits it: Cawley and Talbot, JMLR 2010). So a score is moved towards those of the other networks, the
further the noisier scores are beside what networks differ by: empirical Bayes with normal noise and normal
differences (James and Stein 1961; C. Morris, "Parametric Empirical Bayes Inference", JASA 1983). Other
trainings of a network say more about it.

What differs from one training of a network to the next is noise to who wants to know the network, and mostly
none to who is handed the weights: a training that ended well does well on new data, too. Only what its score
owes to the choice of validation examples is noise to both. So there are two answers: what a network is worth,
and what the weights of one training of it are; the second is nearer to their own score.

Scores are numbers of which more is better, as `controllers.objectives.Objective.score` has them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from statistics import NormalDist, fmean, linear_regression

GUESSED = 8
"""The variance of a share by the number of examples counts as one that was measured with so many degrees of
freedom. It is near what is seen from one training to another (X. Bouthillier et al., "Accounting for Variance
in Machine Learning Benchmarks", MLSys 2021), but no more than near."""

ENOUGH = 3
"""Where scores are no shares, the noise is known from so many degrees of freedom on: two trainings that
happen to agree are no proof that there is none."""

DISCORDANT = 0.5
"""Of the variance of a share by the number of examples, the part by which two trainings of one network differ
for the choice of examples alone: they are mostly wrong about the same ones."""

LASTING = 0.75
"""Where scores are no shares: the part of the variance from one training of a network to the next that its
weights keep on new data. It was .79 for a regression, and .5 and more for most accuracies that were looked
at (test scores over validation scores, within networks)."""

BEST = 1000
"""So many of the best scores say how networks differ; of fewer, the better half."""

_LEAST = 5
"""The better half has so many scores at least, if there are so many."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a trained network is worth: the score that is to be expected of its weights on new data.

    Attributes:
        value: the estimate.
        low: the lower end of the 95 % interval.
        high: its upper end.
        deviation: the standard deviation of a normal distribution with that interval, its ends left as they
            are.
        trainings: the number of trainings that it is from.
    """

    value: float
    low: float
    high: float
    deviation: float
    trainings: int


@dataclass(frozen=True)
class ScoreModel:
    """How the scores of the networks of a search are distributed.

    Attributes:
        center: the middle of the normal distribution that the scores of the better networks follow.
        total: its variance, noise included.
        noise: the variance of the score of a network from one seed to another.
        freedom: the degrees of freedom of that variance.
        networks: the number of scores that the distribution was fitted to.
        share: whether scores are shares, from 0 to 1.
        lasting: the part of the noise that is none of the weights': it stays with them on new data.
    """

    center: float
    total: float
    noise: float
    freedom: float
    networks: int
    share: bool = False
    lasting: float = 0.0

    def estimate(
        self, scores: Sequence[float], own: float | None = None, *, chosen: bool = True, more: int = 0
    ) -> Estimate:
        """Returns what the weights of one training of a network are worth.

        It may be the training that ended best: given the scores of all of them it does not matter why it was
        taken, and what it owes to luck is what it differs by from the others, less the part that lasts.

        Args:
            scores: the scores of its trainings, each of another seed.
            own: the score of the training whose weights are meant, one of these; None: the first.
            chosen: whether it is one of many that are compared by these scores. One that was named before
                there were any, as the plain network is, was not lucky: its mean is its estimate.
            more: trainings that are on their way: the deviation and the interval are those with them.
        """
        mean, count = fmean(scores), len(scores) + more
        variance, shrinkage = self.noise / count, self._shrinkage(count) if chosen else 0.0
        value = mean + shrinkage * (self.center - mean)
        if shrinkage:  # as Morris has it: neither the center nor the shrinkage is known exactly
            variance *= 1 - (self.networks - 1) / self.networks * shrinkage
            variance += 2 / (self.networks - 3) * (shrinkage * (mean - self.center)) ** 2
        # so far of the network; what is left of its own score beside that lasts in part
        value += self.lasting * ((scores[0] if own is None else own) - value)
        variance = (1 - self.lasting) ** 2 * variance + self.lasting * (1 - self.lasting) * self.noise
        half = _quantile(self.freedom) * math.sqrt(variance)
        low, high = value - half, value + half
        if self.share:
            low, high = max(low, 0.0), min(high, 1.0)
        return Estimate(value, low, high, half / _quantile(math.inf), count)

    def _shrinkage(self, trainings: int) -> float:
        """By what share of its distance to the center the mean of so many trainings is moved there."""
        if self.networks <= 3 or self.noise == 0:
            return 0.0
        # as Morris has it: never all the way, since the variances are estimates
        of_one = (self.networks - 3) / (self.networks - 1)
        of_one *= 1.0 if self.noise >= self.total else self.noise / self.total
        return 1 / (1 + trainings * (1 / of_one - 1))


def fitted(
    best: Sequence[float], networks: int, repeated: Iterable[Sequence[float]], examples: int | None = None
) -> ScoreModel | None:
    """Returns the model of the scores of a search; None where nothing is known of their noise.

    The noise is the variance over seeds, pooled over the networks that were trained again; a share (an
    accuracy) has the variance of as many coins as there are examples besides, which counts as `GUESSED`
    measurements. The differences between networks are those of the better half: a search has a long tail of
    bad networks that says nothing of the good ones. Their order statistics lie on a line over those of a
    standard normal sample (A. Gupta, "Estimation of the Mean and Standard Deviation of a Normal Population
    from a Censored Sample", Biometrika 1952; plotting positions of G. Blom 1958).

    Args:
        best: the scores of the best networks, of one training each, the highest first: all, the better half,
            or `BEST`.
        networks: the number of all networks.
        repeated: the scores of each network that was trained with several seeds, without the one by which
            it was chosen to be: that is a lucky one.
        examples: the number of examples that a score is a share of; None: it is no share.
    """
    found = [scores for scores in repeated if len(scores) > 1]
    freedom = float(sum(len(scores) - 1 for scores in found))
    squares = sum((score - mean) ** 2 for scores in found for mean in [fmean(scores)] for score in scores)
    sampling = None
    upper = best[: max(_LEAST, math.ceil(networks / 2))]
    if not upper:
        return None
    if examples:
        least = 0.5 / examples  # that all are right, or none, is not without noise
        share = min(max(fmean(upper), least), 1 - least)
        sampling = DISCORDANT * share * (1 - share) / examples
        squares += GUESSED * share * (1 - share) / examples
        freedom += GUESSED
    if freedom < ENOUGH:
        return None
    center, deviation = _line(upper, networks)
    noise = squares / freedom
    lasting = LASTING if sampling is None else max(0.0, 1 - sampling / noise)
    return ScoreModel(center, deviation**2, noise, freedom, len(upper), examples is not None, lasting)


def _line(upper: Sequence[float], networks: int) -> tuple[float, float]:
    """Returns the mean and the deviation of a normal distribution of which these are the highest scores."""
    normal = NormalDist()
    expected = [-normal.inv_cdf((place - 0.375) / (networks + 0.25)) for place in range(1, len(upper) + 1)]
    if len(upper) < 2:
        return upper[0], 0.0
    slope, center = linear_regression(expected, upper)
    return center, slope


@dataclass(frozen=True)
class Estimator:
    """What the trained networks of a search are worth, by their trials.

    Attributes:
        model: how scores are distributed.
        again: the scores of networks that were trained again, by the trial's number: of all their trainings,
            that of the trial first.
        named: the numbers of the trials whose networks were named before there were any scores.
    """

    model: ScoreModel
    again: Mapping[int, Sequence[float]] = field(default_factory=dict)
    named: frozenset[int] = frozenset()

    def of(self, number: int, score: float, *, more: int = 0) -> Estimate:
        """Returns what the weights of a trial are worth.

        Args:
            number: the number of the trial.
            score: the score of the training whose weights they are: of its own, or of one of those again.
            more: trainings that are on their way, see `ScoreModel.estimate`.
        """
        scores = self.again.get(number, [score])
        return self.model.estimate(scores, score, chosen=number not in self.named, more=more)

    @property
    def moved(self) -> frozenset[int]:
        """The numbers of the trials that are not in the order of their scores: all others are."""
        return self.named | self.again.keys()


def estimator(
    best: Sequence[float],
    networks: int,
    again: Mapping[int, Sequence[float]],
    named: frozenset[int],
    examples: int | None,
) -> Estimator | None:
    """Returns what says what trained networks are worth; None where nothing is known of the noise.

    Args:
        best, networks, examples: see `fitted`.
        again, named: see `Estimator`.
    """
    repeated = [scores if number in named else scores[1:] for number, scores in again.items()]
    model = fitted(best, networks, repeated, examples)
    return None if model is None else Estimator(model, again, named)


@cache
def _quantile(freedom: float) -> float:
    """Returns the quantile of Student's t of a two-sided 95 % interval."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))
