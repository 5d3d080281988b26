"""Arguments of layers that only say how large their input is, filled in when it arrives."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor

from search_spaces.errors import BuildError
from search_spaces.inputs import Input, TabularRow, Tokens, Vector
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

Entries = list[tuple[Tensor, Input]]
"""What goes into the network for each of its inputs, and the kind of that input."""


def resolved_arguments(node: Layer, path: str, inputs: list[Tensor], entries: Entries) -> dict[str, Any]:
    """Returns the arguments of a layer with the sizes of its inputs filled in.

    Args:
        node, path: the layer and where it stands.
        inputs: the tensors that came to it; none: it is made before anything comes.
        entries: the inputs of the network, each with its kind.

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
            arguments[name] = _vocabulary(first, entries)
        elif name == "categories" and (categories := _categories(first, entries)) is not None:
            arguments[name] = categories
        elif parameter.default is inspect.Parameter.empty and parameter.kind not in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        ):
            if name == "in_shapes":
                arguments[name] = tuple(map(shape_of, inputs))
            elif name in SIZES:
                arguments[name] = _size(first, SIZES[name], f"{path}.{name}")
            elif name == "num_embeddings" and (vocabulary := _vocabulary(first, entries)) is not None:
                arguments[name] = vocabulary
            elif name == "categories":
                raise BuildError(
                    f"{path}: {node.label} takes rows of a table (TabularRow) or vectors as they come "
                    f"into the network: expected it first, or categories=(...) with the counts of categories "
                    f"of the last columns, got an input of shape {shape_of(first)}"
                )
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


def _vocabulary(first: Tensor | None, entries: Entries) -> int | None:
    """The number of tokens of a layer's input: of that text, or of the only one; None where it has none."""
    if first is None or first.is_floating_point():
        return None
    texts = [(text, kind.vocabulary) for text, kind in entries if isinstance(kind, Tokens)]
    sizes = [size for text, size in texts if len(texts) == 1 or text is first]
    return sizes[0] if sizes else None


def _categories(first: Tensor | None, entries: Entries) -> tuple[int, ...] | None:
    """The counts of categories of a layer's input that is a row, or a vector, of which all are numbers; None
    where it is neither, for what was made of a row is none."""
    for entry, kind in entries:
        if entry is first and isinstance(kind, TabularRow | Vector):
            return kind.categories if isinstance(kind, TabularRow) else ()
    return None
