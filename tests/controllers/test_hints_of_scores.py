"""Scores of untrained networks: what is spent on them, whom they speak for, and how they are left."""

import copy
import itertools
import math
import random
import statistics
from collections.abc import Callable

import pytest

from controllers import Controller, PredictorEvolution, RandomSearch, at_most, catalog, maximize, minimize
from controllers.scores import DRAWS, Hints
from search_spaces import Architecture, Space, choice
from search_spaces.errors import ControllerError

SPACE = Space({f"op{place}": choice(*range(5)) for place in range(6)})


class Function:
    """Scores by functions of decisions."""

    def __init__(self, price: float = 0.001, **scores: Callable[[list[int]], float]) -> None:
        self.names, self.price, self._scores = tuple(scores), price, tuple(scores.values())

    def __call__(self, architecture: Architecture) -> tuple[float, ...]:
        values = [int(value) for value in architecture.decisions.values()]  # type: ignore[arg-type]
        return tuple(score(values) for score in self._scores)


def network(*values: int) -> Architecture:
    return SPACE.architecture({f"op{place}": value for place, value in enumerate(values)})


def accuracy(values: list[int]) -> float:
    """Grows with every value, but not from 3 to 4 of the first."""
    return sum(values) + 0.3 * values[0] * values[1] - 3.0 * (values[0] == 4)


def drive(controller: Controller, trials: int) -> list[tuple[str, float]]:
    """Returns origins and accuracies of so many trials, one at a time."""
    found = []
    for _ in range(trials):
        proposal = controller.ask()
        values = [int(value) for value in proposal.architecture.decisions.values()]  # type: ignore[arg-type]
        found.append((proposal.origin, accuracy(values)))
        controller.tell(proposal, {"accuracy": found[-1][1]})
    return found


def noise(values: list[int]) -> float:
    return random.Random(str(values)).random()


@pytest.mark.parametrize("name", ["random", "evolution", "local", "nsga2", "predictor"])
def test_first_proposals_are_what_scores_speak_for_mixed_with_random_ones(name: str) -> None:
    drawn: dict[str, list[float]] = {"scores": [], "random": []}
    for seed in range(6):
        controller = catalog[name](SPACE, maximize("accuracy"), seed=seed)
        controller.use_scores(Function(size=sum))
        for origin, value in drive(controller, 8):
            drawn.setdefault(origin, []).append(value)
    assert len(drawn["scores"]) > len(drawn["random"]) > 0
    assert statistics.mean(drawn["scores"]) > statistics.mean(drawn["random"]) + 3.0


def test_scores_that_turn_out_wrong_are_left() -> None:
    controller = RandomSearch(SPACE, maximize("accuracy"), seed=0)
    controller.use_scores(Function(wrong=lambda values: -accuracy(values)))
    first, later = drive(controller, 30), drive(controller, 60)
    assert sum(origin == "scores" for origin, _ in first) > 3
    assert sum(origin == "scores" for origin, _ in later) < 12


def test_where_there_is_a_prior_it_says_where_to_begin() -> None:
    controller = RandomSearch(SPACE, maximize("accuracy"), seed=0)
    controller.use_prior("plain")
    controller.use_scores(Function(size=sum))
    assert {origin for origin, _ in drive(controller, 10)} == {"prior", "random"}


def test_several_objectives_are_not_begun_by_scores_for_no_score_is_good_for_all_of_them() -> None:
    controller = RandomSearch(SPACE, [maximize("accuracy"), minimize("num_params")], seed=0)
    controller.use_scores(Function(num_params=sum))
    assert {controller.ask().origin for _ in range(10)} == {"random"}


def test_what_breaks_a_limit_on_a_score_comes_last() -> None:
    hints = Hints(Function(num_params=sum), [at_most("num_params", 9)])
    small, good, large, larger = (network(*([n] * 6)) for n in (0, 1, 3, 4))
    assert hints.best([larger, small, good, large]) is good
    assert hints.best([larger, large]) is large


def test_several_scores_are_joined_by_ranks_and_one_that_a_network_lacks_says_nothing() -> None:
    both = Function(first=lambda values: 1000.0 * values[0], second=lambda values: values[1])
    assert Hints(both).best(
        [network(4, 0, 0, 0, 0, 0), network(3, 3, 0, 0, 0, 0), network(0, 4, 0, 0, 0, 0)]
    ) == (network(3, 3, 0, 0, 0, 0))
    lacking = Function(
        first=lambda values: values[0] or math.nan, second=lambda values: values[1] or -math.inf
    )
    chosen = Hints(lacking).best(
        [network(1, 0, 0, 0, 0, 0), network(0, 1, 0, 0, 0, 0), network(2, 1, 0, 0, 0, 0)]
    )
    assert chosen == network(2, 1, 0, 0, 0, 0)


def test_a_network_is_paid_for_once_and_what_is_not_spent_is_kept() -> None:
    hints = Hints(Function(price=0.01, size=sum))
    assert hints.affordable == 0
    hints.earn()
    assert hints.affordable == 5
    for _ in range(3):
        hints.scores(network(1, 2, 3, 4, 0, 1))
    assert (hints.affordable, hints.num_scored, hints.spent) == (4, 1, 0.01)
    hints.earn()
    assert hints.affordable == 9


def test_what_costs_nothing_is_always_affordable() -> None:
    hints = Hints(Function(price=0.0, size=sum))
    hints.scores(network(1, 2, 3, 4, 0, 1))
    assert hints.affordable > DRAWS
    assert hints.spent == 0.0


def to_a_good_one(seed: int, target: Callable[[list[int]], float], function: Function | None) -> int:
    """Returns the evaluations of the predictor up to one of the best 20 of 15,625 networks."""
    controller = catalog["predictor"](SPACE, maximize("accuracy"), seed=seed)
    if function is not None:
        controller.use_scores(function)
    good = sorted(target(list(values)) for values in itertools.product(range(5), repeat=6))[-20]
    for number in range(1, 100):
        proposal = controller.ask()
        reached = target([int(value) for value in proposal.architecture.decisions.values()])  # type: ignore[arg-type]
        if reached >= good:
            return number
        controller.tell(proposal, {"accuracy": reached})
    return 100


def rough(values: list[int]) -> float:
    """Hardly depends on any decision alone."""
    return 0.1 * sum(values) + 5.0 * noise(values)


def test_the_predictor_is_sooner_with_scores_that_foretell_something() -> None:
    foretelling = Function(near=lambda values: rough(values) + 0.3 * noise([7, *values]))
    alone, told = ([to_a_good_one(seed, rough, one) for seed in range(4)] for one in (None, foretelling))
    assert statistics.mean(told) < 0.6 * statistics.mean(alone)


@pytest.mark.parametrize("foretelling", [True, False])
def test_scores_are_asked_as_far_as_the_results_speak_for_a_model_of_them(foretelling: bool) -> None:
    near = Function(near=lambda values: accuracy(values) + noise(values))
    nothing = Function(**{f"noise{n}": lambda values, n=n: noise([n, *values]) for n in range(3)})
    weights = []
    for seed in range(4):
        controller = PredictorEvolution(SPACE, maximize("accuracy"), seed=seed)
        controller.use_scores(near if foretelling else nothing)
        drive(controller, 30)
        weights.append(controller._evolver.surrogate.weight_of_hints)
    assert statistics.mean(weights) > 0.9 if foretelling else statistics.mean(weights) < 0.5


def test_a_copy_goes_on_alike() -> None:
    controller = catalog["predictor"](SPACE, maximize("accuracy"), seed=0)
    controller.use_scores(Function(size=sum))
    drive(controller, 14)
    assert drive(copy.deepcopy(controller), 6) == drive(controller, 6)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (None, "expected a function"),
        (Function(price=-1.0, size=noise), "price"),
        (Function(price=math.nan, size=noise), "price"),
        (Function(), "names"),
    ],
)
def test_what_is_no_function_that_scores_is_refused(function: object, said: str) -> None:
    controller = RandomSearch(SPACE, maximize("accuracy"))
    with pytest.raises(ControllerError, match=said):
        controller.use_scores(function)  # type: ignore[arg-type]


def test_a_function_that_returns_another_number_of_scores_is_told() -> None:
    function = Function(size=noise)
    function.names = ("size", "more")
    controller = RandomSearch(SPACE, maximize("accuracy"))
    controller.use_scores(function)
    with pytest.raises(ControllerError, match="2 scores"):
        drive(controller, 20)
