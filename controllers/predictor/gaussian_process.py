"""A Gaussian process whose hyper-parameters are learnt: regression with few results and honest uncertainty.

Equations are those of C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning",
MIT Press 2006 ("GPML"); lines are those of its algorithm 2.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy import linalg, optimize

Floats = np.ndarray  # no NDArray: from NumPy 2.5 on that is an alias, and jaxtyping takes classes alone

JITTER = 1e-6
BOUND = 4.0  # hyper-parameters stay within so many prior standard deviations
LEAST_VARIANCE = 1e-10


@dataclass(frozen=True)
class WeightPrior:
    """A normal prior over the logarithms of the weights: log w = effects @ u, u ~ N(means, spreads^2).

    Columns of the effects let features share what is learnt: a column of ones moves all weights together, one
    that is 1 for the features of a hole moves the weights of that hole.

    Attributes:
        effects: the effect of each parameter on the logarithm of each weight.
        means: the prior mean of each parameter.
        spreads: the prior standard deviation of each parameter.
    """

    effects: Float[Floats, "features parameters"]
    means: Float[Floats, " parameters"]
    spreads: Float[Floats, " parameters"]


@dataclass(frozen=True)
class NoisePrior:
    """Normal priors of the logarithms of two variances, for targets of variance 1.

    Attributes:
        signal: the prior mean and standard deviation of the logarithm of the function's variance.
        noise: the prior mean and standard deviation of the logarithm of the noise's variance.
    """

    signal: tuple[float, float] = (0.0, 1.0)
    noise: tuple[float, float] = (-4.0, 1.5)


@dataclass(frozen=True)
class SlopePrior:
    """A linear function of the last features beside the rest, for targets of variance 1.

    Attributes:
        count: the number of these features.
        mean: the prior mean of the logarithm of a slope's variance.
        spread: its prior standard deviation.
    """

    count: int
    mean: float = 0.0
    spread: float = 1.0


class GaussianProcess:
    """Regression with the covariance s k(r), r^2 = sum_j w_j (x_j - x'_j)^2, plus noise of variance n.

    k is the Matern kernel with nu = 5/2 (GPML eq. 4.17): k(r) = (1 + sqrt(5) r + 5/3 r^2) exp(-sqrt(5) r).
    The weights w, s and n maximise the marginal likelihood times their priors, by a few steps of L-BFGS.

    Observations may be of other functions, tied to the one that is asked for. Each has a level l, 0 for that
    function, and the covariance of two is multiplied by exp(-|l - l'|). So the function at level l correlates
    by exp(-l) with the one at level 0, which no number of observations there makes up for (the autoregressive
    model of M. Kennedy and A. O'Hagan, "Predicting the Output from a Complex Computer Code When Fast
    Approximations Are Available", Biometrika 2000, with the same variance and weights at all levels).

    Attributes:
        theta: the hyper-parameters: those of the weights, log s, log n.
        means: their prior means.
        spreads: their prior standard deviations.
    """

    def __init__(
        self, weights: WeightPrior, noise: NoisePrior | None = None, slopes: SlopePrior | None = None
    ) -> None:
        noise, slopes = noise or NoisePrior(), slopes or SlopePrior(0)
        self._effects = weights.effects
        self._count = slopes.count
        means, spreads = np.full(slopes.count, slopes.mean), np.full(slopes.count, slopes.spread)
        self.means = np.concatenate([weights.means, means, [noise.signal[0], noise.noise[0]]])
        self.spreads = np.concatenate([weights.spreads, spreads, [noise.signal[1], noise.noise[1]]])
        self.theta = self.means.copy()

    def loss(
        self,
        theta: Float[Floats, " theta"],
        inputs: Float[Floats, "n features"],
        targets: Float[Floats, " n"],
        levels: Float[Floats, " n"] | None = None,
    ) -> tuple[float, Float[Floats, " theta"]]:
        """Returns the negative log posterior of the hyper-parameters, up to a constant, and its gradient.

        GPML eq. 5.8 and 5.9, plus the prior. With a = K^-1 y and M = (K^-1 - a a^T) / 2 * dK/d(r^2), entry
        by entry: d loss / d w_j = sum_pq M_pq (x_pj - x_qj)^2 = 2 sum_p x_pj^2 (M 1)_p - 2 x_j^T M x_j.
        """
        weights, slopes, signal, noise = self._unpack(theta)
        squared = _squared_distances(inputs, inputs, weights)
        kernel, tie = _matern(squared), 1.0 if levels is None else _tie(levels, levels)
        kernel *= tie
        covariance = signal * kernel
        if self._count:
            covariance += tie * _linear(inputs, inputs, slopes)
        covariance[np.diag_indices_from(covariance)] += noise + JITTER
        factor = linalg.cholesky(covariance, lower=True, check_finite=False)  # Alg. 2.1, line 2
        inverse, _ = linalg.lapack.dpotri(factor, lower=1)
        inverse += np.tril(inverse, -1).T  # the upper half was 0
        solved = inverse @ targets  # a = K^-1 y
        deviation = (theta - self.means) / self.spreads
        value = 0.5 * targets @ solved + np.log(np.diag(factor)).sum()  # eq. 5.8; Alg. 2.1, line 7
        value += 0.5 * deviation @ deviation  # the prior

        outer = 0.5 * (inverse - np.outer(solved, solved))  # eq. 5.9: of which the trace with dK is taken
        moved = outer * _matern_slope(squared) * signal * tie
        by_weight = 2.0 * ((inputs * inputs).T @ moved.sum(1) - ((moved @ inputs) * inputs).sum(0))
        by_variances = [signal * (outer * kernel).sum(), noise * np.trace(outer)]
        trending = _trending(inputs, slopes)
        by_slope = slopes * ((outer * tie) @ trending * trending).sum(0)
        gradient = np.concatenate([self._effects.T @ (weights * by_weight), by_slope, by_variances])
        return float(value), gradient + deviation / self.spreads

    def fit(
        self,
        inputs: Float[Floats, "n features"],
        targets: Float[Floats, " n"],
        steps: int,
        levels: Float[Floats, " n"] | None = None,
    ) -> None:
        """Learns the hyper-parameters by at most `steps` steps of L-BFGS.

        It starts once from where they are and once from the prior's mean: the posterior has poor local optima
        (all of it noise, or nothing alike) that an early fit may have fallen into.
        """
        lowest, highest = self.means - BOUND * self.spreads, self.means + BOUND * self.spreads
        starts = [self.means] if np.array_equal(self.theta, self.means) else [self.theta, self.means]
        best = math.inf
        for start in starts:
            found = optimize.minimize(
                self.loss,
                start,
                args=(inputs, targets, levels),
                jac=True,
                method="L-BFGS-B",
                bounds=optimize.Bounds(lowest, highest),
                options={"maxiter": steps, "maxfun": 2 * steps},
            )
            if found.fun < best:
                best, self.theta = float(found.fun), np.asarray(found.x)

    def condition(
        self,
        inputs: Float[Floats, "n features"],
        targets: Float[Floats, " n"],
        levels: Float[Floats, " n"] | None = None,
    ) -> Posterior:
        """Returns the posterior given observations."""
        levels = np.zeros(len(targets)) if levels is None else levels
        return Posterior(*self._unpack(self.theta), inputs, targets, levels)

    def _unpack(
        self, theta: Float[Floats, " theta"]
    ) -> tuple[Float[Floats, " features"], Float[Floats, " slopes"], float, float]:
        first = len(theta) - 2 - self._count
        slopes = np.exp(theta[first:-2])
        return np.exp(self._effects @ theta[:first]), slopes, math.exp(theta[-2]), math.exp(theta[-1])


@dataclass(frozen=True, eq=False)
class Posterior:
    """What a Gaussian process knows after some observations (GPML algorithm 2.1).

    Attributes:
        weights: The weights w of `GaussianProcess`.
        slopes: The variances v of the slopes.
        signal: The variance s of the function.
        noise: The variance n of the noise.
        inputs: The inputs that were observed.
        targets: The values that were observed there.
        levels: Which function each of them is a value of, as for `GaussianProcess`.
    """

    weights: Float[Floats, " features"]
    slopes: Float[Floats, " slopes"]
    signal: float
    noise: float
    inputs: Float[Floats, "n features"]
    targets: Float[Floats, " n"]
    levels: Float[Floats, " n"]

    def predict(self, inputs: Float[Floats, "m features"]) -> tuple[Float[Floats, " m"], Float[Floats, " m"]]:
        """Returns mean and standard deviation of the function at level 0 without its noise."""
        between = self._covariance(inputs)
        mean = between @ self._solved  # Alg. 2.1, line 4
        explained = linalg.solve_triangular(self._factor, between.T, lower=True, check_finite=False)  # line 5
        trending = _trending(inputs, self.slopes)
        before = self.signal + (trending * trending) @ self.slopes
        variance = before - np.einsum("ij,ij->j", explained, explained)  # line 6
        return mean, np.sqrt(np.maximum(variance, LEAST_VARIANCE))

    def smoothed(self) -> Float[Floats, " n"]:
        """Returns the means of the function at level 0 at the observed inputs."""
        # at level 0 these are the targets without what is taken for noise
        means: Float[Floats, " n"] = self.targets - (self.noise + JITTER) * self._solved
        below = self.levels > 0.0
        if below.any():
            means[below] = self._covariance(self.inputs[below]) @ self._solved
        return means

    def believing(self, inputs: Float[Floats, "m features"]) -> Posterior:
        """Returns this posterior with its own means observed at `inputs`: the same means, less uncertainty.

        The "kriging believer" of D. Ginsbourger, R. Le Riche and L. Carraro, "Kriging is well-suited to
        parallelize optimization", 2010, for what is in flight.
        """
        means, _ = self.predict(inputs)
        return Posterior(
            self.weights,
            self.slopes,
            self.signal,
            self.noise,
            np.concatenate([self.inputs, inputs]),
            np.concatenate([self.targets, means]),
            np.append(self.levels, np.zeros(len(means))),
        )

    def _covariance(self, inputs: Float[Floats, "m features"]) -> Float[Floats, "m n"]:
        kernel = self.signal * _matern(_squared_distances(inputs, self.inputs, self.weights))
        return np.asarray((kernel + _linear(inputs, self.inputs, self.slopes)) * np.exp(-self.levels))

    @cached_property
    def _factor(self) -> Float[Floats, "n n"]:
        kernel = self.signal * _matern(_squared_distances(self.inputs, self.inputs, self.weights))
        kernel += _linear(self.inputs, self.inputs, self.slopes)
        covariance = kernel * _tie(self.levels, self.levels)
        covariance[np.diag_indices_from(covariance)] += self.noise + JITTER
        return np.asarray(linalg.cholesky(covariance, lower=True, check_finite=False))  # Alg. 2.1, line 2

    @cached_property
    def _solved(self) -> Float[Floats, " n"]:
        solved = linalg.cho_solve((self._factor, True), self.targets, check_finite=False)  # Alg. 2.1, line 3
        return np.asarray(solved)


def _squared_distances(
    first: Float[Floats, "n features"],
    second: Float[Floats, "m features"],
    weights: Float[Floats, " features"],
) -> Float[Floats, "n m"]:
    """Returns r^2 of every pair."""
    weighted = second * weights
    squared = first @ weighted.T
    squared *= -2.0
    squared += ((first * first) @ weights)[:, None]
    squared += (weighted * second).sum(1)
    return np.asarray(np.maximum(squared, 0.0, out=squared))


def _trending(
    inputs: Float[Floats, "n features"], slopes: Float[Floats, " slopes"]
) -> Float[Floats, "n slopes"]:
    """Returns the features that have a slope: the last ones."""
    return inputs[:, inputs.shape[1] - len(slopes) :]


def _linear(
    first: Float[Floats, "n features"],
    second: Float[Floats, "m features"],
    slopes: Float[Floats, " slopes"],
) -> Float[Floats, "n m"]:
    """Returns the covariance of a linear function whose slopes have these variances, for every pair."""
    return np.asarray((_trending(first, slopes) * slopes) @ _trending(second, slopes).T)


def _tie(first: Float[Floats, " n"], second: Float[Floats, " m"]) -> Float[Floats, "n m"]:
    """Returns the correlation of the functions at two levels, exp(-|l - l'|), for every pair."""
    return np.asarray(np.exp(-np.abs(first[:, None] - second)))


def _matern(squared: Float[Floats, "n m"]) -> Float[Floats, "n m"]:
    """Returns k(r) from r^2 (eq. 4.17 for nu = 5/2)."""
    scaled = np.sqrt(5.0 * squared)
    kernel = 1.0 + scaled
    kernel += (5.0 / 3.0) * squared
    kernel *= np.exp(np.negative(scaled, out=scaled), out=scaled)
    return kernel


def _matern_slope(squared: Float[Floats, "n m"]) -> Float[Floats, "n m"]:
    """Returns the derivative of k(r) by r^2 from r^2."""
    scaled = np.sqrt(5.0 * squared)
    return np.asarray((-5.0 / 6.0) * (1.0 + scaled) * np.exp(-scaled))
