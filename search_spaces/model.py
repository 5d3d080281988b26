"""What a network is built from: the body and the heads that a filled space names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from search_spaces.nodes import Layer, Sequential, constructor, flat
from search_spaces.signature import Signature


@dataclass(frozen=True)
class Model:
    """What a network is built from.

    Attributes:
        body: what the body of the network is built from.
        heads: the layer that makes each task's head; a task left out has the default.
        where: the path of the body in a space.
    """

    body: Layer | Sequential
    heads: dict[str, Layer] = field(default_factory=dict)
    where: str = "model"


def as_model(value: Any) -> Any:
    """Returns the `Model` that a filled space builds a network from; what is none, as it is.

    It is a layer, a sequential or a list of layers, or a dict with one of these under ``"body"`` and maybe
    the layers of heads, by task, under ``"heads"``.
    """
    if isinstance(value, dict) and "body" in value and value.keys() <= {"body", "heads"}:
        body, heads = _as_body(value["body"]), value.get("heads") or {}
        if isinstance(heads, dict) and all(isinstance(head, Layer) for head in heads.values()):
            return Model(body, heads, "model.body") if isinstance(body, Layer | Sequential) else value
        return value
    body = _as_body(value)
    return Model(body) if isinstance(body, Layer | Sequential) else value


def _as_body(value: Any) -> Any:
    """A list of layers as the sequential it stands for."""
    if isinstance(value, list | tuple):
        parts = tuple(flat(value))
        if parts and all(isinstance(part, Layer) for part in parts):
            return Sequential(parts)
    return value


def head_fault(node: Layer) -> str | None:
    """Returns why the layer of a head cannot be made as heads are, in words; None where it can."""
    parameters = constructor(node.factory).parameters
    takes_more = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    if takes_more or {"task", "shape"} <= parameters.keys():
        return None
    return (
        f"{node.label} is a plain module: a head is made as Mine(task=..., shape=...), with the task and the "
        "shape of one example's features, and answers (N, task.outputs). Write a class with "
        "def __init__(self, task, shape), or put the layer last in the body and leave the head out"
    )


def graph_of(body: Layer | Sequential, signature: Signature) -> str:
    """Returns the code of a graph in which ``body`` receives all inputs of a signature."""
    part = f"layer({body.label})" if isinstance(body, Layer) else "layer(Mine)"
    sources = ", ".join(map(repr, signature.inputs))
    outputs = ", ".join(f"{task!r}: ['joined']" for task in signature.tasks)
    calls = f"{{'joined': ['all', {sources}]}}"
    return f"layer(Graph, parts={{'all': {part}}}, calls={calls}, outputs={{{outputs}}})"
