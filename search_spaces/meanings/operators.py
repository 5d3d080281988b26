"""What operators of torch do to numbers: which of them keep them, keep zeros, or hand on what they get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

KEEPS = frozenset(
    (
        *("view", "reshape", "view_as", "reshape_as", "unflatten", "flatten", "chunk", "split", "unbind"),
        *("tensor_split", "contiguous", "clone", "detach", "to", "float", "type_as", "permute", "transpose"),
        *("t", "T", "mT", "swapaxes", "swapdims", "movedim", "moveaxis", "flip", "roll", "narrow", "select"),
        *("expand", "expand_as", "broadcast_to", "repeat", "tile", "repeat_interleave", "squeeze"),
        *("unsqueeze", "__getitem__", "gather", "index_select", "pad", "interpolate", "boolean_dispatch"),
        *("masked_fill", "mean", "sum", "amax", "amin"),
        *(f"{kind}_pool{n}d" for kind in ("max", "avg", "adaptive_avg", "adaptive_max") for n in "123"),
        *(f"_{kind}_pool{n}d" for kind in ("max", "adaptive_max") for n in "123"),
    )
)
"""What puts numbers elsewhere, or makes one of several: zeros stay zeros, and features what they are."""

DROPS = frozenset(
    ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
)
"""What leaves numbers out in training, and nothing otherwise."""

ADDS = frozenset(("add", "add_", "__add__", "__radd__", "__iadd__"))
JOINS = frozenset(("cat", "concat", "concatenate", "stack"))
MULTIPLIES = frozenset(
    (
        *("mul", "mul_", "__mul__", "__rmul__", "__imul__", "matmul", "__matmul__", "__rmatmul__"),
        *("mm", "bmm", "multiply"),
    )
)

DIVIDES = frozenset(("div", "div_", "__truediv__", "__itruediv__", "true_divide", "divide"))

CONSTANTS = frozenset(
    (
        *("ones_like", "zeros_like", "full_like", "empty_like", "rand_like", "randn_like", "new_ones"),
        *("new_zeros", "new_full", "new_empty", "new_tensor", "eq", "ne", "lt", "le", "gt", "ge"),
        *("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "isnan", "isinf", "isneginf"),
        *("isfinite", "size", "dim", "numel", "argmax", "argmin", "argsort"),
    )
)
"""What answers numbers that do not follow those that it gets."""

PASSES_THROUGH_ZERO = frozenset(
    (
        *("gelu", "silu", "silu_", "tanh", "tanh_", "elu", "elu_", "celu", "selu", "leaky_relu"),
        *("leaky_relu_", "hardswish", "mish", "softsign", "hardtanh", "tanhshrink", "sin", "neg"),
        *("asinh", "atan", "erf", "arctan"),
    )
)
"""Functions of each number that are 0 at 0 with a slope there: zeros before them stay zeros, and learn."""

HAS_ONE_SIGN = frozenset(
    ("relu", "relu_", "relu6", "sigmoid", "sigmoid_", "softmax", "exp", "softplus", "abs", "square", "sqrt")
)
"""Functions that answer no number below 0."""

NORMALISES = frozenset(("batch_norm", "layer_norm"))
"""Normalisations that can be set so that they nearly hand on what they get."""


def is_centred(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a convolution can hand on what it gets: it has a middle, and looks there at what it answers.

    Args:
        name: the name of the operator.
        args, kwargs: what it was given.
    """
    if name not in ("conv1d", "conv2d", "conv3d"):
        return False
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    given = dict(zip(names, args, strict=False)) | dict(kwargs)
    weight, dims = given["weight"], given["weight"].dim() - 2
    padding, dilation = (_each(given.get(one, default), dims) for one, default in _DEFAULTS)
    kernel, groups = weight.shape[2:], given.get("groups") or 1
    if any(size % 2 == 0 for size in kernel):
        return False
    margins = [size // 2 * apart for size, apart in zip(kernel, dilation, strict=True)]
    aligned = given.get("padding") == "same" or list(padding) == margins
    return aligned and (groups == 1 or groups == weight.shape[0] == given["input"].shape[-dims - 1])


_DEFAULTS = (("padding", 0), ("dilation", 1))


def _each(value: Any, dims: int) -> list[Any]:
    return [value] * dims if isinstance(value, int | str) else [*value] * (dims if len(value) == 1 else 1)
