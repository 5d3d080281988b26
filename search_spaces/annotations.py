"""What annotations stand for, and whether values are that.

They are read from text; of what only type checkers see, which is not imported, the name is enough.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import math
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import InitVar
from typing import Annotated, Any, ParamSpec, TypeVar


class Named(type):
    """The class of what is known by its name alone, for its module is imported only while types are checked:
    an instance is what has a class of that name."""

    def __instancecheck__(cls, value: object) -> bool:
        return any(base.__name__ == cls.__name__ for base in type(value).__mro__)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return named(name)  # a class of a module that is not imported, such as pd.DataFrame


def named(name: str) -> Named:
    """Returns what stands for a class of that name."""
    return Named(name, (), {"__class_getitem__": classmethod(lambda cls, item: cls)})


class _Scope(dict[str, Any]):
    """The names that annotations use."""

    def __init__(self, module: str) -> None:
        super().__init__(vars(builtins) | vars(sys.modules[module]))

    def __missing__(self, name: str) -> Any:
        if name.startswith("__"):  # debuggers look for such names in every frame
            raise KeyError(name)
        return named(name)


@functools.lru_cache(maxsize=1024)
def hints(thing: Any) -> dict[str, Any]:
    """Returns the annotations of a function's parameters, or of a class's attributes, by name.

    Args:
        thing: the function; or the class, which has the annotations of those that it is derived from, too.
    """
    if not isinstance(thing, type):
        return _evaluated(thing.__annotations__, thing.__module__)
    found: dict[str, Any] = {}
    for base in reversed(thing.__mro__):
        found |= _evaluated(inspect.get_annotations(base), base.__module__)
    return found


def _evaluated(annotations: Mapping[str, Any], module: str) -> dict[str, Any]:
    scope = _Scope(module)
    # of our own source
    found = {
        name: eval(hint, {}, scope) if isinstance(hint, str) else hint
        for name, hint in annotations.items()
        if name != "return"
    }
    return {name: hint.type if isinstance(hint, InitVar) else hint for name, hint in found.items()}


class Mark:
    """What an annotation says of a number beside its class (`typing.Annotated`)."""

    endless = False
    """Whether the number may be infinite."""

    def fits(self, value: float) -> bool:
        """Whether a number is so."""
        raise NotImplementedError


def plain(value: Any) -> Any:
    """Returns a scalar of numpy as Python's own; anything else as it is."""
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return value.item()
    return value


Fits = Callable[[Any], bool]
"""Whether a value, which is none of NumPy's scalars, is what an annotation says."""


@functools.lru_cache(maxsize=1024)
def fitting(hint: Any) -> Fits:
    """Returns what tells whether values are what an annotation says."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or isinstance(hint, TypeVar | ParamSpec):
        return lambda value: True
    if hint is None or hint is type(None):
        return lambda value: value is None
    if origin is Annotated:
        return _marked(fitting(inner[0]), inner[1:])
    if origin in (typing.Union, types.UnionType):
        several = tuple(map(fitting, inner))
        return lambda value: any(fits(value) for fits in several)
    if origin is typing.Literal:
        return lambda value: any(type(value) is type(one) and value == one for one in inner)
    if hint is bool:
        return lambda value: isinstance(value, bool)
    if hint is int:
        return lambda value: isinstance(value, int) and not isinstance(value, bool)
    if hint is float:
        return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and _finite(value)
    if origin is type or hint is type:
        return lambda value: isinstance(value, type)
    return _of_kind(origin or hint, inner)


def _marked(fits: Fits, given: tuple[Any, ...]) -> Fits:
    """The same for an annotation with marks."""
    marks = [mark for mark in given if isinstance(mark, Mark)]
    endless = any(mark.endless for mark in marks)

    def fits_marks(value: Any) -> bool:
        if endless and type(value) is float and value == math.inf:
            return True
        return fits(value) and all(mark.fits(value) for mark in marks)

    return fits_marks


def _of_kind(kind: Any, inner: tuple[Any, ...]) -> Fits:
    """The same for a class, with the annotations of what its instances hold."""
    if not isinstance(kind, type):
        return callable if kind is Callable else lambda value: True
    if getattr(kind, "_is_protocol", False) and not getattr(kind, "_is_runtime_protocol", False):
        return lambda value: not (isinstance(value, str) and issubclass(kind, Iterable))
    members_fit = _of_members(kind, inner)
    if kind is str or not issubclass(kind, Iterable):
        return lambda value: isinstance(value, kind) and members_fit(value)
    # a text is no list of texts
    return lambda value: not isinstance(value, str) and isinstance(value, kind) and members_fit(value)


def _of_members(kind: type, inner: tuple[Any, ...]) -> Fits:
    """Returns what tells whether what a value holds is what the annotation of its kind says."""
    held = [fitting(one) for one in inner if one is not Ellipsis and not isinstance(one, list)]
    if issubclass(kind, Mapping) and len(inner) == 2:
        key_fits, value_fits = held
        return lambda value: all(key_fits(plain(k)) and value_fits(plain(v)) for k, v in value.items())
    if kind is tuple and inner and inner[-1] is not Ellipsis:
        return lambda value: (
            len(value) == len(held) and all(fits(plain(one)) for fits, one in zip(held, value, strict=True))
        )
    if issubclass(kind, Iterable) and kind is not str and inner:
        fits = held[0]  # what comes once may be gone when it was looked at
        return lambda value: not isinstance(value, Collection) or all(fits(plain(one)) for one in value)
    return lambda value: True


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond those of floats
        return False
