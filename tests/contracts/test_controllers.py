"""The laws of controllers, held over every controller in the catalog and its main variants."""

import random
from typing import Any

import pytest

from controllers import (
    NSGA2,
    Controller,
    Draft,
    LocalSearch,
    OptunaController,
    PredictorEvolution,
    RandomSearch,
    RegularizedEvolution,
    Reinforce,
    catalog,
    maximize,
)
from controllers.testing import ControllerContract
from controllers.testing.driving import Make
from controllers.testing.writings import unlikeliness
from search_spaces import Space


class Contract(ControllerContract):
    """The contract, with the test that starts processes marked as such."""

    @pytest.mark.end_to_end
    def test_proposals_do_not_depend_on_the_hash_seed_of_the_process(self) -> None:
        super().test_proposals_do_not_depend_on_the_hash_seed_of_the_process()


class TestRandom(Contract):
    learns = False

    def make(self, space: Any, objectives: Any, /, **options: Any) -> Controller:
        return RandomSearch(space, objectives, **options)


class TestEvolution(Contract):
    def make(self, space: Any, objectives: Any, /, **options: Any) -> Controller:
        return RegularizedEvolution(space, objectives, **options)


class TestEvolutionByCrossoverOnly(Contract):
    def make(self, space: Any, objectives: Any, /, **options: Any) -> Controller:
        return RegularizedEvolution(space, objectives, population=8, sample=3, crossover=1.0, **options)


class TestReinforce(Contract):
    seeds = 30  # it thinks long

    def make(self, space: Any, objectives: Any, /, **options: Any) -> Controller:
        return Reinforce(space, objectives, **options)


class TestReinforceIndependent(Contract):
    def make(self, space: Any, objectives: Any, /, **options: Any) -> Controller:
        return Reinforce(space, objectives, policy="independent", **options)


class TestReinforceScaled(Contract):
    several_objectives = False
    seeds = 20  # it thinks long

    def make(self, space: Any, objectives: Any, /, **options: Any) -> Controller:
        return Reinforce(space, objectives, advantage="scaled", batch=1, **options)


class TestReinforcePPO(Contract):
    def make(self, space: Any, objectives: Any, /, **options: Any) -> Controller:
        return Reinforce(space, objectives, update="ppo", policy="independent", **options)


class TestPredictor(Contract):
    results = 90  # it thinks long
    seeds = 16

    def make(self, space: Any, objectives: Any, /, **options: Any) -> Controller:
        return PredictorEvolution(space, objectives, **options)


class TestLocal(Contract):
    def make(self, space: Any, objectives: Any, /, **options: Any) -> Controller:
        return LocalSearch(space, objectives, **options)


class TestNSGA2(Contract):
    def make(self, space: Any, objectives: Any, /, **options: Any) -> Controller:
        return NSGA2(space, objectives, **options)


class TestOptuna(Contract):
    results = 120  # it thinks long
    seeds = 30

    def make(self, space: Any, objectives: Any, /, **options: Any) -> Controller:
        return OptunaController(space, objectives, **options)


def test_every_controller_of_the_catalog_is_held_to_the_contract() -> None:
    held = {type(kind().make({"a": 1}, maximize("accuracy"))) for kind in Contract.__subclasses__()}
    assert held == set(catalog.values())


def _with_a_taste(make: Make, strength: float) -> Make:
    """The same controller, but some of its proposals are given the first option in one of their holes."""

    def made(space: Space, *args: Any, seed: int, **settings: Any) -> Controller:
        controller = make(space, *args, seed=seed, **settings)
        rng, propose = random.Random(seed), controller._propose

        def biased() -> Draft:
            draft = propose()
            if rng.random() > strength:
                return draft
            path = rng.choice(list(draft.architecture.decisions))
            first = space.holes()[path].value_at(0)
            return Draft(space.architecture({**draft.architecture.decisions, path: first}))

        controller._propose = biased  # type: ignore[method-assign]
        return controller

    return made


@pytest.mark.parametrize("name", ["random", "evolution", "local"])
def test_a_taste_for_the_first_options_would_be_seen(name: str) -> None:
    assert unlikeliness(_with_a_taste(catalog[name], 0.5), 60) < 0.001
