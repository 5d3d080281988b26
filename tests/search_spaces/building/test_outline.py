"""How often a network is outlined, and what is kept of it."""

import gc
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from search_spaces import Architecture, Classification, Image, Signature, Space, layer, sequential
from search_spaces.building import outline as module
from search_spaces.building.plan import Plan

SIGNATURE = Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10)})
OTHER = Signature({"image": Image(3, 8, 8)}, {"digit": Classification(10)})


def _architecture() -> Architecture:
    body = sequential(layer(nn.Conv2d, out_channels=4, kernel_size=3), layer(nn.BatchNorm2d), layer(nn.ReLU))
    return Space(body).architecture({})


@pytest.fixture
def outlined(monkeypatch: pytest.MonkeyPatch) -> list[Signature]:
    """The signatures of the outlines that are made while the test runs."""
    seen: list[Signature] = []
    outline: Callable[..., Plan] = module.outline

    def counting(model: Any, signature: Signature, **options: Any) -> Plan:
        seen.append(signature)
        return outline(model, signature, **options)

    monkeypatch.setattr(module, "outline", counting)
    return seen


def test_a_network_that_is_limited_built_and_drawn_is_outlined_once(outlined: list[Signature]) -> None:
    architecture = _architecture()
    cost = architecture.cost(SIGNATURE)
    network = architecture.build(SIGNATURE)
    assert architecture.cost(SIGNATURE) == cost
    assert f"{cost.num_params:,} parameters" in architecture.draw(SIGNATURE)
    assert architecture.resolved(SIGNATURE).body.parts[0].arguments["in_channels"] == 1  # type: ignore[union-attr]
    assert sum(parameter.numel() for parameter in network.parameters()) == cost.num_params
    assert outlined == [SIGNATURE]


def test_every_signature_has_an_outline_of_its_own(outlined: list[Signature]) -> None:
    architecture = _architecture()
    assert architecture.cost(SIGNATURE) != architecture.cost(OTHER)
    architecture.build(OTHER)
    assert outlined == [SIGNATURE, OTHER]


def test_networks_that_are_only_built_are_outlined_once_without_being_counted(
    outlined: list[Signature],
) -> None:
    architecture = _architecture()
    architecture.build(SIGNATURE)
    architecture.build(SIGNATURE)
    assert outlined == [SIGNATURE]
    assert architecture.cost(SIGNATURE).num_macs > 0  # which takes a second run, with counters
    assert len(outlined) == 2


def test_weights_do_not_depend_on_what_was_asked_before() -> None:
    fresh, asked = _architecture(), _architecture()
    asked.cost(SIGNATURE)
    states = []
    for architecture in (fresh, asked):
        torch.manual_seed(0)
        states.append(architecture.build(SIGNATURE).state_dict())
    assert all(torch.equal(states[0][name], tensor) for name, tensor in states[1].items())


def test_what_is_kept_holds_no_tensor_and_no_module() -> None:
    gc.collect()
    before = {id(thing) for thing in gc.get_objects()}
    architecture = _architecture()
    architecture.cost(SIGNATURE)
    architecture.build(SIGNATURE)
    gc.collect()
    new = (thing for thing in gc.get_objects() if id(thing) not in before)
    assert not [thing for thing in new if isinstance(thing, torch.Tensor | nn.Module)]


def test_what_is_kept_does_not_travel(outlined: list[Signature]) -> None:
    architecture = _architecture()
    size = len(pickle.dumps(architecture))
    architecture.cost(SIGNATURE)
    assert len(pickle.dumps(architecture)) == size
    there: Architecture = pickle.loads(pickle.dumps(architecture))
    assert there.cost(SIGNATURE) == architecture.cost(SIGNATURE)
    assert len(outlined) == 2
