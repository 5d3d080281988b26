"""A model with nothing left to be found: every layer of it with all its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from search_spaces.building.build import Plan, outline
from search_spaces.building.head_layers import head_layers
from search_spaces.nodes import Layer, Model, Sequential, join
from search_spaces.signature import Signature


@dataclass(frozen=True)
class ResolvedModel:
    """What `search_spaces.building.build.build` makes modules of.

    Attributes:
        body: composites are expanded; sizes of inputs stand with the layers.
        heads: by task.
        shapes: of the inputs and calls, where the body is a graph; else none.
    """

    body: Layer | Sequential
    heads: dict[str, Layer]
    shapes: dict[str, tuple[int, ...]]


def resolved(model: Model, signature: Signature) -> ResolvedModel:
    """The model of the network that is built for a signature, its sizes found and its composites expanded.

    Raises:
        BuildError: it does not fit.
    """
    _, plan = outline(model, signature)
    body = _with_arguments(plan.body, model.where, plan)
    return ResolvedModel(body, head_layers(model.heads, plan.features, signature), plan.shapes)


def _with_arguments(value: Any, path: str, plan: Plan) -> Any:
    """A part of a model with what the dry run has found."""
    if isinstance(value, Layer):
        found = plan.layers.get(path)
        arguments = found.arguments if found else value.arguments
        return Layer(value.factory, _with_arguments(arguments, path, plan))
    if isinstance(value, Sequential):
        return Sequential(_with_arguments(value.parts, path, plan))
    if isinstance(value, dict):
        return {key: _with_arguments(member, join(path, key), plan) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_with_arguments(member, join(path, i), plan) for i, member in enumerate(value))
    return value
