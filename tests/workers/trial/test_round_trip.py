"""What trains also loads: what a network keeps beside its state_dict is told by its name, in its trial."""

from __future__ import annotations

import re

import pytest
import safetensors.torch
import torch
from torch import nn

from search_spaces import Architecture, Space, layer, sequential
from workers.job import Failed, Finished, Job
from workers.testing.jobs import points
from workers.trial import trial


class LateBuffer(nn.Module):
    """Registers a buffer when it runs for the first time."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and not hasattr(self, "seen"):
            self.register_buffer("seen", x.detach().mean(0))
        return x


class LostBuffer(nn.Module):
    """Forgets a buffer in training."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and hasattr(self, "seen"):
            del self.seen
        return x


class GrowingBuffer(nn.Module):
    """Keeps what it has seen last, whatever its shape."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen = x.detach()[0]
        return x


class PlainAttribute(nn.Module):
    """Learns something that is in no state_dict."""

    def __init__(self) -> None:
        super().__init__()
        self.total = torch.zeros(())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.total = self.total + 1
        return x + self.total


class RandomAnswers(nn.Module):
    """Answers at random, in evaluation mode, too."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.randn_like(x)


class OfType(nn.Module):
    """Computes with numbers of another type."""

    def __init__(self, size: int, kind: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size, dtype=getattr(torch, kind)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        product = x.to(self.weight.dtype) * self.weight
        return (product.real if product.is_complex() else product).to(x.dtype)


def _architecture(*layers: object, **recipe: object) -> Architecture:
    model = sequential(*layers, layer(nn.Linear, out_features=8), layer(nn.BatchNorm1d))
    return Space({"model": model, "recipe": {"epochs": 1, "batch_size": 16, **recipe}}).architecture({})


def _end(architecture: Architecture, *, round_trip: bool = True) -> Finished | Failed:
    job = Job(0, architecture, seed=0, round_trip=round_trip)
    *_, end = trial.run(job, points())
    assert isinstance(end, Finished | Failed)
    return end


@pytest.mark.parametrize("round_trip", [False, True])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (LateBuffer, "body.0.seen: made while the network ran"),
        (LostBuffer, "body.0.seen: was there when the network was built"),
        (GrowingBuffer, r"body.0.seen: of shape \(5,\) now, and of shape \(0,\) when the network was built"),
    ],
)
def test_a_network_that_cannot_be_loaded_again_fails_in_each_trial(
    kind: type[nn.Module], words: str, round_trip: bool
) -> None:
    end = _end(_architecture(layer(kind)), round_trip=round_trip)
    assert isinstance(end, Failed)
    assert end.reason == "build"
    assert not end.infrastructure
    assert re.search(words, end.message)


def test_what_is_learnt_beside_the_state_is_told_where_it_is_asked_for() -> None:
    end = _end(_architecture(layer(PlainAttribute)))
    assert isinstance(end, Failed)
    assert end.reason == "build"
    assert "answers otherwise than the trained one" in end.message
    assert "body.0.total: no buffer; register_buffer makes it one" in end.message
    assert isinstance(_end(_architecture(layer(PlainAttribute)), round_trip=False), Finished)


def test_a_network_that_loads_comes_to_the_same_with_and_without_the_trial_of_it() -> None:
    network = _architecture(layer(nn.Dropout, p=0.3))
    tried, plain = _end(network), _end(network, round_trip=False)
    assert isinstance(tried, Finished)
    assert isinstance(plain, Finished)
    assert tried.metrics == plain.metrics
    assert tried.weights.read() == plain.weights.read()
    assert isinstance(_end(_architecture(layer(RandomAnswers))), Finished)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("kind", ["complex64", "float64", "float16", "bfloat16"])
def test_parameters_of_other_types_train_and_load(kind: str, optimizer: str) -> None:
    end = _end(_architecture(layer(OfType, size=5, kind=kind), optimizer=optimizer))
    assert isinstance(end, Finished), end
    weights = safetensors.torch.load(end.weights.read())
    assert weights["body.0.weight"].dtype == getattr(torch, kind)
    assert not torch.equal(weights["body.0.weight"], torch.ones_like(weights["body.0.weight"]))


def test_a_type_that_no_file_of_weights_holds_is_told_before_any_training() -> None:
    job = Job(0, _architecture(layer(OfType, size=5, kind="complex128")), seed=0)
    (end,) = trial.run(job, points())
    assert isinstance(end, Failed)
    assert end.message.startswith("body.0.weight: its weights cannot be kept")


def test_layers_that_learn_their_size_when_they_run_load() -> None:
    assert isinstance(_end(_architecture(layer(nn.LazyLinear, out_features=4))), Finished)
