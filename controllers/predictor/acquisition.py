"""Which architectures a surrogate thinks are worth a training: what is believed, as one number to climb."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from controllers.predictor.gaussian_process import Posterior
from controllers.ranking import fronts

Floats = NDArray[np.float64]

DRAWS = 32  # of a scalarization, to estimate its mean and deviation
HARDLY_FEASIBLE = -1e6  # added to the values of those too likely to break a limit: they come last
BELOW_FRONT = 0.1  # how far the reference point lies below the front, as a share of its extent
FAR_BELOW = -5.0  # standard deviations below the best, from where on the logarithm of the EI is approximated


@dataclass(frozen=True, eq=False)
class Belief:
    """What is believed of a function.

    Attributes:
        posterior: the posterior.
        mean: the mean that was taken from its targets.
        loss: minus the logarithm of how probable the targets are to the model, with its hyper-parameters, up
            to a constant that is the same for all models of the same targets.
    """

    posterior: Posterior
    mean: float
    loss: float = 0.0

    def predict(self, inputs: Floats) -> tuple[Floats, Floats]:
        """Returns mean and standard deviation, each of shape (n,)."""
        mean, deviation = self.posterior.predict(inputs)
        return mean + self.mean, deviation

    def believing(self, inputs: Floats) -> "Belief":
        """Returns the belief as if its own means had been observed: see `Posterior.believing`."""
        return Belief(self.posterior.believing(inputs), self.mean, self.loss)


@dataclass(frozen=True, eq=False)
class Beliefs:
    """What is believed of the objectives and the limits of a space.

    Attributes:
        objectives: one belief per objective, over the same inputs.
        feasibility: the belief of a function above 0 where the limits are kept; None: nothing has broken one.
        feasible: which of the inputs of the objectives were feasible, shape (n,).
    """

    objectives: Sequence[Belief]
    feasibility: Belief | None
    feasible: NDArray[np.bool_]

    @property
    def loss(self) -> float:
        """The losses of the beliefs of all objectives."""
        return sum(belief.loss for belief in self.objectives)

    def believing(self, inputs: Floats) -> "Beliefs":
        """Returns these beliefs as if what is in flight, at `inputs`, had come out as expected."""
        feasible = np.full(len(inputs), True)
        feasibility = self.feasibility
        if feasibility is not None:
            feasible = feasibility.predict(inputs)[0] > 0.0
            feasibility = feasibility.believing(inputs)
        objectives = [belief.believing(inputs) for belief in self.objectives]
        return Beliefs(objectives, feasibility, np.concatenate([self.feasible, feasible]))

    def predict(self, inputs: Floats) -> tuple[Floats, Floats]:
        """Returns means and standard deviations of the objectives, each of shape (n, objectives)."""
        found = [belief.predict(inputs) for belief in self.objectives]
        means, deviations = zip(*found, strict=True)
        return np.stack(means, axis=1), np.stack(deviations, axis=1)

    def probability_of_feasibility(self, inputs: Floats) -> Floats:
        """Returns the probability that all limits are kept, shape (n,)."""
        if self.feasibility is None:
            return np.ones(len(inputs))
        mean, deviation = self.feasibility.predict(inputs)
        return np.asarray(special.ndtr(mean / deviation))

    def smoothed(self) -> Floats:
        """Returns the means of the objectives at those of their own inputs that were feasible.

        The shape is (n, objectives).
        """
        means = [belief.posterior.smoothed() + belief.mean for belief in self.objectives]
        return np.stack(means, axis=1)[self.feasible]


class Scalarization:
    """Several objectives as one number: min_k (y_k - z_k) / d_k, with a random direction d on the sphere.

    D. Golovin and Q. Zhang, "Random Hypervolume Scalarizations for Provable Multi-Objective Black Box
    Optimization", ICML 2020: for a reference point z, here a little below the front, the mean of the best
    value over the directions grows with the dominated hypervolume. One objective stays as it is.

    Attributes:
        best: the largest value among the smoothed results that were feasible, -inf if there were none.
    """

    def __init__(self, beliefs: Beliefs, rng: np.random.Generator) -> None:
        count = len(beliefs.objectives)
        self._direction, self._reference = np.ones(count), np.zeros(count)
        means = beliefs.smoothed()
        if count > 1 and len(means):
            direction = np.abs(rng.standard_normal(count)) + 1e-9
            self._direction = direction / np.linalg.norm(direction)  # uniform on the positive sphere
            front = means[fronts([tuple(row) for row in means.tolist()])[0]]
            nadir = front.min(axis=0)
            self._reference = nadir - BELOW_FRONT * (front.max(axis=0) - nadir) - 0.1
        self.best = float(self(means).max(initial=-math.inf))

    def __call__(self, scores: Floats) -> Floats:
        """Returns the values of scores of shape (..., objectives), of shape (...)."""
        # the hypervolume scalarization of Golovin & Zhang 2020, without its cut at 0 and its power
        return np.asarray(((scores - self._reference) / self._direction).min(axis=-1))


class ExpectedImprovement:
    """The logarithm of the expected improvement over the best so far, times the probability of feasibility.

    For one objective: EI = d (u F(u) + f(u)), u = (m - best) / d, with the mean m and the deviation d
    (J. Mockus, 1978); times the feasibility (J. Gardner et al., "Bayesian Optimization with Inequality
    Constraints", ICML 2014). The best is the largest mean at a feasible result or one in flight; where there
    is none yet, only feasibility counts. For several objectives: the same of their `Scalarization`, whose m
    and d are those of 32 draws.
    """

    def __init__(self, beliefs: Beliefs, rng: np.random.Generator) -> None:
        self._beliefs = beliefs
        self._scalarization = Scalarization(beliefs, rng)
        self._normal = rng.standard_normal((DRAWS, 1, len(beliefs.objectives)))

    def __call__(self, inputs: Floats, rng: np.random.Generator) -> Floats:
        """Returns the values of features of shape (n, num_features), of shape (n,)."""
        feasibility = np.log(np.maximum(self._beliefs.probability_of_feasibility(inputs), 1e-300))
        best = self._scalarization.best
        if math.isinf(best):
            return feasibility
        mean, deviation = self._beliefs.predict(inputs)
        if mean.shape[1] > 1:
            drawn = self._scalarization(mean + deviation * self._normal)
            center, spread = drawn.mean(axis=0), drawn.std(axis=0)
        else:
            center, spread = mean[:, 0], deviation[:, 0]
        # log EI (the expected improvement of Mockus 1978) and the log Pr(feasible) of Gardner et al. 2014
        values: Floats = feasibility + np.log(spread) + _log_improvement((center - best) / spread)
        return values


class ThompsonSampling:
    """A draw from the beliefs for each candidate: the independent Thompson sampling of C. White et al., 2021.

    Candidates whose probability of feasibility is below a random threshold come last. Several objectives are
    joined by a `Scalarization`.
    """

    def __init__(self, beliefs: Beliefs, rng: np.random.Generator) -> None:
        self._beliefs = beliefs
        self._scalarization = Scalarization(beliefs, rng)
        self._threshold = rng.random()

    def __call__(self, inputs: Floats, rng: np.random.Generator) -> Floats:
        """Returns the values of features of shape (n, num_features), of shape (n,)."""
        mean, deviation = self._beliefs.predict(inputs)
        values = self._scalarization(mean + deviation * rng.standard_normal(mean.shape))  # White et al.: ITS
        if self._beliefs.feasibility is None:
            return values
        probability = self._beliefs.probability_of_feasibility(inputs)
        return np.where(probability >= self._threshold, values, HARDLY_FEASIBLE + probability)


Acquisition = ExpectedImprovement | ThompsonSampling


def _log_improvement(scaled: Floats) -> Floats:
    """Returns log(u F(u) + f(u)) for the standard normal distribution F and its density f, also far below 0.

    There u F(u) + f(u) approaches f(u) / u^2.
    """
    density = np.exp(-0.5 * scaled * scaled) / math.sqrt(2.0 * math.pi)
    near = np.log(np.maximum(scaled * special.ndtr(scaled) + density, 1e-300))
    low = np.minimum(scaled, FAR_BELOW)
    far = -0.5 * low * low - 0.5 * math.log(2.0 * math.pi) - 2.0 * np.log(-low)
    return np.where(scaled < FAR_BELOW, far, near)
