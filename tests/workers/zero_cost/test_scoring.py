"""Scores depend on their arguments alone, leave nothing behind, and every space of the catalog has some."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from untrained import random_problem, row

from search_spaces import (
    Classification,
    Image,
    Regression,
    Sequence,
    Signature,
    TabularRow,
    Tokens,
    layer,
)
from search_spaces.catalog import load
from search_spaces.errors import ProblemError, TrainingFailure, UnknownNameError, ZeroCostError
from workers.problems.problem import Problem
from workers.zero_cost import catalog, score

IMAGES = Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10)})
TASKS = Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10), "angle": Regression(2)})
BOTH = Signature({"image": Image(1, 8, 8), "text": Tokens(9, 30)}, {"kind": Classification(10)})
SPACES: dict[str, tuple[Signature, dict[str, Any]]] = {
    "cnn": (IMAGES, {}),
    "mlp": (IMAGES, {}),
    "cell": (IMAGES, {"channels": 4, "cells": 1}),
    "vit": (IMAGES, {}),
    "series": (Signature({"series": Sequence(12, 3)}, {"kind": Classification(10)}), {}),
    "text": (Signature({"text": Tokens(9, 30)}, {"kind": Classification(10)}), {}),
    "table": (Signature({"row": TabularRow(3, (2, 9))}, {"kind": Classification(10)}), {}),
    "multitask": (TASKS, {"signature": TASKS}),
    "multimodal": (BOTH, {"signature": BOTH}),
}
EVERYWHERE = {"num_params", "num_macs", "num_layers", "grad_norm", "snip", "zico"}


@pytest.mark.parametrize("space", SPACES)
def test_every_space_of_the_catalog_is_scored_or_refused_in_one_line(space: str) -> None:
    signature, options = SPACES[space]
    problem, rng = random_problem(signature), random.Random(3)
    for _ in range(2):
        architecture = load(space, **options).sample(rng)
        for name in catalog:
            refused = None
            try:
                found = score(architecture, problem, [name], batch_size=8)
            except ZeroCostError as error:
                refused = str(error)
            if refused is None:
                assert all(key.partition(".")[0] == name for key in found)
                assert not any(np.isnan(value) for value in found.values())
            else:
                assert name not in EVERYWHERE
                assert re.fullmatch(rf"{name}: .*(body|heads|input).*: leave {name} out, .*", refused)


def test_scores_depend_on_the_seed_alone() -> None:
    problem, architecture = random_problem(), row(60, layer(nn.ReLU), layer(nn.Dropout, p=0.5), 5)
    names = list(catalog)
    found = score(architecture, problem, names, batch_size=8, seed=1)
    torch.manual_seed(7)
    again = score(architecture, problem, names[::-1], batch_size=8, seed=1)
    assert again == found
    assert score(architecture, problem, ["snip"], batch_size=8, seed=1)["snip"] == found["snip"]
    other = score(architecture, problem, names, batch_size=8, seed=2)
    assert {name for name in found if found[name] == other[name]} == {
        *("num_params", "num_macs", "num_layers", "az_nas.complexity")
    }


def test_nothing_is_left_behind() -> None:
    problem, architecture = random_problem(), row(6, layer(nn.ReLU), 5)
    held = {name: tensor.clone() for name, tensor in problem.train.inputs.items()}
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    with torch.inference_mode():
        score(architecture, problem, list(catalog), batch_size=8)
        assert torch.is_inference_mode_enabled()
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])
    assert torch.is_grad_enabled()
    for name, tensor in problem.train.inputs.items():
        assert torch.equal(tensor, held[name])
        assert not tensor.requires_grad


class Careless(nn.Module):
    """A module that fails, or makes no number, where it is not on the meta device."""

    def __init__(self, fails: bool) -> None:
        super().__init__()
        self.fails = fails

    def forward(self, input: Tensor) -> Tensor:
        """Nothing good."""
        if input.device.type != "meta" and self.fails:
            raise RuntimeError("too tired")
        return input * float("nan")


def test_what_a_network_raises_names_score_and_layer() -> None:
    problem = random_problem()
    with pytest.raises(TrainingFailure, match=r"^snip: body\.1: RuntimeError: too tired") as failed:
        score(row(4, layer(Careless, fails=True)), problem, ["snip"])
    assert failed.value.reason == "exception"
    with pytest.raises(TrainingFailure, match=r"snip: .*not a number") as failed:
        score(row(4, layer(Careless, fails=False)), problem, ["snip"])
    assert failed.value.reason == "not_finite"


def test_missing_modalities_are_respected() -> None:
    whole = random_problem(BOTH)
    architecture = load("multimodal", signature=BOTH).plain()
    some = whole.drop(modalities=0.4)
    found = score(architecture, some, ["grad_norm", "naswot", "jacov"], batch_size=8)
    assert all(np.isfinite(value) for value in found.values())
    images = random_problem(BOTH.only(inputs=["image"]))
    texts = random_problem(BOTH.only(inputs=["text"]))
    apart = Problem.join("apart", images, texts)
    assert score(architecture, apart, ["grad_norm"], batch_size=8)["grad_norm"] > 0
    with pytest.raises(ProblemError, match="training examples that have all inputs"):
        score(architecture, apart, ["naswot"], batch_size=8)


def test_names_and_sizes_are_checked() -> None:
    problem = random_problem()
    with pytest.raises(UnknownNameError, match="no score named 'sinflow'; did you mean 'synflow'"):
        score(row(4), problem, ["sinflow"])
    with pytest.raises(ZeroCostError, match="batch_size: expected a whole number of at least 2"):
        score(row(4), problem, ["snip"], batch_size=1)
