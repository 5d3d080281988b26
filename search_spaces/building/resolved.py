"""A model with nothing left to be found: every layer of it with all its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from search_spaces.building.head_layers import head_layers
from search_spaces.building.plan import Plan
from search_spaces.model import Model
from search_spaces.nodes import Layer, Sequential, rebuilt
from search_spaces.signature import Signature


@dataclass(frozen=True)
class ResolvedModel:
    """What `search_spaces.building.build.build` makes modules of.

    Attributes:
        body: the body, its composites expanded; sizes of inputs stand with the layers.
        heads: the layers of the heads by task.
        shapes: the shapes of the inputs and calls where the body is a graph; else none.
    """

    body: Layer | Sequential
    heads: dict[str, Layer]
    shapes: dict[str, tuple[int, ...]]


def resolved(model: Model, signature: Signature, plan: Plan) -> ResolvedModel:
    """Returns the model of the network for a signature, its sizes found and its composites expanded.

    Args:
        model: what the network is built from.
        signature: what the network serves.
        plan: what `search_spaces.building.outline.outline` found for the two.
    """

    def filled_in(node: Any, path: str) -> Any:
        if isinstance(node, Layer) and (found := plan.layers.get(path)):
            node = Layer(node.factory, found.arguments)
        return rebuilt(node, path, filled_in)

    body = filled_in(plan.body, model.where)
    return ResolvedModel(body, head_layers(model.heads, plan.features, signature), plan.shapes)
