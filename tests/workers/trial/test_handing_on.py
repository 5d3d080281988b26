"""New normalisations hand on what they get, in training, too."""

from __future__ import annotations

import torch
from torch import nn

from search_spaces import Image, Signature, Vector, layer, sequential
from search_spaces.space import Space
from search_spaces.tasks import Regression
from workers.problems import Problem
from workers.trial.handing_on import hand_on


def problem_of(inputs: torch.Tensor, kind: Image | Vector) -> Problem:
    targets = torch.zeros(len(inputs), 1)
    return Problem.from_tensors(
        "mine", (inputs, targets), signature=Signature({"input": kind}, {"value": Regression(1)})
    )


def test_batch_normalisation_hands_on_what_it_gets_in_training_and_in_evaluation() -> None:
    torch.manual_seed(0)
    data = problem_of(3 + 2 * torch.randn(400, 3, 4, 4), Image(3, 4, 4))
    network = Space(sequential(layer(nn.BatchNorm2d), layer(nn.Flatten))).plain().build(data.signature)
    norm = network.body[0]
    hand_on(network, {"body.0"}, data, 0)
    assert network.training
    example = data.train.inputs["input"]
    torch.testing.assert_close(norm.eval()(example), example, rtol=0, atol=1e-3)
    torch.testing.assert_close(norm.train()(example), example, rtol=0, atol=0.3)


def test_layer_normalisation_hands_on_what_another_one_has_made() -> None:
    torch.manual_seed(0)
    data = problem_of(torch.randn(300, 8), Vector(8))
    space = Space(sequential(layer(nn.LayerNorm), layer(nn.LayerNorm)))
    network = space.plain().build(data.signature)
    first, second = network.body
    nn.init.normal_(first.weight, 1, 0.2)
    nn.init.normal_(first.bias, 0, 0.2)
    made = first(data.train.inputs["input"])
    before = (second(made) - made).square().mean()
    hand_on(network, {"body.1"}, data, 0)
    assert (second(made) - made).square().mean() < 0.5 * before


def test_what_is_not_named_stays() -> None:
    data = problem_of(1 + torch.randn(40, 8), Vector(8))
    network = Space(sequential(layer(nn.BatchNorm1d), layer(nn.LayerNorm))).plain().build(data.signature)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    hand_on(network, {"body.1"}, data, 0)
    moved = [name for name, one in network.state_dict().items() if not torch.equal(one, before[name])]
    assert moved
    assert all(name.startswith("body.1.") for name in moved)
