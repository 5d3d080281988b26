"""JSON for spaces and architectures: data only, layers by a name from a closed table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from search_spaces import plugins
from search_spaces.bounds import MOST, beyond
from search_spaces.errors import FormatError, SpaceError
from search_spaces.holes import Choice, is_plain, plain
from search_spaces.nodes import (
    Layer,
    Repeat,
    Sequential,
    Size,
    children,
    is_module_class,
    join,
    rebuilt,
    repeat,
    size,
    unwrapped,
)
from search_spaces.ranges import Integer, Real
from search_spaces.registry import OURS, TORCH, reference, register, used

SPACE_FORMAT = "nasforge-space/1"
ARCHITECTURE_FORMAT = "nasforge-architecture/1"


def dumps(data: Any) -> str:
    """Returns compact JSON text."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def loads(text: str, form: str, modules: Iterable[Callable[..., Any]] | None) -> dict[str, Any]:
    """Reads the JSON object in ``text``, which must say that it has the format ``form``.

    Raises:
        FormatError: not JSON, or of another format.
    """
    register_all(modules)
    if isinstance(text, str | bytes) and len(text) > MOST.characters:
        raise FormatError(beyond("characters", f"JSON of {len(text):,} characters"))
    try:
        data = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise FormatError(f"not JSON: {error}") from None
    if not isinstance(data, dict) or data.get("format") != form or "value" not in data:
        came = data.get("format") if isinstance(data, dict) else type(data).__name__
        raise FormatError(f"expected JSON of the format {form!r}, got {came!r}")
    return data


def encode(node: Any, path: str = "") -> Any:
    """Returns a space or a part of one as plain JSON data.

    Args:
        node: what is to be written.
        path: the path where it stands.

    Raises:
        SpaceError: it holds something that is not data.
    """
    node = unwrapped(plain(node))
    if is_plain(node):
        return node
    if isinstance(node, dict):
        for key, _ in children(node):
            if str(key).startswith("$"):
                raise SpaceError(f"key {key!r}: keys that begin with '$' have a meaning of their own in JSON")
        return rebuilt(node, path, encode)
    if isinstance(node, list):
        return rebuilt(node, path, encode)
    if isinstance(node, tuple):
        return {"$tuple": rebuilt(list(node), path, encode)}
    if isinstance(node, Layer):
        return {"$layer": node.reference, "arguments": rebuilt(node.arguments, path, encode)}
    if isinstance(node, Sequential):
        return {"$sequential": rebuilt(list(node.parts), path, encode)}
    if isinstance(node, Repeat):
        times = encode(node.times, join(path, "times"))
        return {"$repeat": encode(node.block, join(path, 0)), "times": times}
    if isinstance(node, Size):
        return {"$size": node.axis}
    if isinstance(node, Choice):
        options = [[label, encode(option, join(path, label))] for label, option in children(node)]
        return {"$choice": options, "name": node.name}
    if isinstance(node, Integer):
        return {"$integer": [node.low, node.high, node.step], "log": node.log, "name": node.name}
    if isinstance(node, Real):
        return {"$real": [node.low, node.high], "log": node.log, "name": node.name}
    if is_module_class(node):
        register(node)
        return {"$module": reference(node)}
    raise SpaceError(f"{f'{path}: ' if path else ''}JSON holds data only, got {node!r}")


def _ranged(kind: Any, bounds: list[Any], data: dict[str, Any]) -> Any:
    return kind(*bounds, log=data["log"], name=data["name"])


_DECODERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "$tuple": lambda d: tuple(_decode(member) for member in d["$tuple"]),
    "$layer": lambda d: Layer(resolve(d["$layer"]), {k: _decode(v) for k, v in d["arguments"].items()}),
    "$sequential": lambda d: Sequential(tuple(_decode(part) for part in d["$sequential"])),
    "$repeat": lambda d: repeat(_decode(d["$repeat"]), _decode(d["times"])),
    "$size": lambda d: size(d["$size"]),
    "$choice": lambda d: Choice(
        tuple(_decode(option) for _, option in d["$choice"]),
        tuple(label for label, _ in d["$choice"]),
        name=d["name"],
    ),
    "$integer": lambda d: _ranged(Integer, d["$integer"], d),
    "$real": lambda d: _ranged(Real, d["$real"], d),
    "$module": lambda d: resolve(d["$module"]),
}


def decode(data: Any) -> Any:
    """Reads what `encode` wrote.

    Raises:
        FormatError: it is not that.
    """
    try:
        check_depth(data)
        return _decode(data)
    except RecursionError:
        raise FormatError("JSON is nested too deeply") from None


def check_depth(data: Any) -> None:
    """Refuses plain data of too many levels or members, which is more than any space or architecture has.

    Raises:
        FormatError: it passes one of the bounds.
    """
    # JSON has about three levels for one of a space: an option is in a pair, in a list, in a dict
    members, level, depth = 0, [data], 0
    while level:
        members += len(level)
        if depth > 4 * MOST.depth:
            raise FormatError(beyond("depth", "JSON is nested too deeply"))
        if members > 4 * MOST.parts:
            raise FormatError(beyond("parts", "JSON holds too much"))
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below += one.values()
            elif isinstance(one, list):
                below += one
            if len(below) > 4 * MOST.parts:
                break
        level, depth = below, depth + 1


_MORE_KEYS: dict[str, frozenset[str]] = {
    "$layer": frozenset({"arguments"}),
    "$repeat": frozenset({"times"}),
    "$choice": frozenset({"name"}),
    "$integer": frozenset({"log", "name"}),
    "$real": frozenset({"log", "name"}),
}
"""The keys beside its tag that a part has."""


def _decode(data: Any) -> Any:
    if isinstance(data, list):
        return [_decode(member) for member in data]
    if not isinstance(data, dict):
        return data
    tag = next((key for key in data if key.startswith("$")), None)
    if tag is None:
        return {key: _decode(value) for key, value in data.items()}
    if tag not in _DECODERS:
        raise FormatError(f"unknown part {tag!r:.80} in JSON")
    more = data.keys() - _MORE_KEYS.get(tag, frozenset()) - {tag}
    if more:
        raise FormatError(f"broken {tag!r} in JSON: unknown key {min(more)!r:.80}")
    try:
        return _DECODERS[tag](data)
    except (FormatError, RecursionError):
        raise
    except SpaceError as error:
        raise FormatError(f"broken {tag!r} in JSON: {error}") from None
    except Exception as error:  # whatever a stranger's text makes of it
        raise FormatError(f"broken {tag!r} in JSON: {error!r:.300}") from None


def resolve(name: str) -> Callable[..., Any]:
    """Returns the module class that ``name`` stands for.

    Raises:
        FormatError: the table has no such class.
    """
    if name in used:
        return used[name]
    found: Any = None
    if isinstance(name, str) and name.startswith(TORCH):
        import torch.nn

        found = getattr(torch.nn, name.removeprefix(TORCH), None)
    elif isinstance(name, str) and name.startswith(OURS):
        import search_spaces.blocks

        found = getattr(search_spaces.blocks, name.removeprefix(OURS), None)
    elif isinstance(name, str):
        register(*filter(is_module_class, plugins.layers(name)))
        found = used.get(name)
    if not is_module_class(found):
        raise FormatError(
            f"unknown layer {name!r}: import the code that defines it and pass the class in modules=[...]"
        )
    return found  # type: ignore[no-any-return]


def register_all(modules: Iterable[Callable[..., Any]] | None) -> None:
    """Registers the classes of an optional ``modules=`` argument.

    Raises:
        SpaceError: it holds something else.
    """
    if modules is None:
        return
    try:
        found = list(modules)
    except TypeError:
        raise SpaceError(
            f"modules: expected a list of classes of torch modules, got {modules!r:.80}"
        ) from None
    for one in found:
        if not is_module_class(one):
            raise SpaceError(f"modules: expected classes of torch modules, got {one!r:.80} among them")
    register(*found)
