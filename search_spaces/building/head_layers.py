"""Which head each task has: the one that a space names, or the default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_spaces.blocks.heads.heads import default_head
from search_spaces.errors import BuildError
from search_spaces.nodes import Layer, constructor
from search_spaces.signature import Signature, Tagging


def check_head(node: Layer, where: str) -> None:
    """Refuses the layer of a head that cannot be made as heads are.

    Args:
        node: the layer.
        where: where it stands, in words.

    Raises:
        BuildError: its class has no parameters for the task and the shape of the features.
    """
    parameters = constructor(node.factory).parameters
    takes_more = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    if not takes_more and not {"task", "shape"} <= parameters.keys():
        raise BuildError(
            f"{where}: {node.label} is a plain module: a head is made as Mine(task=..., shape=...), with the "
            "task and the shape of one example's features, and answers (N, task.outputs). Write a class with "
            "def __init__(self, task, shape), or put the layer last in the body and leave the head out"
        )


def head_layers(
    heads: Mapping[str, Layer], features: Mapping[str, Any], signature: Signature
) -> dict[str, Layer]:
    """Returns the layer that makes each task's head, with all its arguments.

    Args:
        heads: the layer of each task's head as it was written; a task left out has the default.
        features: the shape of what each task's head receives; two shapes where the task is retrieval.
        signature: what is served.
    """
    layers = {}
    for name, task in signature.tasks.items():
        node = heads.get(name) or Layer(default_head(task))
        check_head(node, f"the head of {name!r}")
        arguments = {**node.arguments, "task": task, "shape": features[name]}
        if "length" in constructor(node.factory).parameters and isinstance(task, Tagging):
            (arguments["length"], *_) = signature.inputs[signature.tagged_input(name)].shape
        layers[name] = Layer(node.factory, arguments)
    return layers
