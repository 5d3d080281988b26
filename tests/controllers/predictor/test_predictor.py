"""Model-guided evolution: the Gaussian process, genomes, acquisition, and the controller over them."""

import math
import random
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from controllers import Controller, PredictorEvolution, Proposal, RandomSearch, at_most, maximize, minimize
from controllers.curves import END, Forecast
from controllers.predictor.acquisition import Belief, Beliefs, ExpectedImprovement, ThompsonSampling
from controllers.predictor.archive import Archive, choose
from controllers.predictor.evolver import distinct
from controllers.predictor.features import Genomes
from controllers.predictor.gaussian_process import JITTER, GaussianProcess, SlopePrior, WeightPrior
from controllers.predictor.levels import targets_and_levels
from controllers.predictor.surrogate import feasibility_targets, normal_scores, weight_prior
from controllers.records import FAILED, Outcome
from search_spaces import Architecture, Space, choice, integer, real
from search_spaces.errors import ControllerError

MIXED = Space(
    {
        "op": choice("a", "b", "c"),
        "rate": real(1e-4, 1e-1, log=True),
        "units": integer(1, 9),
        "body": choice(deep={"depth": integer(2, 5), "norm": choice("x", "y", "z")}, none=None),
        "fixed": choice("only"),
    }
)
OPTIONS = "pqrs"
# random main effects and interactions of six holes with four options
_draws = random.Random(3)
EFFECTS = [[_draws.gauss(0.0, 1.0) for _ in OPTIONS] for _ in range(6)]
PAIRS = [[[_draws.gauss(0.0, 0.7) for _ in OPTIONS] for _ in OPTIONS] for _ in range(5)]


def rugged(choices: list[int]) -> float:
    """A function of six options with interactions between neighbours."""
    single = sum(effects[option] for effects, option in zip(EFFECTS, choices, strict=True))
    return single + sum(PAIRS[i][choices[i]][choices[i + 1]] for i in range(5))


def process_and_data(count: int = 12, slopes: int = 0) -> tuple[GaussianProcess, Any, Any]:
    rng = np.random.default_rng(0)
    genomes = Genomes(MIXED)
    process = GaussianProcess(weight_prior(genomes), slopes=SlopePrior(slopes))
    inputs = genomes.features(genomes.sample(count, rng))
    return process, inputs, rng.standard_normal(count)


def dense_covariance(process: GaussianProcess, first: Any, second: Any) -> Any:
    """The covariance by its definition, pair by pair."""
    weights, slopes, signal, _ = process._unpack(process.theta)
    found = np.empty((len(first), len(second)))
    for i, x in enumerate(first):
        for j, y in enumerate(second):
            r = math.sqrt(sum(w * (a - b) ** 2 for w, a, b in zip(weights, x, y, strict=True)))
            polynomial = 1.0 + math.sqrt(5.0) * r + 5.0 / 3.0 * r * r
            found[i, j] = signal * polynomial * math.exp(-math.sqrt(5.0) * r)
            last = zip(slopes[::-1], x[::-1], y[::-1], strict=False)
            found[i, j] += sum(slope * a * b for slope, a, b in last)
    return found


@pytest.mark.parametrize("slopes", [0, 2])
def test_the_posterior_is_that_of_the_textbook(slopes: int) -> None:
    process, inputs, targets = process_and_data(slopes=slopes)
    process.fit(inputs, targets, steps=3)
    others = process_and_data(20)[1][12:]
    noise = math.exp(process.theta[-1]) + JITTER
    inverse = np.linalg.inv(dense_covariance(process, inputs, inputs) + noise * np.eye(len(inputs)))
    between = dense_covariance(process, others, inputs)
    mean, deviation = process.condition(inputs, targets).predict(others)
    covariance = dense_covariance(process, others, others) - between @ inverse @ between.T
    assert mean == pytest.approx(between @ inverse @ targets)
    assert deviation**2 == pytest.approx(np.diag(covariance))
    smoothed = dense_covariance(process, inputs, inputs) @ inverse @ targets
    assert process.condition(inputs, targets).smoothed() == pytest.approx(smoothed)


@pytest.mark.parametrize("slopes", [0, 2])
def test_the_likelihood_is_that_of_a_normal_distribution_and_its_gradient_is_right(slopes: int) -> None:
    process, inputs, targets = process_and_data(slopes=slopes)
    theta = process.means + 0.3 * process.spreads
    process.theta = theta
    covariance = dense_covariance(process, inputs, inputs)
    covariance += (math.exp(theta[-1]) + JITTER) * np.eye(len(inputs))
    likelihood = stats.multivariate_normal(cov=covariance).logpdf(targets)
    prior = -0.5 * 0.3**2 * len(theta)
    constant = 0.5 * len(targets) * math.log(2.0 * math.pi)
    value, gradient = process.loss(theta, inputs, targets)
    assert value == pytest.approx(-likelihood - prior - constant)
    numeric = optimize.approx_fprime(theta, lambda t: process.loss(t, inputs, targets)[0], 1e-6)
    assert gradient == pytest.approx(numeric, rel=1e-3, abs=1e-3)


def test_a_fit_finds_which_feature_matters() -> None:
    rng = np.random.default_rng(1)
    inputs = rng.random((60, 3))
    targets = np.sin(6.0 * inputs[:, 1])
    process = GaussianProcess(WeightPrior(np.eye(3), np.zeros(3), np.full(3, 2.0)))
    process.fit(inputs, (targets - targets.mean()) / targets.std(), steps=30)
    weights, _, _, noise = process._unpack(process.theta)
    assert weights[1] > 20.0 * max(weights[0], weights[2])
    assert noise < 0.01


def test_a_fit_lets_the_slope_of_a_feature_that_foretells_nothing_go() -> None:
    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((60, 2))
    targets = inputs[:, 1] + 0.1 * rng.standard_normal(60)
    weights = WeightPrior(np.eye(2), np.full(2, -4.0), np.ones(2))
    process = GaussianProcess(weights, slopes=SlopePrior(2, -2.0, 1.5))
    process.fit(inputs, targets - targets.mean(), steps=50)
    _, slopes, _, _ = process._unpack(process.theta)
    assert slopes[1] > 5.0 * slopes[0]


def test_believing_keeps_the_means_and_takes_the_doubt_away() -> None:
    process, inputs, targets = process_and_data()
    others = process_and_data(20)[1][12:]
    before = process.condition(inputs, targets)
    after = before.believing(others[:3])
    assert after.predict(others)[0] == pytest.approx(before.predict(others)[0], abs=0.02)
    assert (after.predict(others[:3])[1] < before.predict(others[:3])[1]).all()
    assert (after.predict(others)[1] <= before.predict(others)[1] + 1e-9).all()


def test_with_levels_the_posterior_is_that_of_tied_functions() -> None:
    process, inputs, targets = process_and_data()
    levels = np.array([0.0, 0.3, 1.2] * 4)
    tie = np.exp(-np.abs(np.subtract.outer(levels, levels)))
    noise = math.exp(process.theta[-1]) + JITTER
    covariance = dense_covariance(process, inputs, inputs) * tie
    inverse = np.linalg.inv(covariance + noise * np.eye(len(inputs)))
    others = process_and_data(20)[1][12:]
    between = dense_covariance(process, others, inputs) * np.exp(-levels)
    posterior = process.condition(inputs, targets, levels)
    mean, deviation = posterior.predict(others)
    assert mean == pytest.approx(between @ inverse @ targets)
    left = np.diag(dense_covariance(process, others, others) - between @ inverse @ between.T)
    assert deviation**2 == pytest.approx(left)
    assert posterior.smoothed() == pytest.approx(posterior.predict(inputs)[0])
    numeric = optimize.approx_fprime(
        process.theta, lambda t: process.loss(t, inputs, targets, levels)[0], 1e-6
    )
    gradient = process.loss(process.theta, inputs, targets, levels)[1]
    assert gradient == pytest.approx(numeric, rel=1e-3, abs=1e-3)


def test_no_number_of_observations_at_a_rung_says_more_of_the_end_than_the_rung_does() -> None:
    process = GaussianProcess(WeightPrior(np.ones((1, 1)), np.zeros(1), np.ones(1)))
    many = np.zeros((500, 1))
    half = np.full(500, -math.log(0.5))
    _, deviation = process.condition(many, np.ones(500), half).predict(np.zeros((1, 1)))
    assert deviation[0] ** 2 == pytest.approx(1.0 - 0.5**2, rel=0.01)  # of a variance of 1


def test_targets_of_a_rung_are_spread_as_the_ends_are_and_its_level_is_what_it_foretells() -> None:
    rng = np.random.default_rng(0)
    ends = [Forecast(mean, 0.0, END) for mean in rng.normal(10.0, 2.0, 400)]
    # a rung that foretells a quarter of the variance, and one that foretells all of it
    poor = [Forecast(mean, 3.0**0.5, 1) for mean in rng.normal(10.0, 1.0, 400)]
    good = [Forecast(mean, 0.0, 3) for mean in rng.normal(10.0, 2.0, 400)]
    targets, levels = targets_and_levels([*ends[:200], *poor, *good], [*ends, *poor, *good])
    assert levels[:200] == pytest.approx(0.0)
    assert levels[200:600] == pytest.approx(-math.log(0.5), abs=0.1)
    assert levels[600:] == pytest.approx(0.0)
    assert targets[:200] == pytest.approx([forecast.mean for forecast in ends[:200]])
    assert targets[200:600].std() == pytest.approx(2.0, rel=0.15)


def test_it_learns_from_trials_that_pause() -> None:
    found = {}
    for observing in (True, False):
        values = []
        for seed in range(3):
            controller = PredictorEvolution([choice(*range(4)) for _ in range(6)], maximize("x"), seed=seed)
            for number in range(60):
                proposal = controller.ask()
                score = rugged(proposal.architecture.value)
                if observing:
                    controller.observe(proposal, 3, {"x": 0.5 * score - 1.0})
                if number % 10 == 0:
                    controller.tell(proposal, {"x": score})
                    continue
                controller.set_aside(proposal)
                values.append(score)
        found[observing] = statistics.fmean(values)
    assert found[True] > found[False] + 0.5


def test_a_trial_that_was_observed_is_known_by_its_end_once_it_comes() -> None:
    controller = PredictorEvolution(MIXED, maximize("x"), seed=0)
    asked = [controller.ask() for _ in range(30)]
    for proposal in asked:
        controller.observe(proposal, 1, {"x": float(proposal.number)})
    surrogate = controller._evolver.surrogate
    for proposal in asked[:10]:
        controller.tell(proposal, {"x": 1.0})
    controller.tell(asked[10], None)
    assert len(surrogate._expected()) == 19
    assert len(surrogate.beliefs().feasible) == 29


def test_a_decision_that_the_space_does_not_know_is_left_out() -> None:
    other = Space({"op": choice("a", "z"), "extra": real(0.0, 1.0), "units": integer(1, 9)})
    found = Architecture.from_json(other.architecture({"op": "z", "extra": 0.5, "units": 5}).to_json())
    genome = Genomes(MIXED).encode(found)
    assert np.isnan(genome).sum() == 5
    assert 0.5 in genome


@pytest.mark.parametrize("space", [MIXED, Space([choice(*"abc"), integer(1, 5), real(0.0, 1.0)])], ids=repr)
def test_mutants_are_architectures_of_the_space_that_differ_in_a_gene_or_two(space: Space) -> None:
    genomes, rng = Genomes(space), np.random.default_rng(0)
    parents = genomes.sample(200, rng)
    children = genomes.mutate(parents, rng)
    for parent, child in zip(parents, children, strict=True):
        changed = (parent != child) & ~(np.isnan(parent) & np.isnan(child))
        assert changed.sum() <= 2 + (2 if space is MIXED else 0)  # what becomes active
    assert (parents != children).any(axis=1).mean() > 0.8


def test_features_do_not_care_for_the_order_of_options() -> None:
    first, second = Space([choice("a", "b", "c")] * 2), Space([choice("c", "a", "b")] * 2)

    def distances(space: Space) -> Any:
        genomes = Genomes(space)
        decisions = [{"0": a, "1": b} for a in "abc" for b in "abc"]
        rows = genomes.features(np.array([genomes.encode(space.architecture(d)) for d in decisions]))
        return ((rows[:, None] - rows[None]) ** 2).sum(-1)

    assert (distances(first) == distances(second)).all()


def test_repeats_and_known_genomes_are_left_out() -> None:
    genomes = np.array([[0.0], [1.0], [0.0], [np.nan], [np.nan], [2.0]])
    kept = distinct(genomes, {np.array([1.0]).tobytes()}, {np.array([2.0]).tobytes()})
    assert np.array_equal(kept, [[0.0], [np.nan]], equal_nan=True)


def test_the_archive_forgets_neither_the_best_nor_the_latest() -> None:
    archive = Archive(100, np.random.default_rng(0))
    rng = random.Random(0)
    for number in range(1000):
        score = 10.0 + number if number % 100 == 0 else rng.random()
        archive.add(np.array([float(number)]), Outcome(feasible=True, failed=False, scores=(score,)))
        assert len(archive.results) <= 125
    kept = {int(result.genome[0]) for result in archive.results}
    assert kept >= {0, 100, 200, 300, 400, 500, 600, 700, 800, 900}
    assert kept >= set(range(990, 1000))
    assert archive.num_scored == len(archive.results)


def test_choosing_fewer_than_there_are_keeps_their_order() -> None:
    outcomes = [Outcome(feasible=True, failed=False, scores=(float(i % 7),)) for i in range(50)] + [
        FAILED
    ] * 3
    chosen = choose(outcomes, 20, np.random.default_rng(0))
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 20
    assert {6, 13, 20, 27, 34, 41, 48} <= set(chosen)
    assert choose(outcomes, 60, np.random.default_rng(0)) == list(range(53))


def test_targets_are_ranks_and_grades_of_infeasibility() -> None:
    assert normal_scores(np.array([3.0, 1.0, 2.0])) == pytest.approx(stats.norm.ppf([5 / 6, 1 / 6, 0.5]))
    assert normal_scores(np.array([7.0, 7.0])) == pytest.approx([0.0, 0.0])
    infeasible = [Outcome(feasible=False, failed=False, violation=v) for v in (1.0, 2.0, 100.0)]
    good = Outcome(feasible=True, failed=False, scores=(1.0,))
    assert feasibility_targets([good, FAILED, *infeasible]).tolist() == [1.0, -1.0, -0.5, -1.0, -2.0]


def beliefs_of(scores: list[float], feasible: list[bool] | None = None) -> tuple[Beliefs, Any]:
    process = GaussianProcess(WeightPrior(np.ones((1, 1)), np.array([3.0]), np.ones(1)))
    inputs = np.linspace(0.0, 1.0, len(scores))[:, None]
    belief = Belief(process.condition(inputs, np.array(scores)), 0.0)
    if feasible is None:
        return Beliefs([belief], None, np.ones(len(scores), dtype=bool)), inputs
    limit = Belief(process.condition(inputs, np.where(feasible, 1.0, -1.0)), 0.0)
    return Beliefs([belief], limit, np.array(feasible)), inputs


def test_expected_improvement_is_the_mean_of_what_is_gained() -> None:
    beliefs, _ = beliefs_of([0.0, 1.0, 0.5])
    points = np.array([[0.05], [0.4], [0.6], [0.9]])
    rng = np.random.default_rng(0)
    mean, deviation = beliefs.objectives[0].predict(points)
    best = beliefs.smoothed().max()
    gains = np.maximum(mean + deviation * rng.standard_normal((400_000, 1)) - best, 0.0).mean(axis=0)
    assert np.exp(ExpectedImprovement(beliefs, rng)(points, rng)) == pytest.approx(gains, rel=0.05)


def test_expected_improvement_tells_hopeless_candidates_apart() -> None:
    beliefs, _ = beliefs_of([-1e3, 1.0, 1e3])
    rng = np.random.default_rng(0)
    low, high = ExpectedImprovement(beliefs, rng)(np.array([[0.25], [0.75]]), rng)
    assert -math.inf < low < high < -100.0


def test_what_breaks_a_limit_is_worth_little_to_both_acquisitions() -> None:
    beliefs, inputs = beliefs_of([0.0, 1.0, 2.0, 3.0, 4.0], [True, True, True, False, False])
    rng = np.random.default_rng(0)
    assert ExpectedImprovement(beliefs, rng)(inputs, rng).argmax() <= 2
    chosen = [ThompsonSampling(beliefs, rng)(inputs, rng).argmax() for _ in range(50)]
    assert statistics.fmean(place <= 2 for place in chosen) > 0.9


def test_directions_of_several_objectives_reach_both_ends_of_the_front() -> None:
    beliefs, inputs = beliefs_of([0.0, 1.0, 2.0, 3.0, 4.0])
    other, _ = beliefs_of([4.0, 3.0, 2.0, 1.0, 0.0])
    both = Beliefs([*beliefs.objectives, *other.objectives], None, beliefs.feasible)
    rng = np.random.default_rng(0)
    chosen = {int(ThompsonSampling(both, rng)(inputs, rng).argmax()) for _ in range(60)}
    assert {0, 4} <= chosen
    assert len(chosen) > 2


@pytest.mark.parametrize(
    "settings", [{"initial": 1}, {"results": 10}, {"results": None}, {"initial": 2.5}], ids=str
)
def test_a_parameter_out_of_range_is_named(settings: dict[str, Any]) -> None:
    with pytest.raises(ControllerError, match=next(iter(settings))):
        PredictorEvolution(MIXED, maximize("x"), **settings)


def test_importing_the_controllers_imports_neither_numpy_nor_scipy() -> None:
    code = "import sys, controllers; sys.exit(bool({'numpy', 'scipy', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def search(
    controller: Controller, value: Callable[[Architecture], float], steps: int, flight: int = 1
) -> float:
    """The best value after so many results, with so many in flight that end in jumbled order."""
    rng, best = random.Random(0), -math.inf
    flying: list[Proposal] = []
    for _ in range(steps):
        while len(flying) < flight:
            flying.append(controller.ask())
        proposal = flying.pop(rng.randrange(len(flying)))
        found = value(proposal.architecture)
        best = max(best, found)
        controller.tell(proposal, {"x": found})
    return best


def test_it_beats_random_search_on_options_that_interact() -> None:
    space = Space([choice(*OPTIONS) for _ in range(6)])

    def value(architecture: Architecture) -> float:
        return rugged([OPTIONS.index(option) for option in architecture.value])

    ours = [search(PredictorEvolution(space, maximize("x"), seed=s), value, 50) for s in range(3)]
    random_best = [search(RandomSearch(space, maximize("x"), seed=s), value, 50) for s in range(3)]
    assert min(ours) > max(random_best)


@pytest.mark.slow
def test_many_in_flight_cost_little_and_are_all_different() -> None:
    space = Space([choice(*OPTIONS) for _ in range(6)])

    def value(architecture: Architecture) -> float:
        return rugged([OPTIONS.index(option) for option in architecture.value])

    optimum = max(value(architecture) for architecture in space.enumerate())
    found = [search(PredictorEvolution(space, maximize("x"), seed=s), value, 70, flight=8) for s in range(3)]
    assert statistics.fmean(found) > optimum - 0.3


def test_it_finds_the_top_of_a_smooth_function_of_numbers() -> None:
    space = Space({"a": real(0.0, 1.0), "b": real(1e-4, 1.0, log=True), "n": integer(1, 1000)})

    def value(architecture: Architecture) -> float:
        a, b, n = (space.holes()[p].to_unit(architecture.decisions[p]) for p in "abn")
        return -((a - 0.3) ** 2) - (b - 0.8) ** 2 - (n - 0.6) ** 2

    found = [search(PredictorEvolution(space, maximize("x"), seed=s), value, 50) for s in range(2)]
    assert min(found) > -0.005


def test_it_keeps_to_the_feasible_part_once_it_knows_it() -> None:
    space = Space([choice(*range(5)) for _ in range(6)])
    controller = PredictorEvolution(space, maximize("x"), limits=at_most("cost", 12.0), seed=0)
    feasible = []
    for _ in range(60):
        proposal = controller.ask()
        cost = float(sum(proposal.architecture.value))
        feasible.append(cost <= 12.0)
        told = {"cost": cost} if cost > 12.0 else {"cost": cost, "x": cost}
        controller.tell(proposal, told)
    assert statistics.fmean(feasible[30:]) > 0.5


def test_it_spreads_over_the_front_of_two_objectives() -> None:
    space = Space([choice(0, 1) for _ in range(10)])
    controller = PredictorEvolution(space, [maximize("first"), minimize("second")], seed=0)
    found = set()
    for _ in range(60):
        proposal = controller.ask()
        ones, half = sum(proposal.architecture.value), sum(proposal.architecture.value[:5])
        # half of the ones cost nothing: the front is those with no others
        controller.tell(proposal, {"first": float(ones), "second": float(ones - half)})
        if half == 5:
            found.add(ones)
    assert len(found) >= 5
