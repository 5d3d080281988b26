"""What public constructors are given, held against their annotations: one validator for all of them.

`checked` decorates a constructor or a function, `check_fields` is called by a data class. Both are strict:
``"1"`` and ``True`` are no numbers, 1.5 is no whole number; a number of NumPy is the number it is. What is
said is one line, of the error that the caller names: the argument, what was expected, what came.

    class Fleet:
        @checked(ExecutorError)
        def __init__(self, ships: Count = 1, name: str | None = None) -> None: ...

    Fleet(ships=0)  # ExecutorError: Fleet: ships: expected a whole number above 0, got 0
    Fleet(ship=2)  # ExecutorError: Fleet() takes no argument 'ship'; did you mean 'ships'?
"""

from __future__ import annotations

import builtins
import functools
import inspect
import math
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Integral
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeGuard, TypeVar

from search_spaces.errors import NasError, nearest

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class AtLeast:
    """In an annotation: a number that is not below ``least``; with ``endless`` it may be infinite."""

    least: float
    endless: bool = False

    def fits(self, value: float) -> bool:
        """Whether it is such a number."""
        return value >= self.least

    def __str__(self) -> str:
        return f"of at least {self.least:g}"


@dataclass(frozen=True)
class Above:
    """In an annotation: a number above ``least``."""

    least: float

    def fits(self, value: float) -> bool:
        """Whether it is such a number."""
        return value > self.least

    def __str__(self) -> str:
        return f"above {self.least:g}"


@dataclass(frozen=True)
class AtMost:
    """In an annotation: a number that is not above ``most``."""

    most: float

    def fits(self, value: float) -> bool:
        """Whether it is such a number."""
        return value <= self.most

    def __str__(self) -> str:
        return f"of at most {self.most:,}"


Count = Annotated[int, AtLeast(1)]
"""A whole number of at least 1."""

Whole = Annotated[int, AtLeast(0)]
"""A whole number of at least 0."""

Positive = Annotated[float, Above(0)]
"""A finite number above 0."""

NotNegative = Annotated[float, AtLeast(0)]
"""A finite number of at least 0."""

Patience = Annotated[float, AtLeast(0, endless=True)]
"""Seconds; infinity for without end."""

Share = Annotated[float, AtLeast(0), AtMost(1)]
"""A number from 0 to 1."""

Seed = Annotated[int, AtLeast(-(2**63)), AtMost(2**63 - 1)]
"""A whole number of 64 bits."""


def plain(value: Any) -> Any:
    """Returns a scalar of numpy as Python's own; anything else as it is."""
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return value.item()
    return value


def is_whole(value: object) -> TypeGuard[int]:
    """Whether something is a whole number, of Python or another library; truths are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def checked(
    error: Callable[[str], NasError],
    *,
    elsewhere: Collection[str] = (),
    only: Collection[str] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Returns a decorator that refuses arguments that do not fit their annotations.

    Args:
        error: the error to raise.
        elsewhere: the arguments whose values are looked at elsewhere.
        only: the arguments whose values are looked at here; None: all others.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            name = function.__name__
            if name == "__init__":
                name = type(args[0]).__name__
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as wrong:
                raise error(unbound(name, signature, kwargs, wrong)) from None
            hints = _hints(function)
            for given, value in bound.arguments.items():
                hint = hints.get(given, Any)
                kind = signature.parameters[given].kind
                other = given in elsewhere or (only is not None and given not in only)
                if other or kind in (kind.VAR_KEYWORD, kind.VAR_POSITIONAL):
                    continue
                bound.arguments[given] = _checked(value, hint, f"{name}: {given}", error)
            return function(*bound.args, **bound.kwargs)

        return call

    return decorate


def check_fields(instance: Any, error: Callable[[str], NasError], *, elsewhere: Collection[str] = ()) -> None:
    """Refuses values that do not fit the annotations of a data class; numbers of NumPy become Python's own.

    Args:
        instance: an instance of a data class.
        error: the error to raise.
        elsewhere: the fields whose values are looked at elsewhere.

    Raises:
        NasError: the error, where a value does not fit.
    """
    hints = _hints(instance.__class__)
    for one in fields(instance):
        if one.name not in elsewhere:
            value = _checked(getattr(instance, one.name), hints.get(one.name, Any), one.name, error)
            object.__setattr__(instance, one.name, value)


def _checked(value: Any, hint: Any, where: str, error: Callable[[str], NasError]) -> Any:
    value = plain(value)
    if not _fits(value, hint):
        came = " ".join(f"{value!r:.400}".split())  # arrays and frames show themselves over many lines
        raise error(f"{where}: expected {_words(hint)}, got {came:.80}")
    return _members(value, hint)


def unbound(name: str, signature: inspect.Signature, given: Mapping[str, Any], error: TypeError) -> str:
    """Returns what is said of arguments that a function does not take, or that it lacks.

    Args:
        name: the name of the function.
        signature: its parameters.
        given: the arguments that it was given by name.
        error: what Python says of it.
    """
    known = [one for one in signature.parameters if one != "self"]
    for argument in given:
        if argument not in known:
            hint = nearest(argument, known) or f" (there are: {', '.join(known)})"
            return f"{name}() takes no argument {argument!r}{hint}"
    return f"{name}(): {error}"


# -- annotations -------------------------------------------------------------------------------------------


class _Named(type):
    """The class of what is known by its name alone, for its module is imported only while types are checked:
    an instance is what has a class of that name."""

    def __instancecheck__(cls, value: object) -> bool:
        return any(base.__name__ == cls.__name__ for base in type(value).__mro__)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _named(name)  # a class of a module that is not imported, such as pd.DataFrame


def _named(name: str) -> _Named:
    return _Named(name, (), {"__class_getitem__": classmethod(lambda cls, item: cls)})


class _Scope(dict[str, Any]):
    """The names that annotations use."""

    def __init__(self, module: str) -> None:
        super().__init__(vars(builtins) | vars(sys.modules[module]))

    def __missing__(self, name: str) -> Any:
        if name.startswith("__"):  # debuggers look for such names in every frame
            raise KeyError(name)
        return _named(name)


@functools.lru_cache(maxsize=1024)
def _hints(thing: Any) -> dict[str, Any]:
    """The annotations of a function, or of a data class and those it is derived from."""
    if not isinstance(thing, type):
        return _evaluated(thing.__annotations__, thing.__module__)
    hints: dict[str, Any] = {}
    for base in reversed(thing.__mro__):
        hints |= _evaluated(inspect.get_annotations(base), base.__module__)
    return hints


def _evaluated(annotations: Mapping[str, Any], module: str) -> dict[str, Any]:
    scope = _Scope(module)
    # of our own source
    return {
        name: eval(hint, {}, scope) if isinstance(hint, str) else hint
        for name, hint in annotations.items()
        if name != "return"
    }


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value, which is none of NumPy's scalars, is what an annotation says."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or isinstance(hint, TypeVar | ParamSpec):
        return True
    if hint is None or hint is type(None):
        return value is None
    if origin is Annotated:
        marks = [mark for mark in inner[1:] if isinstance(mark, AtLeast | Above | AtMost)]
        endless = any(isinstance(mark, AtLeast) and mark.endless for mark in marks)
        if endless and value == math.inf and type(value) is float:
            return True
        return _fits(value, inner[0]) and all(mark.fits(value) for mark in marks)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is typing.Literal:
        return any(type(value) is type(one) and value == one for one in inner)
    if hint is bool:
        return isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and _finite(value)
    if origin is type or hint is type:
        return isinstance(value, type)
    kind: Any = origin or hint
    if not isinstance(kind, type):
        return callable(value) if kind is Callable else True
    if kind is not str and isinstance(value, str) and issubclass(kind, Iterable):
        return False  # a text is no list of texts
    if getattr(kind, "_is_protocol", False) and not getattr(kind, "_is_runtime_protocol", False):
        return True
    if not isinstance(value, kind):
        return False
    return _members_fit(value, kind, inner)


def _members_fit(value: Any, kind: Any, inner: tuple[Any, ...]) -> bool:
    """Whether what a value holds is what the annotation of its kind says."""
    if issubclass(kind, Mapping) and len(inner) == 2:
        return all(_fits(plain(k), inner[0]) and _fits(plain(v), inner[1]) for k, v in value.items())
    if kind is tuple and inner and inner[-1] is not Ellipsis:
        return len(value) == len(inner) and all(map(_fits, map(plain, value), inner))
    if issubclass(kind, Sequence) and kind is not str and inner:
        return all(_fits(plain(member), inner[0]) for member in value)
    return True


def _members(value: Any, hint: Any) -> Any:
    """The value with NumPy's scalars among its members as Python's own."""
    if type(value) in (list, tuple) and any(plain(member) is not member for member in value):
        return type(value)(map(plain, value))
    if type(value) is dict and any(plain(member) is not member for member in value.values()):
        return {key: plain(member) for key, member in value.items()}
    return value


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond those of floats
        return False


_WORDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "text",
    Path: "a path",
    None: "None",
    type(None): "None",
    Count: "a whole number above 0",
    Seed: "a whole number of 64 bits",
    Share: "a number from 0 to 1",
}


def _words(hint: Any) -> str:
    """What an annotation says, in words."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint in _WORDS:
        return _WORDS[hint]
    if origin is Annotated:
        marks = " and ".join(str(mark) for mark in inner[1:] if isinstance(mark, AtLeast | Above | AtMost))
        return f"{_words(inner[0])} {marks}"
    if origin in (typing.Union, types.UnionType):
        # None is what is not given: nobody needs to be told to write it
        given = [one for one in inner if one is not type(None)]
        return " or ".join(dict.fromkeys(map(_words, given)))
    if origin is typing.Literal:
        return f"one of {', '.join(map(repr, inner))}" if len(inner) > 1 else repr(inner[0])
    kind = origin or hint
    if kind is Callable:
        return "a function"
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return f"a dict of {_words(inner[0])} to {_words(inner[1])}" if inner else "a dict"
    if isinstance(kind, type) and issubclass(kind, Iterable) and inner:
        return f"a list of {_words(inner[0])}"
    return str(getattr(kind, "__name__", kind))
