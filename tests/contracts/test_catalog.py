"""What every space of the catalog promises."""

import json
import os
import random
import subprocess
import sys
from functools import lru_cache
from typing import Any

import pytest
import torch

from search_spaces import (
    Architecture,
    Classification,
    Image,
    Regression,
    Sequence,
    Signature,
    Space,
    Tokens,
    Vector,
)
from search_spaces.catalog import catalog, descriptions, load, recipe
from search_spaces.errors import BuildError, SpaceError, UnknownNameError
from search_spaces.inputs import Input

DIGITS = Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10)})
SERIES = Signature({"series": Sequence(12, 3)}, {"kind": Classification(10)})
TEXT = Signature({"text": Tokens(9, 30)}, {"kind": Classification(10)})
TASKS = Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10), "angle": Regression(2)})
MODALITIES = Signature({"image": Image(1, 8, 8), "text": Tokens(9, 30)}, {"kind": Classification(10)})
SIGNATURES = {"series": SERIES, "text": TEXT, "multitask": TASKS, "multimodal": MODALITIES}
OPTIONS: dict[str, dict[str, Any]] = {
    "cell": {"channels": 4, "cells": 1},
    "multitask": {"signature": TASKS},
    "multimodal": {"signature": MODALITIES},
}
SAMPLES = {name: 30 if name in ("multitask", "multimodal") else 200 for name in catalog}

names = pytest.mark.parametrize("name", list(catalog))


@lru_cache
def _space(name: str) -> Space:
    return load(name, **OPTIONS.get(name, {}))


def _signature(name: str) -> Signature:
    return SIGNATURES.get(name, DIGITS)


def _inputs(signature: Signature, batch: int) -> dict[str, torch.Tensor]:
    """Numbers at random for each input; texts of different lengths, one of them empty."""
    inputs = {}
    for name, kind in signature.inputs.items():
        if isinstance(kind, Tokens):
            lengths = torch.arange(batch).unsqueeze(1) * kind.length // max(1, batch - 1)
            tokens = torch.randint(1, kind.vocabulary, (batch, kind.length))
            inputs[name] = tokens * (torch.arange(kind.length) < lengths)
        else:
            inputs[name] = torch.randn(batch, *kind.shape)
    return inputs


def _samples(name: str, count: int | None = None, seed: int = 0) -> list[Architecture]:
    rng = random.Random(seed)
    return [_space(name).sample(rng) for _ in range(count or SAMPLES[name])]


@names
def test_samples_build_run_and_give_every_parameter_a_gradient(name: str) -> None:
    torch.manual_seed(0)
    signature = _signature(name)
    inputs = _inputs(signature, 4)
    for i, architecture in enumerate(_samples(name)):
        network = architecture.build(signature)
        answers = network(inputs)
        assert {task: tuple(answer.shape) for task, answer in answers.items()} == {
            task: (4, kind.outputs) for task, kind in signature.tasks.items()
        }
        sum(answer.square().mean() for answer in answers.values()).backward()
        gradients = [parameter.grad for parameter in network.parameters()]
        assert all(gradient is not None for gradient in gradients), architecture
        assert 0 < float(torch.nn.utils.get_total_norm(gradients)) < torch.inf, architecture
        if i % 20 == 0:
            cost = architecture.cost(signature)
            assert cost.num_params == sum(parameter.numel() for parameter in network.parameters())
            assert min(cost.num_macs, cost.activation_bytes) > 0


@names
def test_samples_survive_json_and_their_decisions(name: str) -> None:
    space = _space(name)
    for architecture in _samples(name):
        text = architecture.to_json()
        again = Architecture.from_json(text)
        assert again.to_json() == text
        assert space.architecture(json.loads(text)["decisions"]).id == again.id == architecture.id
    again = Space.from_json(space.to_json())
    assert again.holes() == space.holes()
    assert again.sample(random.Random(7)).id == space.sample(random.Random(7)).id


def test_identities_are_the_same_in_every_process() -> None:
    code = (
        "import random, sys; sys.path.insert(0, sys.argv[1]); import test_catalog as t\n"
        "for name in t.catalog: print(*(a.id for a in t._samples(name, 50)))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4321"}
    command = [sys.executable, "-c", code, os.path.dirname(__file__)]
    there = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert there.split() == [a.id for name in catalog for a in _samples(name, 50)]


@names
def test_the_space_is_counted_and_its_samples_differ(name: str) -> None:
    assert _space(name).size() > 10_000
    assert len({architecture.id for architecture in _samples(name)}) > SAMPLES[name] // 2


IMAGES = [Image(1, 8, 8), Image(3, 8, 8), Image(1, 28, 28), Image(3, 32, 32), Image(2, 1, 1), Image(1, 9, 5)]
LENGTHS = [1, 2, 7, 30]
SIZES = [
    *((name, image) for name in catalog if name not in SIGNATURES for image in IMAGES),
    *(("series", Sequence(length, 2)) for length in LENGTHS),
    *(("text", Tokens(length, 5)) for length in LENGTHS),
]


@pytest.mark.parametrize(("name", "kind"), SIZES, ids=str)
def test_inputs_of_any_size_and_several_tasks_are_served(name: str, kind: Input) -> None:
    signature = Signature({"it": kind}, {"kind": Classification(3), "angle": Regression(2)})
    for architecture in _samples(name, 6, seed=1):
        answers = architecture.build(signature)(_inputs(signature, 2))
        assert {task: tuple(answer.shape) for task, answer in answers.items()} == {
            "kind": (2, 3),
            "angle": (2, 2),
        }


@pytest.mark.parametrize("kind", [Vector(5), Sequence(7, 3), Tokens(6, 11)], ids=str)
@pytest.mark.parametrize("join", ["mean", "flatten"])
def test_the_mlp_serves_every_kind_of_input(kind: Vector | Sequence | Tokens, join: str) -> None:
    signature = Signature({"it": kind}, {"kind": Classification(4)})
    space = load("mlp", tokens=join)
    for seed in range(4):
        network = space.sample(random.Random(seed)).build(signature)
        answer = network(_inputs(signature, 3)["it"])
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
