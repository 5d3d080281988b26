"""A step waits for nothing on its device: no number is read back, no shape depends on data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, get_args

import pytest
import torch
from generated import IMAGE, INPUTS, SEVERAL, VECTOR, generated
from on_meta import Waits

from search_spaces import Space, catalog
from search_spaces.catalog import multimodal, multitask
from search_spaces.signature import (
    Classification,
    CountRegression,
    DenseMap,
    Generation,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Regression,
    Retrieval,
    Sequence,
    Signature,
    Tagging,
    Task,
    Tokens,
)
from workers.problems.problem import Problem
from workers.recipe import LossMethod, Recipe
from workers.training import steps
from workers.training.training import train


def waits(model: Any, problem: Problem, **recipe: Any) -> tuple[Counter[str], Counter[str]]:
    """What training on a device would have waited for within steps, and in all of two epochs."""
    network = Space({"model": model}).plain().build(problem.signature)
    settings = Recipe(epochs=2, batch_size=8, **recipe)
    within = Counter[str]()
    step = steps.Stepper.step
    with pytest.MonkeyPatch.context() as patch, Waits() as counting:

        def counted(self: Any, *args: Any) -> Any:
            before = Counter(counting.found)
            made = step(self, *args)
            within.update(counting.found - before)
            return made

        patch.setattr(steps.Stepper, "step", counted)
        assert len(list(train(network, problem, settings, seed=0, device="meta"))) == 2
        return within, counting.found


def check(model: Any, signature: Signature, *, missing: bool = False, **recipe: Any) -> None:
    """Asserts that steps wait for nothing, and epochs of few steps as often as epochs of many."""
    few, many = (generated(signature, examples, missing) for examples in (24, 72))
    within, in_few = waits(model, few, **recipe)
    assert not within
    _, in_many = waits(model, many, **recipe)
    assert in_few == in_many


def _slow(names: Iterable[str], slow: str) -> list[Any]:
    """Names as parameters, one of them marked: recurrent layers take long, step by step on no device."""
    return [pytest.param(name, marks=pytest.mark.slow) if name == slow else name for name in names]


def one(kind: Any, task: Task) -> Signature:
    return Signature({"x": kind}, {"y": task})


TASKS: dict[str, tuple[Any, Task]] = {
    "regression": (IMAGE, Regression(2)),
    "labels": (VECTOR, MultiLabel(3)),
    "order": (VECTOR, Ordinal(3)),
    "counts": (VECTOR, CountRegression(2)),
    "quantiles": (VECTOR, QuantileRegression()),
    "tagging": (Tokens(length=12, vocabulary=30), Tagging(5)),
    "generation": (IMAGE, Generation(length=5, vocabulary=9)),
    "map": (IMAGE, DenseMap(3, 16, 16, discrete=True)),
    "depth": (IMAGE, DenseMap(1, 16, 16, discrete=False)),
}


def test_waiting_is_seen() -> None:
    with Waits() as counting:
        there = torch.ones(4, device="meta")
        for read in (there.sum().item, there.cpu, there.tolist):
            read()
        for shaped in (lambda: there[there > 0], there.nonzero, there.unique):
            with pytest.raises(Exception, match=r".*"):
                shaped()
    assert sum(counting.found.values()) == 6


@pytest.mark.parametrize("name", _slow(INPUTS, "text"))
def test_the_plain_networks_of_the_catalog(name: str) -> None:
    augmentation = "shift" if name in ("cnn", "series") else "off"
    check(catalog.load(name), one(INPUTS[name], Classification(4)), augmentation=augmentation)


@pytest.mark.parametrize("augmentation", ["shift", "cutout"])
def test_series_of_different_lengths(augmentation: str) -> None:
    kind = Sequence(24, 3, padded=True)
    check(catalog.series(), one(kind, Classification(4)), augmentation=augmentation)


def test_averaged_weights() -> None:
    check(catalog.cnn(), one(IMAGE, Classification(4)), schedule="wsd", ema_decay=0.9)


@pytest.mark.parametrize("name", _slow(TASKS, "tagging"))
def test_every_kind_of_task(name: str) -> None:
    kind, task = TASKS[name]
    signature = one(kind, task)
    check(catalog.load(catalog.model_for(signature), **_signature(signature)), signature)


@pytest.mark.parametrize("task", [Classification(3), MultiLabel(3), Ordinal(3)])
def test_losses_that_a_recipe_changes(task: Task) -> None:
    changed = {"label_smoothing": 0.1, "focal": 2.0, "class_weights": "balanced"}
    check(catalog.load("mlp"), one(VECTOR, task), **changed)


def _signature(signature: Signature) -> dict[str, Any]:
    return {"signature": signature} if catalog.model_for(signature) in ("multitask", "multimodal") else {}


def test_retrieval() -> None:
    signature = Signature({"image": IMAGE, "numbers": VECTOR}, {"match": Retrieval("image", "numbers", 8)})
    check(multimodal(signature), signature)


@pytest.mark.parametrize("balancing", get_args(LossMethod))
def test_every_balance_of_losses(balancing: str) -> None:
    signature = Signature({"image": IMAGE}, SEVERAL.tasks)
    check(multitask(signature), signature, balancing=balancing)


@pytest.mark.parametrize("alignment", ["none", "contrastive", "infonce", "mmd", "adversarial"])
def test_several_inputs_some_of_them_missing(alignment: str) -> None:
    check(multimodal(SEVERAL), SEVERAL, missing=True, alignment=alignment, modality_dropout=0.3)


def test_examples_that_lie_elsewhere_are_sent_without_waiting() -> None:
    """The data of these problems lie on the CPU, the networks on another device: all was sent there."""
    signature = one(IMAGE, Classification(4))
    problem = generated(signature)
    assert problem.train.device.type == "cpu"
    within, _ = waits(catalog.cnn(), problem, augmentation="cutout")
    assert not within
