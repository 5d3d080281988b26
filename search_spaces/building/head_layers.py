"""Which head each task has: the one that a space names, or the default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_spaces.blocks.heads.heads import default_head
from search_spaces.errors import BuildError
from search_spaces.model import head_fault
from search_spaces.nodes import Layer, constructor
from search_spaces.signature import Signature, Tagging


def head_layers(
    heads: Mapping[str, Layer], features: Mapping[str, Any], signature: Signature
) -> dict[str, Layer]:
    """Returns the layer that makes each task's head, with all its arguments.

    Args:
        heads: the layer of each task's head as it was written; a task left out has the default.
        features: the shape of what each task's head receives; two shapes where the task is retrieval.
        signature: what is served.

    Raises:
        BuildError: a head is a plain module, which is not made as heads are.
    """
    layers = {}
    for name, task in signature.tasks.items():
        node = heads.get(name) or Layer(default_head(task))
        if (fault := head_fault(node)) is not None:
            raise BuildError(f"the head of {name!r}: {fault}")
        arguments = {**node.arguments, "task": task, "shape": features[name]}
        if "length" in constructor(node.factory).parameters and isinstance(task, Tagging):
            (arguments["length"], *_) = signature.inputs[signature.tagged_input(name)].shape
        layers[name] = Layer(node.factory, arguments)
    return layers
