"""What a space is made of beside holes and plain data: `layer`, `sequential`, `repeat`, `size`."""

from __future__ import annotations

import inspect
import keyword
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from search_spaces.arguments import checked
from search_spaces.bounds import MOST, beyond, variable
from search_spaces.errors import SpaceError, nearest
from search_spaces.holes import (
    Choice,
    Hole,
    Undecided,
    Value,
    check_no_module,
    is_module,
    plain,
    written_as_layer,
)
from search_spaces.ranges import Integer
from search_spaces.registry import reference, register
from search_spaces.signature import Signature

ROOT = "value"
"""The path of a hole that is the whole space."""


class Wrapper:
    """What stands for its ``value`` wherever it is put: a space within a space."""

    value: Any


@dataclass(frozen=True)
class Size(Undecided):
    """The size of a layer's input along an axis, known only when the network is built. Made by `size`."""

    axis: int
    label = "Size"


@dataclass(frozen=True)
class Layer:
    """A module to be built later: what makes it, and its arguments by name. Made by `layer`.

    Attributes:
        factory: the class of the module.
        arguments: the arguments by name: plain values, more layers, or holes.
        place: where it stood in the space that was filled, with the options that were chosen on the way (and
            ``#n`` where several stand at one path); it is no part of what the layer is. "" for one that stood
            in none.

    Raises:
        SpaceError: an argument whose name is no parameter of the factory, or no name at all.
    """

    factory: Callable[..., Any]
    arguments: dict[str, Any] = field(default_factory=dict)
    place: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        # however a layer comes about, from code or from a text: the names of its arguments reach source code
        if not _names(self.factory) >= self.arguments.keys():
            _check_names(self.factory, self.arguments)

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
        if isinstance(self.times, Integer):
            return self.times.high
        return self.times if isinstance(self.times, int) else max(self.times.values)  # type: ignore


@checked(SpaceError, only=())
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
        raise SpaceError(f"layer({factory!r:.200}): expected a class of torch modules{_instead(factory)}")
    parameters = constructor(factory)
    _check_names(factory, kwargs)
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
    for name, value in arguments.items():
        check_no_module(value, f"layer({factory.__name__}, {name}=...)")
    register(factory)
    return Layer(factory, {name: plain(value) for name, value in arguments.items()})


def _instead(factory: object) -> str:
    """What to write in place of a thing that is no class of modules."""
    if is_module(factory):
        return f", not a module: {written_as_layer(type(factory))}"
    if callable(factory) and not isinstance(factory, type):
        return ": write a class of modules whose forward calls the function"
    return ", such as layer(nn.Linear, out_features=10)"


@lru_cache(maxsize=4096)
def _names(factory: Callable[..., Any]) -> frozenset[str]:
    """The names that arguments of a factory can have, those that are taken in by ``**kwargs`` left out."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return frozenset(p.name for p in constructor(factory).parameters.values() if p.kind in named)


def _check_names(factory: Callable[..., Any], names: Iterable[str]) -> None:
    """Refuses names of arguments that a factory has no parameter for, or that are none in Python.

    Raises:
        SpaceError: a name is so.
    """
    known, where = _names(factory), f"layer({factory.__name__})"
    takes_more = any(
        p.kind is inspect.Parameter.VAR_KEYWORD for p in constructor(factory).parameters.values()
    )
    for name in names:
        if name in known:
            continue
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name) or name == "self":
            raise SpaceError(f"{where}: {name!r:.80} is no name of an argument")
        if not takes_more:
            there = ", ".join(sorted(known)) or "none"
            raise SpaceError(
                f"{where} has no argument {name!r:.80}{nearest(name, known)} (there are: {there:.400})"
            )


def check_part(node: Any, where: str) -> None:
    """Refuses what stands in the place of a layer and is none: a module, a class, a function, a value.

    Args:
        node: the part, with its holes.
        where: where it stands, in words.

    Raises:
        SpaceError: it, or what it may become, is none.
    """
    node = unwrapped(node)
    check_no_module(node, where)
    if isinstance(node, Layer | Sequential) or node is None:
        return  # a sequential has looked at its own parts
    if isinstance(node, Choice):
        for label, option in zip(node.labels, node.options, strict=True):
            check_part(option, f"{where}: option {label!r:.40}")
    elif isinstance(node, Repeat):
        check_part(node.block, f"{where}: the block of the repeat")
    elif isinstance(node, list | tuple):
        for i, part in enumerate(node):
            check_part(part, f"{where}: member {i}")
    elif callable(node):
        raise SpaceError(f"{where}: expected {written_as_layer(node)}, got {node!r:.80} itself")
    else:
        raise SpaceError(f"{where}: expected layers or a hole among them, got {node!r:.80}")


@checked(SpaceError)
def sequential(*parts: Any) -> Sequential:
    """Puts parts in a row; None and identities do nothing, lists and repeats stand for their members.

    Raises:
        SpaceError: a part that cannot be one (a number, a dict, ...).
    """
    if len(parts) > MOST.parts:
        raise SpaceError(beyond("parts", f"sequential() of {len(parts):,}"))
    for i, part in enumerate(parts):
        check_part(part, f"sequential(): part {i}")
    return Sequential(parts)


@checked(SpaceError, only=())
def repeat(block: Any, times: int | tuple[int, int] | Integer | Choice) -> Repeat:
    """Repeats ``block`` several times over, each time with decisions of its own.

    Args:
        block: anything with holes. Name a hole to share one decision among all the copies.
        times: a number, a pair ``(low, high)``, or a hole of whole numbers from 0 to the bound
            (`search_spaces.bounds`).

    Raises:
        SpaceError: ``times`` is none of these, or the block is a module that was made already.
    """
    check_no_module(block, "repeat(): the block")
    times = plain(times)
    if isinstance(times, tuple) and len(times) == 2:
        times = Integer(*times)
    numbers: tuple[Any, ...] = (times,)
    if isinstance(times, Integer):
        numbers = (times.low, times.high)
    elif isinstance(times, Hole):
        numbers = times.values or (None,)
    if not all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= MOST.times for n in numbers):
        raise SpaceError(
            f"repeat(times={times!r:.80}): expected whole numbers >= 0 and <= {MOST.times} (the bound; "
            f"{variable('times')} moves it)"
        )
    return Repeat(block, times)


@checked(SpaceError)
def size(axis: int) -> Size:
    """Returns what stands for the size of a layer's input along ``axis`` (0: the batch) in its arguments."""
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
        return Layer(node.factory, rebuilt(node.arguments, path, change), node.place)
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
