"""The tests for spaces of one's own: they pass for a good space, and see what is wrong with others."""

import random

import pytest
import torch
from torch import Tensor, nn

from search_spaces import Classification, Image, Signature, Space, choice, layer, sequential
from search_spaces.testing import (
    Make,
    SpaceContract,
    check_answers,
    check_learning,
    identities_elsewhere,
    random_inputs,
    random_presence,
    sampled,
)

SIGNATURE = Signature({"image": Image(1, 4, 4)}, {"digit": Classification(3)})


def small() -> Space:
    return Space(
        sequential(
            layer(nn.Conv2d, out_channels=choice(2, 3), kernel_size=choice(1, 3)),
            choice(relu=layer(nn.ReLU), gelu=layer(nn.GELU)),
        )
    )


def unsteady() -> Space:
    """Of another order in every process: sets of text have none."""
    return Space({"letter": choice(*set("abcdefghijklmnopqrstuvwxyz"))})


class Forgetful(nn.Linear):
    """Makes no use of its bias."""

    def forward(self, input: Tensor) -> Tensor:
        return nn.functional.linear(input.flatten(1), self.weight)


class Loud(nn.Module):
    """Answers what is no number."""

    def forward(self, input: Tensor) -> Tensor:
        return input * torch.inf


class TestSmall(SpaceContract):
    @pytest.fixture
    def make(self) -> Make:
        return small

    @pytest.fixture
    def signature(self) -> Signature:
        return SIGNATURE

    @pytest.fixture
    def samples(self) -> int:
        return 8

    @pytest.fixture
    def least_size(self) -> int:
        return 8


@pytest.mark.slow
def test_a_space_that_differs_between_processes_is_seen() -> None:
    (there,) = identities_elsewhere([unsteady], 20)
    assert there != [architecture.id for architecture in sampled(unsteady(), 20)]


def test_a_parameter_without_a_gradient_is_seen() -> None:
    network = Space(layer(Forgetful, in_features=16, out_features=4)).architecture({}).build(SIGNATURE)
    with pytest.raises(AssertionError, match=r"body\.0\.bias of it gets no gradient"):
        check_learning(network, random_inputs(SIGNATURE, 4), "it")


def test_answers_that_are_not_finite_are_seen() -> None:
    network = Space(layer(Loud)).architecture({}).build(SIGNATURE)
    with pytest.raises(AssertionError, match="answers of it are not finite"):
        check_answers(network, random_inputs(SIGNATURE, 4), "it")


def test_every_example_has_an_input() -> None:
    signature = Signature({name: Image(1, 4, 4) for name in "abc"}, SIGNATURE.tasks)
    rng = random.Random(0)
    presences = [random_presence(signature, 5, rng) for _ in range(20)]
    assert all(torch.stack(list(present.values())).any(0).all() for present in presences)
    assert any(not present["a"].any() for present in presences)
    assert any(not present["c"].all() for present in presences)
