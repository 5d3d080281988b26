"""What public constructors are given, held against their annotations: one validator for all of them.

`checked` decorates a constructor, a function or a data class; `check_fields` is called by a data class whose
fields were given to somebody else's constructor. Both are strict: ``"1"`` and ``True`` are no numbers, 1.5 is
no whole number; a number of NumPy is the number it is. What is said is one line, of the error that the caller
names: the argument, what was expected, what came.

    class Fleet:
        @checked(ExecutorError)
        def __init__(self, ships: Count = 1, name: str | None = None) -> None: ...

    Fleet(ships=0)  # ExecutorError: Fleet: ships: expected a whole number above 0, got 0
    Fleet(ship=2)  # ExecutorError: Fleet() takes no argument 'ship'; did you mean 'ships'?
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from numbers import Integral
from pathlib import Path
from typing import Annotated, Any, ParamSpec, Protocol, TypeGuard, TypeVar, overload

from search_spaces.annotations import Mark, fitting, hints
from search_spaces.annotations import plain as plain
from search_spaces.errors import NasError, nearest

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

MARK = "__checked__"
"""The attribute of functions whose arguments are checked."""


@dataclass(frozen=True)
class AtLeast(Mark):
    """In an annotation: a number that is not below ``least``; with ``endless`` it may be infinite."""

    least: float
    endless: bool = False

    def fits(self, value: float) -> bool:
        """Whether it is such a number."""
        return value >= self.least

    def __str__(self) -> str:
        return f"of at least {self.least:g}"


@dataclass(frozen=True)
class Above(Mark):
    """In an annotation: a number above ``least``."""

    least: float

    def fits(self, value: float) -> bool:
        """Whether it is such a number."""
        return value > self.least

    def __str__(self) -> str:
        return f"above {self.least:g}"


@dataclass(frozen=True)
class AtMost(Mark):
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


def is_whole(value: object) -> TypeGuard[int]:
    """Whether something is a whole number, of Python or another library; truths are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


class Checking(Protocol):
    """A decorator of functions, and of data classes, whose constructors it changes."""

    @overload
    def __call__(self, thing: type[T], /) -> type[T]: ...
    @overload
    def __call__(self, thing: Callable[P, R], /) -> Callable[P, R]: ...
    def __call__(self, thing: Any, /) -> Any: ...


def checked(
    error: Callable[[str], NasError],
    *,
    elsewhere: Collection[str] = (),
    only: Collection[str] | None = None,
) -> Checking:
    """Returns a decorator that refuses arguments that do not fit their annotations.

    Args:
        error: the error to raise.
        elsewhere: the arguments whose values are looked at elsewhere.
        only: the arguments whose values are looked at here; None: all others.
    """

    def decorate(thing: Any) -> Any:
        if isinstance(thing, type):  # a data class: whoever makes one passes here
            thing.__init__ = wrapped(thing.__init__, thing)  # type: ignore[misc]
            return thing
        return wrapped(thing, thing)

    def wrapped(function: Callable[P, R], annotated: Any) -> Callable[P, R]:
        signature = inspect.signature(function)
        looked_at: list[tuple[str, Any, Any]] = []

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            name = function.__name__
            if name == "__init__":
                name = type(args[0]).__name__
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as wrong:
                raise error(unbound(name, signature, kwargs, wrong)) from None
            if not looked_at:  # now that all names that annotations speak of are there
                looked_at.extend(_looked_at(signature, hints(annotated), elsewhere, only))
            given = bound.arguments
            changed = False
            for argument, default, hint in looked_at:
                value = given.get(argument, default)
                if value is not default:
                    given[argument] = _checked(value, hint, error, name, argument)
                    changed = changed or given[argument] is not value
            return function(*bound.args, **bound.kwargs) if changed else function(*args, **kwargs)

        vars(call)[MARK] = True
        return call

    return decorate


def _looked_at(
    signature: inspect.Signature,
    known: Mapping[str, Any],
    elsewhere: Collection[str],
    only: Collection[str] | None,
) -> Iterator[tuple[str, Any, Any]]:
    """Yields the parameters whose values are looked at: the name, the default, the annotation."""
    for name, one in signature.parameters.items():
        hint = known.get(name, Any)
        other = name in elsewhere or (only is not None and name not in only)
        if not other and hint is not Any and one.kind is not one.VAR_KEYWORD:
            several = types.GenericAlias(tuple, (hint, ...))
            yield (name, (), several) if one.kind is one.VAR_POSITIONAL else (name, one.default, hint)


def is_checked(thing: object) -> bool:
    """Whether a function, or the constructor of a class, passes its arguments through `checked`."""
    return getattr(thing.__init__ if isinstance(thing, type) else thing, MARK, False) is True  # type: ignore[misc]


def check_fields(instance: Any, error: Callable[[str], NasError], *, elsewhere: Collection[str] = ()) -> None:
    """Refuses values that do not fit the annotations of a data class; numbers of NumPy become Python's own.

    Args:
        instance: an instance of a data class.
        error: the error to raise.
        elsewhere: the fields whose values are looked at elsewhere.

    Raises:
        NasError: the error, where a value does not fit.
    """
    known = hints(instance.__class__)
    for one in fields(instance):
        if one.name not in elsewhere:
            value = _checked(getattr(instance, one.name), known.get(one.name, Any), error, one.name)
            object.__setattr__(instance, one.name, value)


def _checked(value: Any, hint: Any, error: Callable[[str], NasError], *where: str) -> Any:
    value = plain(value)
    if not fitting(hint)(value):
        raise error(f"{': '.join(where)}: expected {_words(hint)}, got {_shown(value)}")
    return _members(value)


def _shown(value: Any) -> str:
    """What came, in one line: arrays and frames show themselves over many."""
    try:
        came = " ".join(f"{value!r:.400}".split())
    except Exception:  # whatever a stranger's class raises, and numbers of thousands of digits
        came = ""
    return f"{came:.80}" if came and "://" not in came else type(value).__name__  # addresses have passwords


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


def _members(value: Any) -> Any:
    """The value with NumPy's scalars among its members as Python's own."""
    if type(value) in (list, tuple) and any(plain(member) is not member for member in value):
        return type(value)(map(plain, value))
    if type(value) is dict and any(plain(member) is not member for member in value.values()):
        return {key: plain(member) for key, member in value.items()}
    return value


# -- annotations in words ----------------------------------------------------------------------------------

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
        marks = " and ".join(str(mark) for mark in inner[1:] if isinstance(mark, Mark))
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
    if kind is tuple and inner and inner[-1] is not Ellipsis:
        return f"a tuple ({', '.join(map(_words, inner))})"
    if isinstance(kind, type) and issubclass(kind, Iterable) and inner:
        return f"a list of {_words(inner[0])}"
    return str(getattr(kind, "__name__", kind))
