"""What stored searches hold of controllers: names and defaults that may be added to, but not changed."""

import inspect
import random
from dataclasses import fields

import pytest

from controllers import Limit, Objective, catalog, maximize
from controllers.fidelity import catalog as fidelities
from search_spaces import Space, choice, real

COMMON = {"limits": (), "seed": 0, "repeats": False}
SETTINGS = {
    "random": {},
    "evolution": {"population": None, "sample": None, "crossover": 0.2},
    "reinforce": {
        "policy": "lstm", "update": "reinforce", "learning_rate": None, "batch": None, "advantage": "rank",
        "baseline": 0.9, "window": 64, "entropy": 0.1, "hidden": 64, "embedding": 32, "clip": 0.2,
        "passes": 4,
    },
    "predictor": {"initial": None, "results": 300},
    "local": {"starts": 3},
    "nsga2": {
        "population": 50, "founders": None, "sample": None, "crossover": 0.5, "mutation": 0.5,
    },
    "optuna": {"sampler": "tpe"},
}  # fmt: skip
FIDELITIES = {
    "full": {"max_epochs": None},
    "auto": {"max_epochs": None},
    "asha": {"max_epochs": 27, "min_epochs": None, "factor": 3},
    "hyperband": {"max_epochs": 27, "min_epochs": None, "factor": 3},
}
ORIGINS = {
    "random", "prior", "mutation", "crossover", "neighbour", "perturbation", "policy", "model", "sampler",
    "walk", "enumeration",
}  # fmt: skip


def test_a_stored_search_finds_its_controller_and_every_setting_by_name() -> None:
    found = {
        name: {
            parameter.name: parameter.default
            for parameter in inspect.signature(kind.__init__).parameters.values()
            if parameter.name not in {"self", "space", "objectives", *COMMON}
        }
        for name, kind in catalog.items()
    }
    assert found == SETTINGS


@pytest.mark.parametrize("name", catalog)
def test_every_controller_takes_what_a_search_gives_it(name: str) -> None:
    parameters = inspect.signature(catalog[name].__init__).parameters
    assert list(parameters)[1:3] == ["space", "objectives"]
    assert {given: parameters[given].default for given in COMMON} == COMMON


def test_a_stored_search_finds_its_fidelity_and_every_setting_by_name() -> None:
    assert {name: kind().settings for name, kind in fidelities.items()} == FIDELITIES


def test_objectives_and_limits_are_stored_by_the_names_of_their_fields() -> None:
    assert [field.name for field in fields(Objective)] == ["metric", "direction"]
    assert [field.name for field in fields(Limit)] == ["metric", "bound", "at_least"]


@pytest.mark.parametrize("name", catalog)
def test_the_origin_of_a_trial_is_one_of_the_words_that_are_stored(name: str) -> None:
    space = Space({"a": choice(1, 2, 3), "b": choice(x=real(0.0, 1.0), y=choice(1, 2), z=None)})
    controller = catalog[name](space, maximize("accuracy"), seed=1)
    controller.use_prior("plain")
    rng = random.Random(1)
    for _ in range(60):
        proposal = controller.ask()
        assert proposal.origin in ORIGINS
        controller.tell(proposal, {"accuracy": rng.random()})
