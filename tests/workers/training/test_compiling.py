"""Compiled networks train as they do otherwise; what cannot be compiled is left, and the reason noted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jaxtyping
import pytest
import torch
from generated import IMAGE, INPUTS, SEVERAL, generated
from torch import Tensor, nn

from search_spaces import Space, catalog, layer, sequential
from search_spaces.catalog import multimodal, multitask
from search_spaces.signature import Classification, Sequence, Signature
from workers.acceleration import Acceleration, Ran
from workers.job import Report
from workers.problems.problem import Problem
from workers.recipe import Recipe
from workers.training import steps
from workers.training.training import train

TWO_TASKS = Signature({"image": IMAGE}, SEVERAL.tasks)


def trained(model: Any, problem: Problem, acceleration: Acceleration) -> tuple[list[Report], Ran]:
    torch.manual_seed(0)
    network, ran = Space({"model": model}).plain().build(problem.signature), Ran()
    recipe = Recipe(epochs=2, batch_size=8)
    return list(train(network, problem, recipe, seed=0, acceleration=acceleration, ran=ran)), ran


@pytest.fixture(autouse=True)
def shapes_are_not_checked() -> Iterator[None]:
    """The compiler follows calls into the checks of shapes, which do not know its stand-ins for tensors."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def compare(model: Any, signature: Signature) -> None:
    problem = generated(signature, examples=28)
    compiled, ran = trained(model, problem, Acceleration(compile=True))
    assert ran.compiled == "yes"
    as_it_is, ran = trained(model, problem, Acceleration())
    assert ran.compiled == "no"
    for one, other in zip(compiled, as_it_is, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-3)
        assert one.metrics["loss"] == pytest.approx(other.metrics["loss"], rel=1e-3)


@pytest.mark.soak
@pytest.mark.parametrize("name", INPUTS)
def test_plain_networks_train_as_they_do_otherwise(name: str) -> None:
    compare(catalog.load(name), Signature({"x": INPUTS[name]}, {"y": Classification(4)}))


@pytest.mark.soak
def test_networks_for_series_of_different_lengths_train_as_they_do_otherwise() -> None:
    kind = Sequence(24, 3, padded=True)
    compare(catalog.series(), Signature({"x": kind}, {"y": Classification(4)}))


@pytest.mark.soak
def test_networks_of_several_inputs_and_tasks_train_as_they_do_otherwise() -> None:
    compare(multitask(TWO_TASKS), TWO_TASKS)
    compare(multimodal(SEVERAL), SEVERAL)


class Plain(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def refused(model: Any = None) -> Any:
    return sequential(layer(Plain), layer(nn.Linear, out_features=5))


def test_what_a_compiler_refuses_is_trained_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = generated(TWO_TASKS)

    def refuse(module: nn.Module, **options: Any) -> Any:
        def call(*args: Any) -> Any:
            raise RuntimeError("Unsupported: call to\n a builtin")

        return call

    monkeypatch.setattr(torch, "compile", refuse)
    reports, ran = trained(refused(), problem, Acceleration(compile=True))
    assert ran.compiled == "no: RuntimeError: Unsupported: call to a builtin"
    assert [r.metrics for r in reports] == [r.metrics for r in trained(refused(), problem, Acceleration())[0]]


@pytest.mark.parametrize(("worth", "compiled"), [(1e9, False), (0.0, True)])
def test_auto_compiles_where_the_training_is_long(
    worth: float, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def note(module: nn.Module, **options: Any) -> Any:
        seen.append(module)
        return module

    monkeypatch.setattr(torch, "compile", note)
    monkeypatch.setattr(steps, "WORTH_COMPILING", worth)
    problem = generated(TWO_TASKS, examples=240)
    _, ran = trained(refused(), problem, Acceleration(compile="auto"))
    assert bool(seen) == compiled
    assert ran.compiled == "yes" if compiled else ran.compiled.endswith("do not win back what it takes")
