"""Modules made from the layers of a model: what outlines and networks are put together with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from search_spaces.blocks.graph import Graph
from search_spaces.building.counters import counted_as
from search_spaces.building.head_layers import head_layers
from search_spaces.building.network import Chain
from search_spaces.building.plan import Plan
from search_spaces.errors import BuildError, NasError
from search_spaces.model import Model
from search_spaces.nodes import Layer, Sequential, rebuilt
from search_spaces.signature import Signature

MakeLayer = Callable[[Layer, str], nn.Module]
"""Makes the module of the layer at a path."""


def with_modules(node: Any, path: str, make_layer: MakeLayer) -> Any:
    """A part of a model with a module in place of each layer, and a chain in place of each sequential."""
    if isinstance(node, Layer):
        return make_layer(node, path)
    if isinstance(node, Sequential):
        for i, part in enumerate(node.parts):
            if not isinstance(part, Layer | Sequential):
                raise BuildError(f"{path}.{i}: expected a layer, got {part!r:.80}")
    made = rebuilt(node, path, lambda child, where: with_modules(child, where, make_layer))
    return Chain(*made.parts) if isinstance(made, Sequential) else made


def chain(body: Layer | Sequential, path: str, make_layer: MakeLayer) -> nn.Module:
    """The modules of a body that is no graph."""
    module: nn.Module = with_modules(body, path, make_layer)
    return Chain(module) if isinstance(body, Layer) else module


def construct(node: Layer, path: str, arguments: dict[str, Any], context: str) -> nn.Module:
    """The module that a layer's factory makes of these arguments.

    Raises:
        BuildError: it makes none; ``context`` says what was known at that place.
    """
    try:
        with counted_as(0):
            module = node.factory(**arguments)
    except NasError:
        raise
    except Exception as error:
        raise BuildError(f"{path}: {node.label} cannot be made ({context}): {error}") from error
    if not isinstance(module, nn.Module):
        raise BuildError(f"{path}: {node.label} must be the whole body, it stands for no part of one")
    return module


def heads(model: Model, plan: Plan, signature: Signature) -> list[nn.Module]:
    """The heads of a network, in the order of the signature's tasks."""
    return [
        construct(layer, f"model.heads.{name}", layer.arguments, f"for features {plan.features[name]}")
        for name, layer in head_layers(model.heads, plan.features, signature).items()
    ]


def is_graph(body: Layer | Sequential) -> bool:
    """Whether a body is a graph of calls, not a chain."""
    return isinstance(body, Layer) and body.factory is Graph
