"""What a dry run finds: the plan of the network that is built for a signature."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from search_spaces.building.cost import Cost
from search_spaces.building.work import Work
from search_spaces.nodes import Layer, Sequential


@dataclass
class Resolved:
    """A layer after the dry run: its final arguments and the shapes of one example (no batch axis)."""

    arguments: dict[str, Any]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...] = ()
    num_params: int = 0


@dataclass
class Plan:
    """What the dry run found, as numbers and names: it holds no module and no tensor.

    Attributes:
        body: what the body is built from: a composite is expanded.
        layers: the layers by path.
        features: the shape of what each task's head receives; two shapes where the task is retrieval.
        shapes: the shapes of the inputs and calls of a graph.
        head_params: the number of parameters of each task's head.
        cost: what the network costs; None where nobody asked.
        work: what its operators do; None where nobody asked.
        copies: how many copies were made of layers to be made later.
    """

    body: Layer | Sequential
    layers: dict[str, Resolved] = field(default_factory=dict)
    features: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    head_params: dict[str, int] = field(default_factory=dict)
    cost: Cost | None = None
    work: Work | None = None
    copies: int = 0
