"""Training: reports, repeatability, failures, and that it learns."""

import dataclasses
import itertools
from typing import get_args

import joined_networks
import pytest
import torch
from torch import Tensor, nn

from search_spaces import Classification, Image, Regression, Signature, Space, Vector, layer, sequential
from search_spaces.blocks.backbone.patterns import PATTERNS
from search_spaces.errors import TrainingFailure
from workers.job import Finished, Job
from workers.problems import load
from workers.problems.problem import Problem
from workers.recipe import LossMethod, Recipe
from workers.testing.jobs import architecture, points
from workers.training.gradient_balancing import METHODS
from workers.training.training import train
from workers.trial import trial


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_digits_reach_98_percent_of_test_accuracy_with_the_default_recipe(seed: int) -> None:
    def convolution(channels: int) -> list[object]:
        wide = layer(nn.Conv2d, out_channels=channels, kernel_size=3, padding=1)
        return [wide, layer(nn.BatchNorm2d), layer(nn.ReLU)]

    pool = layer(nn.MaxPool2d, kernel_size=2)
    model = sequential(*convolution(16), pool, *convolution(32), pool, layer(nn.Flatten))
    small = Space({"model": model}).architecture({})
    data = load("digits")
    *_, finished = trial.run(Job(0, small, seed), data)
    assert isinstance(finished, Finished)
    assert finished.test_metrics["accuracy"] >= 0.98
    assert finished.metrics["accuracy"] >= 0.97


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("schedule", ["cosine", "constant", "onecycle", "wsd"])
def test_every_optimizer_and_schedule_learns(optimizer: str, schedule: str) -> None:
    problem = points()
    torch.manual_seed(0)  # of the initial weights
    network = architecture(dropout=0.0).build(problem.signature)
    recipe = Recipe(optimizer=optimizer, schedule=schedule, epochs=15, batch_size=8)
    *_, last = train(network, problem, recipe, seed=0)
    assert last.metrics["accuracy"] >= 0.75
    assert last.epoch == 15


@pytest.mark.parametrize("augmentation", ["shift", "cutout"])
def test_augmentation_changes_the_images_and_not_the_data(augmentation: str) -> None:
    images = torch.rand(40, 1, 8, 8)
    problem = Problem.from_tensors("images", (images.clone(), torch.arange(40) % 2), validation=0.2, test=0.2)
    kept = problem.train.inputs["image"].clone()
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    list(train(network, problem, Recipe(augmentation=augmentation, epochs=2), seed=0))
    assert torch.equal(problem.train.inputs["image"], kept)


def test_the_same_seed_gives_the_same_reports_and_another_seed_others() -> None:
    problem = points()

    def losses(seed: int) -> list[float]:
        torch.manual_seed(0)
        network = architecture().build(problem.signature)
        torch.rand(seed + 5)  # what the caller draws meanwhile has no part in it
        return [report.train_loss for report in train(network, problem, Recipe(epochs=3), seed=seed)]

    assert losses(1) == losses(1) != losses(2)


def test_training_may_be_left_off_and_leaves_the_random_states_alone() -> None:
    problem = points()
    network = architecture().build(problem.signature)
    before = torch.get_rng_state()
    reports = train(network, problem, Recipe(epochs=50), seed=0)
    assert [report.epoch for report in itertools.islice(reports, 2)] == [1, 2]
    assert torch.equal(torch.get_rng_state(), before)
    assert not network.training


class Views(nn.Module):
    """As many write it: works in the ordinary memory layout only."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 4, 3, padding=1)
        self.answer = nn.Linear(4 * 36, 2)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.convolution(x)
        return self.answer(hidden.view(hidden.size(0), -1))


def test_a_network_that_views_what_its_convolution_gives_trains_as_well() -> None:
    problem = Problem.from_tensors("images", (torch.rand(40, 2, 6, 6), torch.arange(40) % 2))
    assert len(list(train(Views(), problem, Recipe(epochs=2), seed=0))) == 2


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.answer(x.mul_(2))


def test_a_network_that_changes_its_input_does_not_change_the_data() -> None:
    problem = points()
    kept = [split.inputs["point"].clone() for split in (problem.train, problem.validation)]
    list(train(InPlace(), problem, Recipe(epochs=2), seed=0))
    assert torch.equal(problem.train.inputs["point"], kept[0])
    assert torch.equal(problem.validation.inputs["point"], kept[1])


def test_several_inputs_and_tasks_go_by_name() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kind, self.size = nn.Linear(7, 3), nn.Linear(7, 2)

        def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
            hidden = torch.cat([inputs["a"], inputs["b"].flatten(1)], 1)
            return {"kind": self.kind(hidden), "size": self.size(hidden)}

    signature = Signature(
        {"a": Vector(3), "b": Image(1, 2, 2)}, {"kind": Classification(3), "size": Regression(2)}
    )
    inputs = {"a": torch.randn(50, 3), "b": torch.rand(50, 1, 2, 2)}
    targets = {"kind": torch.arange(50) % 3, "size": torch.randn(50, 2)}
    problem = Problem.from_tensors("both", (inputs, targets), signature=signature)
    *_, report = train(Both(), problem, Recipe(epochs=2), seed=0)
    assert tuple(report.metrics) == problem.metrics
    assert {"kind.accuracy", "size.rmse", "size.r2", "loss"} <= set(report.metrics)


def test_a_failure_in_training_keeps_its_cause() -> None:
    class Broken(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("no such luck")

    with pytest.raises(TrainingFailure, match="RuntimeError: no such luck") as caught:
        list(train(Broken(5, 3), points(), Recipe(), seed=0))
    assert caught.value.reason == "exception"
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_loss_that_is_not_finite_ends_the_training() -> None:
    with pytest.raises(TrainingFailure, match="training loss became nan in epoch 1") as caught:
        list(
            train(nn.Sequential(nn.Linear(5, 3), nn.Threshold(1e9, float("nan"))), points(), Recipe(), seed=0)
        )
    assert caught.value.reason == "not_finite"


def test_training_beyond_its_seconds_is_a_timeout() -> None:
    with pytest.raises(TrainingFailure) as caught:
        list(train(nn.Linear(5, 3), points(), Recipe(epochs=10**6), seed=0, seconds=0.2))
    assert caught.value.reason == "timeout"


# --- several tasks and modalities ---


@pytest.mark.parametrize(
    "balancing",
    [
        pytest.param(method, marks=[pytest.mark.slow] * (method not in ("equal", "uncertainty", "upgrad")))
        for method in (*get_args(LossMethod), *METHODS)
    ],
)
def test_every_balance_learns_with_half_of_the_labels_and_a_third_of_the_modalities_gone(
    balancing: str,
) -> None:
    data = joined_networks.problem().drop(labels=0.5, modalities=0.3)
    recipe = {"balancing": balancing, "modality_dropout": 0.3, "task_weights": {"kind": 2.0}, "epochs": 6}
    architecture = joined_networks.architecture(data.signature, **recipe)
    torch.manual_seed(0)
    network = architecture.build(data.signature)
    reports = list(train(network, data, Recipe.of(architecture), seed=0))
    assert all(bool(parameter.isfinite().all()) for parameter in network.parameters())
    assert reports[-1].train_loss < 0.9 * reports[0].train_loss
    assert reports[-1].metrics["score"] > reports[0].metrics["score"]


@pytest.mark.parametrize(
    "sharing",
    [pytest.param(kind, marks=[pytest.mark.slow] * (kind not in ("hard", "private"))) for kind in PATTERNS],
)
def test_every_pattern_of_sharing_trains_with_every_term_beside_the_losses(sharing: str) -> None:
    data = joined_networks.problem().drop(labels=0.3, modalities=0.2)
    domain = torch.arange(len(data.train)) % 2
    data = dataclasses.replace(data, train=dataclasses.replace(data.train, domain=domain))
    for alignment in ("infonce", "adversarial"):
        architecture = joined_networks.architecture(
            data.signature, sharing, balancing="pcgrad", alignment=alignment, sampling="round_robin", epochs=2
        )
        network = architecture.build(data.signature)
        reports = list(train(network, data, Recipe.of(architecture), seed=0))
        assert len(reports) == 2
        assert all(bool(parameter.isfinite().all()) for parameter in network.parameters())


def test_a_task_that_no_batch_of_an_epoch_has_keeps_its_head() -> None:
    data = joined_networks.problem()
    labelled = torch.arange(len(data.train)) < 20
    # the first domain has the labels; the domains come one after another
    halves = dataclasses.replace(data.train, labelled={"size": labelled}, domain=(~labelled).long())
    data = dataclasses.replace(data, train=halves)
    architecture = joined_networks.architecture(data.signature)
    network = architecture.build(data.signature)

    def head() -> list[Tensor]:
        return [parameter.detach().clone() for parameter in network.head("size").parameters()]

    seen = [head()]
    recipe = Recipe.of(architecture).model_copy(update={"sampling": "alternate", "weight_decay": 0.1})
    for _ in train(network, data, recipe, seed=0):
        seen.append(head())
    same = [all(map(torch.equal, one, other)) for one, other in itertools.pairwise(seen)]
    assert same == [False, True, False]


def test_the_training_loss_is_the_sum_of_the_tasks_means_whatever_they_weigh() -> None:
    data = joined_networks.problem()
    architecture = joined_networks.architecture(data.signature)
    losses = []
    for recipe in ({}, {"balancing": "static", "task_weights": {"kind": 0.5}}):
        torch.manual_seed(0)
        network = architecture.build(data.signature)
        # nothing is learned, so that the loss is the same in each step
        settings = Recipe(epochs=1, learning_rate=1e-30, weight_decay=0.0, **recipe)  # type: ignore[arg-type]
        losses += [report.train_loss for report in train(network, data, settings, seed=0)]
    assert losses[0] == losses[1]


def test_static_weights_of_unknown_tasks_fail_the_training() -> None:
    data = joined_networks.problem()
    network = joined_networks.architecture(data.signature).build(data.signature)
    with pytest.raises(TrainingFailure, match=r"recipe\.task_weights: expected tasks of"):
        list(train(network, data, Recipe(balancing="static", task_weights={"no": 1.0}), seed=0))
