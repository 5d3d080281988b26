"""From an architecture to a network: the real modules, with the sizes that a dry run found."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from search_spaces.building.modules import chain, construct, heads, is_graph, with_modules
from search_spaces.building.network import Network
from search_spaces.building.outline import BATCH
from search_spaces.building.plan import Plan
from search_spaces.model import Model
from search_spaces.nodes import Layer
from search_spaces.signature import Signature

Made = Callable[[Layer, nn.Module], None]
"""Hears of each layer, and the module that was made of it."""


def build(model: Model, signature: Signature, plan: Plan, made: Made | None = None) -> Network:
    """Builds the network for a model and a signature, initialised from torch's global random state.

    Args:
        model: what the network is built from.
        signature: what the network serves.
        plan: what `search_spaces.building.outline.outline` found for the two.
        made: the function that hears of each layer of the body, and the module that was made of it.

    Raises:
        BuildError: it cannot be built; the message says which layer.
    """
    body: nn.Module
    if isinstance(plan.body, Layer) and is_graph(plan.body):
        body = _layer(plan.body, model.where, plan, made)
        body.shapes = dict(plan.shapes)  # type: ignore[assignment]
    else:
        body = chain(plan.body, model.where, lambda node, path: _layer(node, path, plan, made))
    network = Network(body, heads(model, plan, signature), signature)
    if any(isinstance(parameter, UninitializedParameter) for parameter in network.parameters()):
        training = network.training
        with torch.no_grad():  # lazy modules take their sizes from a first input
            network.eval()(signature.example(BATCH))
        network.train(training)
    return network


def _layer(node: Layer, path: str, plan: Plan, made: Made | None) -> nn.Module:
    """The real module of a layer, with what the dry run found."""
    resolved = plan.layers.get(path)
    given = resolved.arguments if resolved else node.arguments

    def make(inner: Layer, where: str) -> nn.Module:
        return _layer(inner, where, plan, made)

    module = construct(node, path, with_modules(given, path, make), "no input reached it in the dry run")
    if made is not None:
        made(node, module)
    return module
