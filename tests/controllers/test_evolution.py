"""Regularized evolution: founders, tournaments, ageing, limits and several objectives."""

import random
from typing import Any

import pytest

from controllers import Proposal, RegularizedEvolution, at_most, maximize, minimize
from search_spaces import Space, choice
from search_spaces.errors import ControllerError

EDGES = Space([choice("none", "skip", "conv1", "conv3", "pool") for _ in range(6)])
NUMBERS = Space([choice(*range(10)) for _ in range(5)])


def evolve(controller: RegularizedEvolution, steps: int) -> list[Proposal]:
    asked = []
    for _ in range(steps):
        asked.append(controller.ask())
        controller.tell(asked[-1], {"x": float(sum(asked[-1].architecture.value))})
    return asked


def test_the_published_setting_mutates_one_edge_of_a_living_parent() -> None:
    controller = RegularizedEvolution(
        EDGES, maximize("x"), population=10, sample=3, crossover=0.0, repeats=True, seed=0
    )
    rng = random.Random(0)
    history: list[Any] = []
    for number in range(60):
        proposal = controller.ask()
        assert (proposal.origin == "random") == (number < 10)
        if number >= 10:
            living = {architecture.id: architecture for architecture in history[-10:]}
            (parent,) = proposal.parents
            edges = zip(living[parent].value, proposal.architecture.value, strict=True)
            assert sum(a != b for a, b in edges) == 1
        history.append(proposal.architecture)
        controller.tell(proposal, {"x": rng.random()})


def test_the_oldest_dies_however_good_it_is() -> None:
    controller = RegularizedEvolution(NUMBERS, maximize("x"), population=5, sample=50, crossover=0.0, seed=0)
    best = NUMBERS.architecture({str(i): 9 for i in range(5)})
    controller.tell(Proposal(99, best), {"x": 1000.0})
    rng = random.Random(1)
    for number in range(4):
        controller.tell(Proposal(100 + number, NUMBERS.sample(rng)), {"x": 0.0})
    assert controller.ask().parents == (best.id,)
    controller.tell(Proposal(104, NUMBERS.sample(rng)), {"x": 0.0})
    assert controller.ask().parents != (best.id,)


def test_told_results_count_as_founders() -> None:
    controller = RegularizedEvolution(NUMBERS, maximize("x"), seed=0)
    rng = random.Random(1)
    for number in range(controller.founders):
        controller.tell(Proposal(number, NUMBERS.sample(rng)), {"x": float(number)})
    assert controller.ask().origin in ("mutation", "crossover")


def test_it_goes_on_from_few_survivors_where_most_fail() -> None:
    controller = RegularizedEvolution(NUMBERS, maximize("x"), population=10, seed=0)
    for number in range(40):
        controller.tell(controller.ask(), {"x": 1.0} if number == 3 else None)
    assert controller.ask().origin in ("mutation", "crossover", "walk")


def test_infeasible_trials_do_not_push_feasible_ones_out() -> None:
    controller = RegularizedEvolution(
        NUMBERS, maximize("x"), limits=at_most("size", 1.0), population=5, sample=50, crossover=0.0, seed=0
    )
    rng = random.Random(1)
    good = NUMBERS.sample(rng)
    controller.tell(Proposal(0, good), {"x": 1.0, "size": 1.0})
    for number in range(1, 30):
        controller.tell(Proposal(number, NUMBERS.sample(rng)), {"size": 2.0 + number})
    assert controller.ask().parents == (good.id,)


def test_crossover_names_both_parents() -> None:
    controller = RegularizedEvolution(NUMBERS, maximize("x"), population=10, sample=2, crossover=1.0, seed=0)
    crossed = [proposal for proposal in evolve(controller, 60) if proposal.origin == "crossover"]
    assert crossed
    assert all(len(set(proposal.parents)) == 2 for proposal in crossed)


def test_two_objectives_spread_along_the_front() -> None:
    space = Space([choice(*range(8)) for _ in range(6)])

    def places(controller: RegularizedEvolution) -> list[tuple[int, int]]:
        """Per proposal how far it is from the front, and where along it."""
        found = []
        for _ in range(600):
            proposal = controller.ask()
            value = proposal.architecture.value
            middle = sum(abs(v - 3) for v in value[3:])  # pure loss for both
            first, second = sum(value[:3]) - middle, sum(value[:3]) + middle
            controller.tell(proposal, {"gain": float(first), "cost": float(second)})
            found.append((middle, sum(value[:3])))
        return found[-100:]

    late = places(RegularizedEvolution(space, [maximize("gain"), minimize("cost")], seed=0))
    assert sum(middle for middle, _ in late) / 100 < 3.0  # 6.0 at random
    assert len({place for _, place in late}) > 10  # of 22


@pytest.mark.parametrize(
    "options",
    [{"population": 1}, {"population": 2.5}, {"sample": 0}, {"crossover": 1.5}, {"population": True}],
    ids=str,
)
def test_parameters_out_of_range_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(ControllerError, match=next(iter(options))):
        RegularizedEvolution(NUMBERS, maximize("x"), **options)
