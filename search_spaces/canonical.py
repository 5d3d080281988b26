"""One form for all the ways to write the same network, and its hash: the identity of an architecture.

Rules, each of which keeps the function that the network computes:

1. A sequential of sequentials is one sequential; one with a single part is that part. A model that is a list
   of layers is a sequential; a body without heads of its own is the model.
2. Parts of a sequential that do nothing are left out: None, ``Identity``, ``Dropout`` with probability 0.
3. Arguments equal to the constructor's defaults are left out. ``1.0`` is ``1``, a tuple is a list; the order
   of keys and arguments does not count.
4. For layers of torch: ``inplace`` and ``device`` are left out; one size for every axis is given once
   (``kernel_size=(3, 3)`` is ``3``); padding in words is padding in numbers; pooling's stride is its kernel.
5. A class of modules may have its own rules, in a static method ``canonical(arguments)`` that returns plain
   data or simpler parts for equal networks: cells, stages and parallel branches do.

A space that builds no network is compared as data.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from search_spaces.errors import SpaceError
from search_spaces.holes import PLAIN, is_plain, plain
from search_spaces.model import Model, as_model
from search_spaces.nodes import (
    Layer,
    Sequential,
    Size,
    constructor,
    is_module_class,
)
from search_spaces.registry import reference

_PER_AXIS = frozenset({"kernel_size", "stride", "padding", "dilation", "output_size", "output_padding"})
_NO_EFFECT = frozenset({"inplace", "device"})
_DROPOUTS = frozenset({"Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout"})
_WRITTEN_AS_THEY_ARE = PLAIN - {float}
_NOTHING: dict[str, Any] = {"$sequential": []}
"""The form of what passes its input on."""
_DEFAULT_HEADS = [
    {"$layer": f"search_spaces.blocks.{name}", "arguments": {}}
    for name in ("Head", "RetrievalHead", "GenerationHead", "DenseHead")
]
"""The heads that tasks have where none is named; none serves a kind of task that another one does."""


def identity(value: Any) -> str:
    """Returns the identity of a filled space: 16 hex digits, the same on every machine.

    Raises:
        SpaceError: it holds objects that have no name.
    """
    value = as_model(value)
    if isinstance(value, dict) and "model" in value:
        value = {**value, "model": as_model(value["model"])}
    text = json.dumps(canonical(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def canonical(node: Any) -> Any:
    """Returns ``node`` in its canonical form, as JSON data; a layer that does nothing is an empty sequential.

    Raises:
        SpaceError: it holds objects that have no name.
    """
    if type(node) in _WRITTEN_AS_THEY_ARE:
        return node
    node = plain(node)
    if isinstance(node, float) and node.is_integer():
        return int(node)
    if is_plain(node):
        return node
    if isinstance(node, Layer):
        return _canonical_layer(node)
    if isinstance(node, Sequential):
        parts: list[Any] = []
        for form in map(canonical, node.parts):
            if isinstance(form, dict) and "$sequential" in form:
                parts += form["$sequential"]
            elif form is not None:
                parts.append(form)
        return parts[0] if len(parts) == 1 else {"$sequential": parts}
    if isinstance(node, dict):
        return {key: canonical(child) for key, child in node.items()}
    if isinstance(node, list | tuple):
        return [canonical(child) for child in node]
    if isinstance(node, Model):
        body, forms = canonical(node.body), canonical(node.heads)
        heads = {task: form for task, form in forms.items() if form not in _DEFAULT_HEADS}
        return {"body": body, "heads": heads} if heads else body
    if isinstance(node, Size):
        return {"$size": node.axis}
    if is_module_class(node):
        return {"$module": reference(node)}
    if callable(node) and hasattr(node, "__qualname__"):
        return {"$name": f"{node.__module__}.{node.__qualname__}"}
    raise SpaceError(f"{node!r:.200} in an architecture has no identity: use plain data, layers or classes")


def _canonical_layer(node: Layer) -> Any:
    name, arguments = node.reference, node.arguments
    defaults = _defaults(node.factory)
    own = vars(node.factory).get("canonical")  # of the class itself: one derived from it may do other things
    if isinstance(own, staticmethod):
        try:
            form = own({**defaults, **arguments})
        except Exception:
            # arguments that the class refuses have no simpler form: such a network is not built either
            pass
        else:
            return canonical(form)
    if name.startswith("torch.nn."):
        if node.label == "Identity" or (node.label in _DROPOUTS and arguments.get("p", 0.5) == 0):
            return _NOTHING
        arguments = _torch_arguments(node.label, arguments)
    kept = {
        key: canonical(value)
        for key, value in arguments.items()
        if not (key in defaults and is_plain(value) and _same(defaults[key], value))
    }
    return {"$layer": name, "arguments": kept}


def _torch_arguments(label: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments of one of torch's layers, in the shortest way to say the same."""
    short = {}
    for key, value in arguments.items():
        if key in _NO_EFFECT:
            continue
        if key in _PER_AXIS and isinstance(value, list | tuple) and len(set(map(repr, value))) == 1:
            value = value[0]
        short[key] = value
    if "Pool" in label and short.get("stride") == short.get("kernel_size"):
        short.pop("stride", None)
    if short.get("padding") == "valid":
        del short["padding"]
    kernel = short.get("kernel_size")
    if short.get("padding") == "same" and isinstance(kernel, int) and kernel % 2 == 1:
        dilation = short.get("dilation", 1)
        if isinstance(dilation, int):
            short["padding"] = kernel // 2 * dilation
    return short


@lru_cache(maxsize=4096)
def _defaults(factory: Callable[..., Any]) -> dict[str, Any]:
    """Plain defaults of a constructor; ``batch_first`` is what `layer` makes of it when it is left out."""
    defaults = {
        name: parameter.default
        for name, parameter in constructor(factory).parameters.items()
        if parameter.default is not inspect.Parameter.empty and is_plain(parameter.default)
    }
    return defaults | ({"batch_first": True} if "batch_first" in defaults else {})


def _same(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)
