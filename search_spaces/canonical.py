"""One form for all the ways to write the same network, and its hash: the identity of an architecture.

Rules, each of which keeps the function that the network computes:

1. A sequential of sequentials is one sequential; one with a single part is that part.
2. Parts that do nothing are left out: None, ``Identity``, ``Dropout`` with probability 0.
3. Arguments equal to the constructor's defaults are left out, as is ``inplace``; a size given once for every
   axis is given once (``kernel_size=(3, 3)`` is ``3``). The order of keys and arguments does not count.
4. A class of modules may have its own rules, in a static method ``canonical(arguments)`` that returns plain
   data or simpler parts for equal networks: cells and parallel branches do.

A space that builds no network is compared as data.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

from search_spaces.errors import SpaceError
from search_spaces.holes import is_plain
from search_spaces.nodes import Layer, Sequential, Size, constructor
from search_spaces.registry import is_module_class, reference

_PER_AXIS = frozenset({"kernel_size", "stride", "padding", "dilation", "output_size", "output_padding"})
_NO_EFFECT = frozenset({"inplace", "device"})
_DROPOUTS = frozenset({"Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout"})


def identity(value: Any) -> str:
    """The identity of a filled space: 16 hex digits, the same on every machine.

    Raises:
        SpaceError: it holds objects that have no name.
    """
    text = json.dumps(canonical(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def canonical(node: Any) -> Any:
    """``node`` in its canonical form, as JSON data; None where it does nothing."""
    if is_plain(node):
        return node
    if isinstance(node, Layer):
        return _canonical_layer(node)
    if isinstance(node, Sequential):
        parts: list[Any] = []
        for part in node.parts:
            form = canonical(part)
            if isinstance(form, dict) and "$sequential" in form:
                parts += form["$sequential"]
            elif form is not None:
                parts.append(form)
        return parts[0] if len(parts) == 1 else {"$sequential": parts} if parts else None
    if isinstance(node, dict):
        return {key: canonical(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [canonical(member) for member in node]
    if isinstance(node, Size):
        return {"$size": node.axis}
    if is_module_class(node):
        return {"$module": reference(node)}
    if callable(node) and hasattr(node, "__qualname__"):
        return {"$name": f"{node.__module__}.{node.__qualname__}"}
    raise SpaceError(f"{node!r} in an architecture has no identity: use plain data, layers or classes")


def _canonical_layer(node: Layer) -> Any:
    name = node.reference
    if name == "torch.nn.Identity":
        return None
    if name.startswith("torch.nn.") and node.label in _DROPOUTS and node.arguments.get("p", 0.5) == 0:
        return None
    defaults = _defaults(node.factory)
    own: Callable[[dict[str, Any]], Any] | None = getattr(node.factory, "canonical", None)
    if own is not None:
        # arguments that the class refuses have no simpler form: such a network is not built either
        with suppress(ValueError, TypeError, KeyError):
            return canonical(own({**defaults, **node.arguments}))
    arguments = {}
    for key, value in node.arguments.items():
        if key in _NO_EFFECT:
            continue
        if key in _PER_AXIS and isinstance(value, list | tuple) and len(set(map(repr, value))) == 1:
            value = value[0]
        if not (key in defaults and is_plain(value) and _same(defaults[key], value)):
            arguments[key] = canonical(value)
    return {"$layer": name, "arguments": arguments}


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
