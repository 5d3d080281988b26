"""What every space of the catalog promises."""

import random
import subprocess
import sys
from functools import partial
from typing import Any

import pytest

from search_spaces import (
    Classification,
    CountRegression,
    Image,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Regression,
    Sequence,
    Signature,
    Space,
    TabularRow,
    Tokens,
    Vector,
)
from search_spaces.catalog import catalog, descriptions, load, recipe
from search_spaces.errors import BuildError, SpaceError, UnknownNameError
from search_spaces.inputs import Input
from search_spaces.testing import Make, SpaceContract, identities_elsewhere, random_inputs, sampled

DIGITS = Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10)})
SERIES = Signature({"series": Sequence(12, 3)}, {"kind": Classification(10)})
TEXT = Signature({"text": Tokens(9, 30)}, {"kind": Classification(10)})
ROW = Signature({"row": TabularRow(4, (3, 12))}, {"kind": Classification(10)})
TASKS = Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10), "angle": Regression(2)})
MODALITIES = Signature({"image": Image(1, 8, 8), "text": Tokens(9, 30)}, {"kind": Classification(10)})
SIGNATURES = {"series": SERIES, "text": TEXT, "table": ROW, "multitask": TASKS, "multimodal": MODALITIES}
OPTIONS: dict[str, dict[str, Any]] = {
    "cell": {"channels": 4, "cells": 1},
    "multitask": {"signature": TASKS},
    "multimodal": {"signature": MODALITIES},
}


def _make(name: str) -> Make:
    return partial(load, name, **OPTIONS.get(name, {}))


@pytest.fixture(scope="module")
def identities() -> dict[str, list[str]]:
    """By space the identities of samples, found in one other process for all."""
    return dict(zip(catalog, identities_elsewhere([*map(_make, catalog)], 50), strict=True))


SAMPLES = [5, pytest.param(40, marks=pytest.mark.slow), pytest.param(200, marks=pytest.mark.soak)]


class TestCatalog(SpaceContract):
    @pytest.fixture(params=list(catalog))
    def name(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def make(self, name: str) -> Make:
        return _make(name)

    @pytest.fixture
    def signature(self, name: str) -> Signature:
        return SIGNATURES.get(name, DIGITS)

    @pytest.fixture(params=SAMPLES)
    def samples(self, name: str, request: pytest.FixtureRequest) -> int:
        return min(int(request.param), 30 if name in ("multitask", "multimodal") else 200)

    @pytest.fixture
    def least_size(self) -> int:
        return 10_000

    @pytest.fixture
    def elsewhere(self, name: str, identities: dict[str, list[str]]) -> list[str]:
        return identities[name]


IMAGES = [Image(1, 8, 8), Image(3, 8, 8), Image(1, 28, 28), Image(3, 32, 32), Image(2, 1, 1), Image(1, 9, 5)]
LENGTHS = [1, 2, 7, 30]
ROWS = [TabularRow(1), TabularRow(0, (2,)), TabularRow(3, (5, 300, 2)), Vector(4)]
SIZES = [
    *((name, image) for name in catalog if name not in SIGNATURES for image in IMAGES),
    *(("series", Sequence(length, 2)) for length in LENGTHS),
    *(("text", Tokens(length, 5)) for length in LENGTHS),
    *(("table", row) for row in ROWS),
]


@pytest.mark.parametrize(("name", "kind"), SIZES, ids=str)
def test_inputs_of_any_size_and_several_tasks_are_served(name: str, kind: Input) -> None:
    tasks = {
        "kind": Classification(3),
        "angle": Regression(2),
        "tags": MultiLabel(4),
        "grade": Ordinal(3),
        "visits": CountRegression(),
        "price": QuantileRegression((0.05, 0.25, 0.75, 0.95)),
    }
    signature = Signature({"it": kind}, tasks)
    inputs = random_inputs(signature, 2)
    for architecture in sampled(_make(name)(), 6, seed=1):
        network = architecture.build(signature)
        answers = network(inputs)
        assert {task: tuple(answer.shape) for task, answer in answers.items()} == {
            "kind": (2, 3),
            "angle": (2, 2),
            "tags": (2, 4),
            "grade": (2, 2),
            "visits": (2, 1),
            "price": (2, 4),
        }


@pytest.mark.parametrize("kind", [Vector(5), Sequence(7, 3), Tokens(6, 11), TabularRow(2, (3, 9))], ids=str)
@pytest.mark.parametrize("join", ["mean", "flatten"])
def test_the_mlp_serves_every_kind_of_input(kind: Input, join: str) -> None:
    signature = Signature({"it": kind}, {"kind": Classification(4)})
    space = load("mlp", tokens=join)
    for seed in range(4):
        network = space.sample(random.Random(seed)).build(signature)
        answer = network(random_inputs(signature, 3)["it"])
        assert answer.shape == (3, 4)
        answer.sum().backward()
        assert all(parameter.grad is not None for parameter in network.parameters())


def test_an_image_network_says_that_it_cannot_take_tokens() -> None:
    signature = Signature({"text": Tokens(6, 11)}, {"kind": Classification(4)})
    with pytest.raises(BuildError, match=r"model\.0: ConvNormActivation"):
        load("cnn").sample(random.Random(0)).build(signature)


def test_a_model_and_a_recipe_are_searched_together() -> None:
    space = Space({"model": load("mlp"), "recipe": recipe(epochs=3, optimizer="sgd")})
    architecture = space.sample(random.Random(0))
    assert architecture.recipe is not None
    assert architecture.recipe.keys() == {
        "optimizer",
        "learning_rate",
        "weight_decay",
        "schedule",
        "batch_size",
        "augmentation",
        "epochs",
    }
    assert architecture.recipe["epochs"] == 3
    assert architecture.recipe["optimizer"] == "sgd"
    assert {path.split(".")[0] for path in architecture.decisions} >= {"model", "recipe"}
    architecture.build(DIGITS)


def test_names_and_options_are_checked() -> None:
    assert descriptions().keys() == catalog.keys()
    assert all(20 < len(line) < 110 for line in descriptions().values())
    with pytest.raises(UnknownNameError, match="did you mean 'cnn'"):
        load("cnm")
    with pytest.raises(SpaceError, match="unexpected keyword argument 'width'"):
        load("mlp", width=3)
    with pytest.raises(SpaceError, match="widths: expected at least one option"):
        load("cnn", widths=())
    with pytest.raises(SpaceError, match="stages: expected a whole number >= 1"):
        load("cnn", stages=0)
    with pytest.raises(SpaceError, match="cells"):
        load("cell", cells=0)
    with pytest.raises(SpaceError, match=r"kinds: expected kinds from lstm, .*, got 'bert'"):
        load("text", kinds=("lstm", "bert"))
    with pytest.raises(SpaceError, match="kinds: expected at least one option"):
        load("series", kinds=())


def test_the_catalog_is_read_without_torch() -> None:
    code = "import sys, search_spaces.catalog as c; c.descriptions(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
