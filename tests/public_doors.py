"""The public doors: functions, constructors and methods that take arguments, by the names that people use."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from search_spaces.plugins import Catalog

ROOT = Path(__file__).parents[1]
PACKAGES = ("nas", "controllers", "workers", "search_spaces")

Door = Callable[..., Any]


def rooms() -> list[str]:
    """The modules that say which of their names are public, packages before their rooms."""
    found = []
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            if "\n__all__ = " in file.read_text(encoding="utf-8"):
                path = file.relative_to(ROOT).with_suffix("")
                found.append(".".join(path.parts).removesuffix(".__init__"))
    return sorted(found, key=lambda name: (name.count("."), name))


@cache
def doors() -> dict[str, Door]:
    """What takes arguments, by name: ``nas.load``, ``nas.Store``, ``nas.Store.trials``, ...

    A constructor is its class. A name that several rooms have is told by the first of them, a method by the
    first class that defines it.
    """
    found: dict[str, Door] = {}
    seen: set[int] = set()
    for room in rooms():
        module = import_module(room)
        for name in module.__all__:
            for suffix, door in _of(getattr(module, name)):
                if id(door) not in seen and parameters(door):
                    seen.add(id(door))
                    found[f"{room}.{name}{suffix}"] = door
    return found


def _of(thing: object) -> Iterator[tuple[str, Door]]:
    """The doors of a public thing, each with what follows its name."""
    if isinstance(thing, Catalog):
        for name, entry in thing.items():
            if getattr(entry, "__module__", "").startswith(PACKAGES):  # others are of plug-ins
                yield from ((f"[{name}]{suffix}", door) for suffix, door in _of(entry))
    if inspect.isfunction(thing):
        yield "", thing
    if not inspect.isclass(thing) or issubclass(thing, BaseException):
        return
    if inspect.isfunction(thing.__init__):
        yield "", thing
    for name, member in vars(thing).items():
        function = member.__func__ if isinstance(member, staticmethod | classmethod) else member
        if inspect.isfunction(function) and (not name.startswith("_") or name == "__call__"):
            yield f".{name}", function


def parameters(door: Door) -> list[inspect.Parameter]:
    """What a door takes beside its own object."""
    own = door.__init__ if inspect.isclass(door) else door
    found = inspect.signature(own).parameters
    return [one for name, one in found.items() if name not in ("self", "cls")]
