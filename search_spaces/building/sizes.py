"""Arguments of layers that only say how large their input is, filled in when it arrives."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor

from search_spaces.errors import BuildError
from search_spaces.nodes import Layer, Size, constructor

SIZES = {
    "in_channels": 1,
    "num_channels": 1,
    "num_features": 1,
    "in_features": -1,
    "input_size": -1,
    "embed_dim": -1,
    "d_model": -1,
    "normalized_shape": -1,
}
"""Arguments that only repeat the input's size, and the axis it is read from."""


def resolved_arguments(
    node: Layer, path: str, inputs: list[Tensor], texts: list[tuple[Tensor, int]]
) -> dict[str, Any]:
    """Returns the arguments of a layer with the sizes of its inputs filled in.

    Args:
        node, path: the layer and where it stands.
        inputs: the tensors that came to it; none: it is made before anything comes.
        texts: the inputs of the network that are tokens, each with its vocabulary.

    Raises:
        BuildError: an argument that must be given and is no such size.
    """
    first = inputs[0] if inputs else None
    parameters = constructor(node.factory).parameters
    arguments = dict(node.arguments)
    for name, parameter in parameters.items():
        if name in arguments:
            if isinstance(arguments[name], Size):
                arguments[name] = _size(first, arguments[name].axis, f"{path}.{name}")
        elif name == "batch_first":
            arguments[name] = True
        elif name == "vocabulary":
            arguments[name] = _vocabulary(first, texts)
        elif parameter.default is inspect.Parameter.empty and parameter.kind not in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        ):
            if name == "in_shapes":
                arguments[name] = tuple(map(shape_of, inputs))
            elif name in SIZES:
                arguments[name] = _size(first, SIZES[name], f"{path}.{name}")
            elif name == "num_embeddings" and (vocabulary := _vocabulary(first, texts)) is not None:
                arguments[name] = vocabulary
            else:
                raise BuildError(
                    f"{path}: {node.label} needs {name!r}, which is not a size of its input: "
                    f"give it a value, or {name}=size(axis)"
                )
    return arguments


def shape_of(first: Tensor | None) -> tuple[int, ...]:
    """The shape of one example."""
    return () if first is None else tuple(first.shape[1:])


def _size(first: Tensor | None, axis: int, where: str) -> int:
    if first is None or not -first.dim() <= axis < first.dim():
        shape = "no tensor" if first is None else f"an input of shape {tuple(first.shape[1:])}"
        raise BuildError(f"{where}: cannot read the size of axis {axis} from {shape}")
    return int(first.shape[axis])


def _vocabulary(first: Tensor | None, texts: list[tuple[Tensor, int]]) -> int | None:
    """The number of tokens of a layer's input: of that text, or of the only one; None where it has none."""
    if first is None or first.is_floating_point():
        return None
    sizes = [size for text, size in texts if len(texts) == 1 or text is first]
    return sizes[0] if sizes else None
