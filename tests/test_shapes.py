"""Shapes in annotations: tests check them in every module that is said to be checked; nothing else does."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from joined_networks import SIGNATURE, architecture, problem
from shapes import CHECKED
from torch import Tensor, nn

from controllers.predictor.gaussian_process import GaussianProcess, WeightPrior
from controllers.reinforce.encoding import Token
from controllers.reinforce.learner import Learner
from search_spaces.building.network import Network
from workers.recipe import Recipe
from workers.training.balancing import StaticWeights
from workers.training.criterion import Criterion, TrainingLoss
from workers.training.gradient_balancing import nash_weights

PRIOR = WeightPrior(np.ones((2, 1)), np.zeros(1), np.ones(1))
POLICY = {
    "recurrent": True, "hidden": 4, "embedding": 2, "learning_rate": 0.1, "entropy": 0.0, "seed": 0,
}  # fmt: skip


class LossOfRows(nn.Module):
    """A head whose own loss is one number for each row."""

    def forward(self, features: Tensor) -> Tensor:
        return features

    def loss(self, features: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        return features.sum(1)


def a_target_too_few() -> None:
    GaussianProcess(PRIOR).condition(np.ones((3, 2)), np.ones(2))


def a_decision_too_few() -> None:
    learner = Learner([3, 2], **POLICY)  # type: ignore[arg-type]
    learner._categorical(np.array([0, 1]), np.array([2]), torch.zeros(2), None)


def features_of_too_many_decisions() -> None:
    learner = Learner([3, 2], **POLICY)  # type: ignore[arg-type]
    assert learner.log_likelihood([[Token(0, 1, 0.0), Token(1, 0, 0.0)]])[0].shape == (1,)
    learner.network.logits(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(5, 4))


def a_loss_of_each_row() -> None:
    StaticWeights({})({"kind": torch.ones(3)})


def a_head_with_a_loss_of_each_row() -> None:
    network = architecture(SIGNATURE, "hard").build(SIGNATURE)
    assert isinstance(network, Network)
    batch = problem().train.select(torch.arange(4))
    training_loss = TrainingLoss(network, Criterion(network, SIGNATURE, Recipe()), SIGNATURE)
    assert training_loss(batch).total.shape == ()
    network.heads[0] = LossOfRows()
    TrainingLoss(network, Criterion(network, SIGNATURE, Recipe()), SIGNATURE)(batch)


def a_gramian_that_is_not_square() -> None:
    nash_weights(torch.ones(2, 3, dtype=torch.float64))


WRONG: dict[str, Callable[[], None]] = {
    "controllers.predictor.gaussian_process": a_target_too_few,
    "controllers.reinforce.learner": a_decision_too_few,
    "controllers.reinforce.policy": features_of_too_many_decisions,
    "workers.training.balancing": a_loss_of_each_row,
    "workers.training.criterion": a_head_with_a_loss_of_each_row,
    "workers.training.gradient_balancing": a_gramian_that_is_not_square,
}


def test_every_module_that_is_checked_has_a_shape_that_must_fail() -> None:
    assert set(WRONG) == set(CHECKED)


@pytest.mark.parametrize("module", WRONG)
def test_a_wrong_shape_fails(module: str) -> None:
    with pytest.raises(TypeCheckError, match=re.escape(module)):
        WRONG[module]()


@pytest.mark.slow
def test_outside_of_tests_nothing_is_checked() -> None:
    program = f"""
import importlib, sys
for name in {CHECKED!r}:
    importlib.import_module(name)
assert "beartype" not in sys.modules
from workers.training.balancing import StaticWeights
assert not hasattr(StaticWeights.forward, "__wrapped__")
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[1])
