"""Steps that are captured and replayed: what changes from step to step changes all the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from replaying import Replaying
from torch import Tensor, nn

from search_spaces import Classification, Image, Regression, Signature, Space, catalog, layer, sequential
from workers.acceleration import Acceleration, Ran
from workers.job import Report
from workers.problems.problem import Problem
from workers.recipe import Recipe
from workers.training import graphs, training
from workers.training.training import train

SIGNATURE = Signature({"image": Image(1, 8, 8)}, {"a": Classification(4), "b": Regression()})
ONE = Signature(SIGNATURE.inputs, {"a": Classification(4)})
AUTO, ALWAYS, NEVER = (Acceleration(graphs=choice) for choice in ("auto", True, False))


def problem(signature: Signature = ONE, examples: int = 130) -> Problem:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(examples, 1, 8, 8, generator=generator)
    kinds = (images.mean((1, 2, 3)) > 0.5).long() + 2 * (images[:, 0, 0, 0] > 0.5)
    targets = {"a": kinds, "b": images.mean((1, 2, 3)).unsqueeze(1)}
    given = {"image": images}, {name: targets[name] for name in signature.tasks}
    return Problem.from_tensors("generated", given, given, given, signature=signature)


def with_dropout() -> Any:
    return sequential(
        layer(nn.Conv2d, out_channels=6, kernel_size=3),
        layer(nn.BatchNorm2d),
        layer(nn.ReLU),
        layer(nn.Flatten),
        layer(nn.Dropout, p=0.3),
        layer(nn.Linear, out_features=12),
    )


@pytest.fixture
def replaying(monkeypatch: pytest.MonkeyPatch) -> Replaying:
    """A stand-in for the graphs of a card, which trainings on the CPU have for the time of the test."""
    device = Replaying()
    monkeypatch.setattr(graphs, "capture_for", lambda _: device)
    return device


@pytest.fixture(autouse=True)
def rates_of_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a graph the learning rate is a float32: for the same bits, let it be one everywhere."""
    rates = training.learning_rate

    def single(recipe: Recipe, epochs: int, steps: int) -> Callable[[int], float]:
        rate = rates(recipe, epochs, steps)
        return lambda step: float(torch.tensor(rate(step)))

    monkeypatch.setattr(training, "learning_rate", single)


def trained(
    model: Any, data: Problem, acceleration: Acceleration, **recipe: Any
) -> tuple[list[Report], dict[str, Tensor], Ran]:
    torch.manual_seed(0)
    network = Space({"model": model}).plain().build(data.signature)
    ran = Ran()
    settings = Recipe(**{"epochs": 3, "batch_size": 8, **recipe})
    reports = list(train(network, data, settings, seed=0, acceleration=acceleration, ran=ran))
    return [_timeless(report) for report in reports], network.state_dict(), ran


def _timeless(report: Report) -> Report:
    return dataclasses.replace(report, seconds=0.0, samples_per_second=0.0)


RECIPES: dict[str, dict[str, Any]] = {
    "rates, dropout, augmentation": {"schedule": "onecycle", "augmentation": "shift"},
    "sgd": {"optimizer": "sgd", "augmentation": "cutout"},
    "averaged weights": {"schedule": "wsd", "ema_decay": 0.99},
    "adam": {"optimizer": "adam", "schedule": "constant"},
}


@pytest.mark.parametrize("name", RECIPES)
def test_replayed_steps_come_to_the_same_bits(name: str, replaying: Replaying) -> None:
    as_it_is = trained(with_dropout(), problem(), NEVER, **RECIPES[name])
    assert not replaying.captured
    reports, weights, ran = trained(with_dropout(), problem(), ALWAYS, **RECIPES[name])
    assert ran.graphs == "yes"
    assert (replaying.captured, as_it_is[2].graphs) == (1, "no")
    # 130 examples make 16 steps of 8 and one of 2; the first steps, and that of 2 in each epoch, run as ever
    assert replaying.replayed == 3 * 16 - graphs.WARM_UP - 1
    assert reports == as_it_is[0]
    for key, tensor in as_it_is[1].items():
        assert torch.equal(weights[key], tensor), key


@pytest.mark.parametrize("balancing", ["random", "dwa", "uncertainty", "static"])
def test_loss_weights_change_in_replayed_steps(balancing: str, replaying: Replaying) -> None:
    data = problem(SIGNATURE)
    reports, weights, _ = trained(with_dropout(), data, ALWAYS, balancing=balancing)
    as_it_is = trained(with_dropout(), data, NEVER, balancing=balancing)
    assert replaying.replayed
    assert reports == as_it_is[0]
    assert all(torch.equal(weights[key], tensor) for key, tensor in as_it_is[1].items())


@pytest.mark.parametrize("name", ["cnn", "cell", "vit"])
def test_plain_networks_of_the_catalog_are_replayed(name: str, replaying: Replaying) -> None:
    made = trained(catalog.load(name), problem(examples=66), AUTO, epochs=2, batch_size=4)
    assert made[2].graphs == "yes"
    assert made[0] == trained(catalog.load(name), problem(examples=66), NEVER, epochs=2, batch_size=4)[0]


def test_auto_measures_first_and_leaves_steps_that_are_not_launch_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = Replaying(launch_bound=False)
    monkeypatch.setattr(graphs, "capture_for", lambda _: device)
    *_, ran = trained(with_dropout(), problem(), AUTO)
    assert (device.captured, ran.graphs) == (0, "no: a step is not launch-bound")
    *_, ran = trained(with_dropout(), problem(), ALWAYS)
    assert (device.captured, ran.graphs) == (1, "yes")


def test_a_step_that_waits_for_the_device_is_not_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Replaying(waits=("/home/me/project/layers.py:12",))
    monkeypatch.setattr(graphs, "capture_for", lambda _: device)
    *_, ran = trained(with_dropout(), problem(), ALWAYS)
    assert (device.captured, ran.graphs) == (0, "no: a step waits for the device (project/layers.py:12)")


def test_what_cannot_be_captured_runs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(Replaying):
        def record(self, run: Callable[[], None]) -> Callable[[], None]:
            raise RuntimeError("operation not permitted\nwhen stream is capturing")

    monkeypatch.setattr(graphs, "capture_for", lambda _: Refusing())
    reports, _, ran = trained(with_dropout(), problem(), ALWAYS)
    assert ran.graphs == "no: RuntimeError: operation not permitted when stream is capturing"
    assert reports == trained(with_dropout(), problem(), NEVER)[0]


class Counting(nn.Module):
    """A module whose answer depends on what no graph repeats: how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def forward(self, x: Tensor) -> Tensor:
        self.times += self.training
        return x * (1 + self.times % 2)


def test_auto_leaves_modules_of_the_users_alone(replaying: Replaying) -> None:
    own = sequential(layer(nn.Flatten), layer(Counting), layer(nn.Linear, out_features=8))
    *_, ran = trained(own, problem(), AUTO)
    assert not replaying.captured
    assert ran.graphs.startswith("no: Counting (body.1) may do what a graph does not repeat")
    *_, ran = trained(own, problem(), ALWAYS)
    assert (replaying.captured, ran.graphs) == (1, "yes")


def test_examples_without_labels_are_not_captured(replaying: Replaying) -> None:
    data = problem(SIGNATURE).drop(labels=0.3)
    *_, ran = trained(with_dropout(), data, ALWAYS)
    assert (replaying.captured, ran.graphs) == (0, "no: examples lack labels or modalities")


def test_balanced_gradients_are_not_captured(replaying: Replaying) -> None:
    *_, ran = trained(with_dropout(), problem(SIGNATURE), ALWAYS, balancing="nash")
    assert (replaying.captured, ran.graphs) == (0, "no: gradients are balanced on the host")


def test_a_shape_that_comes_once_an_epoch_is_not_captured(replaying: Replaying) -> None:
    *_, ran = trained(with_dropout(), problem(examples=30), ALWAYS, batch_size=16, epochs=8)
    assert not replaying.captured
    assert ran.graphs == "no: no shape of batch came more than 3 times an epoch"


def test_a_cpu_has_no_graphs() -> None:
    *_, ran = trained(with_dropout(), problem(), ALWAYS)
    assert ran.graphs == "no: cpu has none"
    *_, ran = trained(with_dropout(), problem(), AUTO)
    assert ran.graphs == "no"
