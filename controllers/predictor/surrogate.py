"""From results to beliefs: Gaussian processes of the scores and of what keeps the limits."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from controllers.curves import END, Curves
from controllers.population import CHOSEN
from controllers.predictor.acquisition import Belief, Beliefs
from controllers.predictor.archive import Archive, Result, choose
from controllers.predictor.features import Genomes
from controllers.predictor.gaussian_process import GaussianProcess, SlopePrior, WeightPrior
from controllers.predictor.levels import targets_and_levels
from controllers.predictor.scored_inputs import ScoredInputs
from controllers.ranking import order
from controllers.records import Outcome

Floats = NDArray[np.float64]

ARCHIVE = 1000  # results remembered, at least
STEPS = 15  # of L-BFGS in a fit
MOST_FITTED = 200  # results that a fit sees: hyper-parameters need no more of them
GROWTH, MOST_BETWEEN_FITS = 0.1, 50  # results between fits: a share of those told, up to so many
NUMBER_WEIGHT = 4.0  # of a number beside an option: a function may rise and fall within a number's range
EXPECTED_DISTANCE = 2.0  # r^2 at first between two architectures that differ in every option, times 1/2
SCORE_WEIGHT, SCORE_SLOPE = 0.02, 0.1  # of a score beside an option; scores say much the same
SPREAD_OF_SCORE = 1.5  # of the logarithms of both
BARE_MENTION = 3.0  # "not worth more than a bare mention": R. Kass and A. Raftery, "Bayes Factors", JASA 1995
SPREAD_OF_ALL, SPREAD_OF_HOLE, SPREAD_OF_OPTION = 0.5, 0.7, 1.0  # of the logarithms of the weights


class Regressor:
    """One Gaussian process, whose fits are spaced out: each at a tenth more results than the one before."""

    def __init__(self, weights: WeightPrior, slopes: SlopePrior | None = None) -> None:
        self._process = GaussianProcess(weights, slopes=slopes)
        self._next_fit = 0

    def learn(self, inputs: Floats, targets: Floats, num_told: int, levels: Floats | None = None) -> Belief:
        """Returns what these targets say.

        Args:
            inputs: the features, shape (n, num_features).
            targets: the values there, shape (n,).
            num_told: the number of results told and observed so far, these among them.
            levels: the level of each target, shape (n,); None: all are results.
        """
        mean = float(targets.mean())
        if num_told >= self._next_fit:
            thinned = slice(None, None, -(-len(inputs) // MOST_FITTED))
            fitted = None if levels is None else levels[thinned]
            self._process.fit(inputs[thinned], targets[thinned] - mean, STEPS, fitted)
            self._next_fit = num_told + min(max(1, int(GROWTH * num_told)), MOST_BETWEEN_FITS)
        loss, _ = self._process.loss(self._process.theta, inputs, targets - mean, levels)
        return Belief(self._process.condition(inputs, targets - mean, levels), mean, loss)


class Models:
    """The Gaussian processes of the objectives and of what keeps the limits, over the same features."""

    def __init__(self, num_objectives: int, weights: WeightPrior, slopes: SlopePrior | None = None) -> None:
        self.objectives = [Regressor(weights, slopes) for _ in range(num_objectives)]
        self.feasibility = Regressor(weights, slopes)


@dataclass(frozen=True)
class Selection:
    """What the models learn from.

    Attributes:
        scored: the results with scores, and the trials that have paused.
        paused: all trials that have paused, with what they are expected to end with.
        judged: the results that say where limits are kept; None: none has broken one.
    """

    scored: Sequence[Result]
    paused: Sequence[Result]
    judged: Sequence[Result] | None

    @property
    def genomes(self) -> list[Floats]:
        """The genomes of all of them."""
        return [result.genome for result in (*self.scored, *(self.judged or ()))]


class Surrogate:
    """Learns from results what to believe of the architectures not tried yet.

    Trials that have paused are learnt from by their forecasts, see `targets_and_levels`, as soon as `CHOSEN`
    others have gone on to their ends.

    Targets are the normal scores of the ranks among the results that the model is given, so nothing depends
    on a metric's unit or on how far away the worst lie (the Gaussian copula of D. Salinas, H. Shen and
    V. Perrone, "A Quantile-based Approach for Hyperparameter Transfer Learning", ICML 2020). Limits are
    learnt as one more function, see `feasibility_targets`.

    Args:
        genomes: the genomes of the space.
        curves: what foretells the scores of trials that have paused, of each objective.
        results: the largest number of results that each Gaussian process learns from.
        rng: the generator with which results are chosen.
    """

    def __init__(
        self, genomes: Genomes, curves: Sequence[Curves], results: int, rng: np.random.Generator
    ) -> None:
        self._genomes = genomes
        self._curves = curves
        self._paused: dict[str, Floats] = {}  # genomes by the id of the trial, in order of their first pauses
        self._results = results
        self._rng = rng
        self._archive = Archive(max(ARCHIVE, 2 * results), rng)
        self._num_told = 0
        self._models = Models(len(curves), weight_prior(genomes))
        self._hinted: tuple[Models, ScoredInputs] | None = None
        self._forget()
        self._best: Floats | None = None

    def use_scores(self, inputs: ScoredInputs) -> None:
        """Lets `hinted_beliefs` know of the scores of networks that nobody has trained."""
        weights, slopes = score_priors(weight_prior(self._genomes), inputs.count)
        self._hinted = Models(len(self._curves), weights, slopes), inputs
        self._forget()

    @property
    def num_scored(self) -> int:
        """The number of results with scores that there are to learn from."""
        return self._archive.num_scored

    def add(self, trial: str, genome: Floats, outcome: Outcome) -> None:
        """Records a result; `trial` is the id of the network."""
        self._paused.pop(trial, None)
        self._archive.add(genome, outcome)
        self._num_told += 1
        self._best = None
        self._forget()

    def observe(self, trial: str, genome: Floats) -> None:
        """Records that a trial was seen before its end, whose score the curves foretell."""
        if trial not in self._paused:
            self._num_told += 1
        self._paused[trial] = genome
        if len(self._paused) > ARCHIVE:
            del self._paused[next(iter(self._paused))]
        self._forget()

    def _forget(self) -> None:
        """Forgets what was believed: there is something new to learn from."""
        self._selection: Selection | None = None
        self._beliefs: Beliefs | None = None
        self._hinted_beliefs: Beliefs | None = None

    def best(self, count: int) -> Floats:
        """Returns the genomes of the best results, the best first, shape (count or fewer, num_genes)."""
        if self._best is None:
            ranked = order([result.outcome for result in self._archive.results])
            self._best = np.array([self._archive.results[index].genome for index in ranked[:count]])
        return self._best

    def beliefs(self) -> Beliefs:
        """Returns what the results say. At least one must have scores."""
        if self._beliefs is None:
            self._beliefs = self._believe(self._models, self._genomes.features)
        return self._beliefs

    def hinted_beliefs(self) -> Beliefs:
        """Returns what the results say beside the scores that networks had before anybody trained them."""
        if self._hinted_beliefs is None:
            assert self._hinted is not None
            self._hinted_beliefs = self._believe(*self._hinted)
        return self._hinted_beliefs

    @property
    def weight_of_hints(self) -> float:
        """How often the model with scores is to be asked: always, unless the results speak against it.

        That is the ratio of how probable they are to it and to the model without, each with its
        hyper-parameters. Up to `BARE_MENTION` against it such a ratio says nothing.
        """
        ratio = self.beliefs().loss - self.hinted_beliefs().loss
        return math.exp(min(0.0, ratio + math.log(BARE_MENTION)))

    def selected(self) -> Selection:
        """Returns what the models learn from."""
        if self._selection is None:
            results = [result for result in self._archive.results if result.outcome.scores]
            foretold = all(curves.num_complete >= CHOSEN for curves in self._curves)
            paused = self._expected() if foretold else []
            scored = self._selected([*results, *paused])
            kept = all(result.outcome.feasible for result in self._archive.results)
            self._selection = Selection(
                scored, paused, None if kept else self._selected(self._archive.results)
            )
        return self._selection

    def _believe(self, models: Models, features: Callable[[Floats], Floats]) -> Beliefs:
        selection = self.selected()
        inputs = features(_genomes_of(selection.scored))
        objectives = [
            model.learn(inputs, *self._targets(number, selection.scored, selection.paused))
            for number, model in enumerate(models.objectives)
        ]
        feasibility = None
        if (judged := selection.judged) is not None:
            targets = feasibility_targets([result.outcome for result in judged])
            feasibility = models.feasibility.learn(features(_genomes_of(judged)), targets, self._num_told)
        feasible = np.array([result.outcome.feasible for result in selection.scored])
        return Beliefs(objectives, feasibility, feasible)

    def _expected(self) -> list[Result]:
        """Returns the trials that have paused with what they are expected to end with."""
        found = []
        for trial, genome in self._paused.items():
            forecasts = [curves.forecast(trial) for curves in self._curves]
            known = tuple(one for one in forecasts if one is not None and one.epochs < END)
            if len(known) == len(forecasts):
                scores = tuple(forecast.mean for forecast in known)
                found.append(Result(genome, Outcome(feasible=True, failed=False, scores=scores), known))
        return found

    def _targets(
        self, number: int, scored: Sequence[Result], paused: Sequence[Result]
    ) -> tuple[Floats, int, Floats | None]:
        """Returns the targets of an objective, the number of results and observations, and the levels."""
        if not paused:
            return normal_scores(np.array([r.outcome.scores[number] for r in scored])), self._num_told, None
        ended = [result for result in self._archive.results if result.outcome.scores]
        everything = [result.forecast(number) for result in (*ended, *paused)]
        targets, levels = targets_and_levels([result.forecast(number) for result in scored], everything)
        return normal_scores(targets), self._num_told, levels

    def _selected(self, results: Sequence[Result]) -> list[Result]:
        chosen = choose([result.outcome for result in results], self._results, self._rng)
        return [results[index] for index in chosen]


def _genomes_of(results: Sequence[Result]) -> Floats:
    return np.array([result.genome for result in results])


def weight_prior(genomes: Genomes) -> WeightPrior:
    """Returns the prior of weights that are learnt at three levels: of all holes, of a hole and of an option.

    Two options of a hole lie apart by the sum of their weights; where there are but two, the hole's level
    says it all.
    """
    size, holes = genomes.num_features, genomes.num_genes
    by_hole = np.zeros((size, holes))
    for gene, columns in enumerate(genomes.columns):
        by_hole[columns, gene] = 1.0
    several = [
        column
        for gene, columns in enumerate(genomes.columns)
        if genomes.options[gene] > 2
        for column in range(columns.start, columns.stop)
    ]
    levels: list[tuple[Floats, Floats, float]] = [
        (np.ones((size, 1)), np.full(1, math.log(EXPECTED_DISTANCE / max(1, holes))), SPREAD_OF_ALL),
        (by_hole, np.where(genomes.options == 0, math.log(NUMBER_WEIGHT), 0.0), SPREAD_OF_HOLE),
        (np.eye(size)[:, several], np.zeros(len(several)), SPREAD_OF_OPTION),
    ]
    return WeightPrior(
        np.concatenate([effects for effects, _, _ in levels], axis=1),
        np.concatenate([means for _, means, _ in levels]),
        np.concatenate([np.full(len(means), spread) for _, means, spread in levels]),
    )


def score_priors(weights: WeightPrior, count: int) -> tuple[WeightPrior, SlopePrior]:
    """Returns the prior of weights with so many scores after the features, and that of the scores' slopes.

    A score has a weight and a slope of its own, and both may go to nothing.
    """
    size, known = weights.effects.shape
    effects = np.zeros((size + count, known + count))
    effects[:size, :known], effects[size:, known:] = weights.effects, np.eye(count)
    wider = WeightPrior(
        effects,
        np.append(weights.means, np.full(count, math.log(SCORE_WEIGHT))),
        np.append(weights.spreads, np.full(count, SPREAD_OF_SCORE)),
    )
    return wider, SlopePrior(count, math.log(SCORE_SLOPE), SPREAD_OF_SCORE)


def normal_scores(values: Floats) -> Floats:
    """Returns the normal quantiles at (r - 1/2) / n, r being the rank of a value among n."""
    # the Gaussian copula transform of Salinas et al. 2020, with the ranks in the middle of their steps
    return np.asarray(special.ndtri((stats.rankdata(values) - 0.5) / len(values)))


def feasibility_targets(outcomes: Sequence[Outcome]) -> Floats:
    """Returns what the model of feasibility learns from: 1 for the feasible, -1 for failures.

    For the infeasible it is minus the violation over the median violation, down to -2.
    """
    violations = [outcome.violation for outcome in outcomes if not outcome.feasible and not outcome.failed]
    median = float(np.median(violations)) if violations else 1.0
    scale = median if 0.0 < median < math.inf else 1.0

    def target(outcome: Outcome) -> float:
        if outcome.feasible or outcome.failed:
            return 1.0 if outcome.feasible else -1.0
        return -min(outcome.violation / scale, 2.0)

    return np.array([target(outcome) for outcome in outcomes])
