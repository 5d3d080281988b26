"""What a space is made of beside holes and plain data: `layer`, `sequential`, `repeat`, `size`."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from search_spaces.errors import SpaceError
from search_spaces.holes import Choice, Hole, Value, is_plain, plain
from search_spaces.ranges import Integer
from search_spaces.registry import reference, register
from search_spaces.signature import Signature

MOST_TIMES = 10_000
"""The largest number of times of a `repeat`: its holes are listed, so a slip must not fill the memory."""


ROOT = "value"
"""The path of a hole that is the whole space."""


class Wrapper:
    """What stands for its ``value`` wherever it is put: a space within a space."""

    value: Any


@dataclass(frozen=True)
class Size:
    """The size of a layer's input along an axis, known only when the network is built. Made by `size`."""

    axis: int
    label = "Size"


@dataclass(frozen=True)
class Layer:
    """A module to be built later: what makes it, and its arguments by name. Made by `layer`.

    Attributes:
        factory: the class of the module.
        arguments: the arguments by name: plain values, more layers, or holes.
    """

    factory: Callable[..., Any]
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The short name shown to people."""
        return self.factory.__name__

    @property
    def reference(self) -> str:
        """The name by which JSON knows the factory."""
        return reference(self.factory)


class Composite(ABC):
    """A class for `layer` that is no module itself: a model is described with it in few words.

    Made of its arguments when the network is built, it says which layer they stand for.
    """

    @abstractmethod
    def expand(self, signature: Signature | None = None) -> Layer:
        """Returns the layer that is built instead.

        Args:
            signature: what the network must serve; None: all that it can.

        Raises:
            ValueError: the arguments make no network for it.
        """


@dataclass(frozen=True)
class Sequential:
    """Parts one after another, each fed by the one before. Made by `sequential`."""

    parts: tuple[Any, ...]
    label = "sequential"


@dataclass(frozen=True)
class Repeat:
    """A block several times over, each time with decisions of its own. Made by `repeat`."""

    block: Any
    times: int | Integer | Choice
    label = "repeat"

    @property
    def most(self) -> int:
        """The largest number of times."""
        return self.times if isinstance(self.times, int) else max(self.times.values)  # type: ignore


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


def layer(factory: Callable[..., Any], *args: Any, **kwargs: Any) -> Layer:
    """Describes a module to be built later, with plain values, holes or more layers as its arguments.

    Arguments that only say the size of the input may be left out: they are found when the network is built
    (``in_channels``, ``in_features``, ``num_features``, ``input_size``, ``d_model``, ``normalized_shape``,
    ...; for a name of your own pass ``size(axis)``). Lazy modules work too. ``batch_first`` is True unless
    you say otherwise, because sequences come as ``(N, length, features)``.

    Args:
        factory: a class of `torch.nn`, one of ours, or your own `nn.Module`.
        args, kwargs: the arguments to construct it with.

    Example:
        >>> layer(nn.Conv2d, out_channels=choice(16, 32), kernel_size=choice(3, 5), padding="same")

    Raises:
        SpaceError: not a module class, or arguments that its constructor does not take.
    """
    if not is_module_class(factory):
        raise SpaceError(f"layer({factory!r}): expected a class of torch modules")
    parameters = constructor(factory)
    try:
        bound = parameters.bind_partial(*args, **kwargs)
    except TypeError as error:
        raise SpaceError(f"layer({factory.__name__}): {error}") from None
    arguments: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = parameters.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            arguments.update(value)
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            raise SpaceError(f"layer({factory.__name__}): pass its arguments by name")
        else:
            arguments[name] = value
    register(factory)
    return Layer(factory, {name: plain(value) for name, value in arguments.items()})


def sequential(*parts: Any) -> Sequential:
    """Puts parts in a row; None and identities do nothing, lists and repeats stand for their members.

    Raises:
        SpaceError: a part that cannot be one (a number, a dict, ...).
    """
    for i, part in enumerate(parts):
        if isinstance(part, dict) or (is_plain(part) and part is not None):
            raise SpaceError(f"sequential(): part {i}: expected layers or a hole, got {part!r}")
    return Sequential(parts)


def repeat(block: Any, times: int | tuple[int, int] | Integer | Choice) -> Repeat:
    """Repeats ``block`` several times over, each time with decisions of its own.

    Args:
        block: anything with holes. Name a hole to share one decision among all the copies.
        times: a number, a pair ``(low, high)``, or a hole of whole numbers from 0 to `MOST_TIMES`.

    Raises:
        SpaceError: ``times`` is none of these.
    """
    if isinstance(times, tuple) and len(times) == 2:
        times = Integer(*times)
    numbers: tuple[Any, ...] = (times,)
    if isinstance(times, Integer):
        numbers = (times.low, times.high)
    elif isinstance(times, Hole):
        numbers = times.values or (None,)
    if not all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= MOST_TIMES for n in numbers):
        raise SpaceError(f"repeat(times={times!r:.80}): expected whole numbers >= 0 and <= {MOST_TIMES}")
    return Repeat(block, times)


def size(axis: int) -> Size:
    """Returns what stands for the size of a layer's input along ``axis`` (0: the batch) in its arguments."""
    if not isinstance(axis, int):
        raise SpaceError(f"size({axis!r}): expected an axis number")
    return Size(axis)


@lru_cache(maxsize=4096)
def constructor(factory: Callable[..., Any]) -> inspect.Signature:
    """Returns the parameters that ``factory`` takes, without ``self``.

    torch hides those of its recurrent layers behind ``*args``: theirs are their base class's.
    """
    if factory.__module__ == "torch.nn.modules.rnn" and factory.__name__ in ("RNN", "LSTM", "GRU"):
        from torch.nn import RNNBase

        base = inspect.signature(RNNBase)
        own = [p for p in base.parameters.values() if p.name != "mode"]
        if factory.__name__ == "RNN":
            own.append(inspect.Parameter("nonlinearity", inspect.Parameter.KEYWORD_ONLY, default="tanh"))
        return inspect.Signature(own)
    return inspect.signature(factory)


def children(node: Any) -> Iterator[tuple[Value, Any]]:
    """Yields the nodes directly below a node, each with its step of the path.

    They are the options of a choice by their labels, the times and then every copy of a repeat, the arguments
    of a layer, and the members of a sequential, dict, list or tuple. All else has none; for a wrapper ask its
    value, see `unwrapped`.

    Raises:
        SpaceError: a dict with keys that are no text.
    """
    if isinstance(node, Layer):
        yield from node.arguments.items()
    elif isinstance(node, Sequential):
        yield from enumerate(node.parts)
    elif isinstance(node, dict):
        for key in node:
            if not isinstance(key, str):
                raise SpaceError(f"a dict in a space: expected keys of text, got {key!r}")
        yield from node.items()
    elif isinstance(node, list | tuple):
        yield from enumerate(node)
    elif isinstance(node, Choice):
        yield from zip(node.labels, node.options, strict=True)
    elif isinstance(node, Repeat):
        yield "times", node.times
        yield from ((i, node.block) for i in range(node.most))


def rebuilt(node: Any, path: str, change: Callable[[Any, str], Any]) -> Any:
    """Returns a layer, sequential, dict, list or tuple with each child replaced; any other node as it is.

    This is the one place that knows how a node is put together again: what fills, builds, resolves, encodes
    or normalises a space handles its own kinds of nodes, and leaves the rest to this.

    Args:
        node: the node. Holes, repeats and wrappers have no children here: what becomes of them is for the
            caller to say.
        path: the path of the node.
        change: called as ``change(child, path)`` for each child in order; its answer takes the child's place.
    """
    if isinstance(node, Layer):
        return Layer(node.factory, rebuilt(node.arguments, path, change))
    if isinstance(node, dict):
        lead = f"{path}." if path else ""
        return {key: change(child, f"{lead}{key}") for key, child in node.items()}
    if isinstance(node, list):
        lead = f"{path}." if path else ""
        return [change(child, f"{lead}{i}") for i, child in enumerate(node)]
    if isinstance(node, tuple):
        return tuple(rebuilt(list(node), path, change))
    if isinstance(node, Sequential):
        return Sequential(rebuilt(node.parts, path, change))
    return node


def unwrapped(node: Any) -> Any:
    """What a wrapper stands for; any other node is itself."""
    while isinstance(node, Wrapper):
        node = node.value
    return node


def flat(parts: Iterable[Any]) -> Iterator[Any]:
    """Yields the layers of a sequential: lists and sequentials in it opened, None left out."""
    for part in parts:
        if isinstance(part, list | tuple):
            yield from flat(part)
        elif isinstance(part, Sequential):
            yield from flat(part.parts)
        elif part is not None:
            yield part


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


def place_of(hole: Hole, path: str) -> str:
    """The path by which a hole is known: its name, or else where it stands."""
    return hole.name or path or ROOT


def join(path: str, step: Value) -> str:
    """A path one step longer."""
    return f"{path}.{step}" if path else str(step)


def is_module_class(thing: object) -> bool:
    """Whether ``thing`` is a class of modules (without importing torch to find out) or a `Composite`."""
    return isinstance(thing, type) and any(
        base is Composite or (base.__module__ == "torch.nn.modules.module" and base.__name__ == "Module")
        for base in thing.__mro__
    )
