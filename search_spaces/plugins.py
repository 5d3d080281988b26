"""Catalogs: what can be asked for by name, of ours and of installed packages (plug-ins).

A package offers its own under an entry point, in its ``pyproject.toml``::

    [project.entry-points."nasforge.controllers"]
    mine = "my_package.controllers:Mine"

The groups are ``nasforge.controllers``, ``nasforge.spaces``, ``nasforge.problems``, ``nasforge.executors``,
``nasforge.trackers`` and ``nasforge.zero_cost``, whose names people write, and ``nasforge.layers``, the
module classes that stored JSON may name. What is installed is looked at when a name is not one of ours, or
when a catalog is listed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module, metadata
from typing import Any, TypeVar

from search_spaces.errors import PluginError, UnknownNameError

T = TypeVar("T")

LAYERS = "nasforge.layers"
"""The group of the module classes that stored JSON may name."""


class PluginWarning(UserWarning):
    """A plug-in is left out: it cannot be loaded, or its name is taken."""


class Catalog(Mapping[str, T]):
    """Things by name, ours first and then those of plug-ins; a mapping that nobody writes to.

    A name is found without loading what it names. A plug-in that cannot be loaded, or whose name is taken, is
    left out with a `PluginWarning` where the catalog is listed, and a `PluginError` where it is asked for.

    Args:
        kind: what the things are, in one word, for messages.
        own: our things by name, each itself or as ``module:attribute``, which is imported at its first use.
        group: the group of entry points by which packages offer more.
        fits: whether something that a plug-in offers is a thing of this kind.
        wanted: what it should be, in words.
    """

    def __init__(
        self,
        kind: str,
        own: Mapping[str, T | str],
        group: str,
        fits: Callable[[object], bool] = callable,
        wanted: str = "a callable",
    ) -> None:
        self.kind, self.group = kind, group
        self._own: dict[str, Any] = dict(own)
        self._fits, self._wanted = fits, wanted
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        """The thing of that name.

        Raises:
            KeyError: there is none.
            PluginError: a plug-in offers it, and it cannot be loaded or is no such thing; or two do.
        """
        if name in self._loaded:
            return self._loaded[name]
        if name in self._own:
            own = self._own[name]
            thing: T = _imported(own) if isinstance(own, str) else own
        else:
            thing = self._load(name)
        self._loaded[name] = thing
        return thing

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._offers()

    def __iter__(self) -> Iterator[str]:
        """The names of all that can be used; what plug-ins offer is loaded for it."""
        yield from self._own
        for name in self._offers():
            try:
                self[name]
            except PluginError as error:
                warnings.warn(str(error), PluginWarning, stacklevel=2)
            else:
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"Catalog({self.kind}: {', '.join(self._own)})"

    def find(self, name: str) -> T:
        """The thing of that name.

        Raises:
            UnknownNameError: there is none.
            PluginError: a plug-in offers it, and it cannot be loaded or is no such thing; or two do.
        """
        if not isinstance(name, str) or name not in self:
            raise UnknownNameError(self.kind, name, self)
        return self[name]

    def describe(self, name: str) -> str:
        """Returns what the thing of that name is, in one line: the first paragraph of its docstring.

        Raises:
            KeyError: there is none.
            PluginError: a plug-in offers it, and it cannot be used.
        """
        return " ".join((self[name].__doc__ or "").split("\n\n")[0].split())

    def name_of(self, thing: object) -> str | None:
        """The name of a thing, None where the catalog does not have it."""
        own = next((name for name, known in self._own.items() if known is thing), None)
        if own is not None:
            return own
        # what a plug-in offers has been loaded, or nobody could hold it: its module says whose it is
        module = str(getattr(thing, "__module__", "")).partition(".")[0]
        for name, points in self._offers().items():
            if any(point.module.partition(".")[0] == module for point in points):
                with suppress(PluginError):  # another one of that package
                    if self[name] is thing:
                        return name
        return None

    def origin(self, name: str) -> metadata.Distribution | None:
        """The distribution whose plug-in has that name; None for a name of ours."""
        points = () if name in self._own else self._offers().get(name, ())
        return points[0].dist if points else None

    def _offers(self) -> Mapping[str, tuple[metadata.EntryPoint, ...]]:
        """What plug-ins offer by name, without the names that are ours."""
        return offers(self.group, frozenset(self._own))

    def _load(self, name: str) -> T:
        points = self._offers()[name]
        if len(points) > 1:
            packages = " and ".join(_package(point) for point in points)
            raise PluginError(
                f"{self.kind} {name!r} is offered by {packages}: neither is used; uninstall one of them"
            )
        (point,) = points
        found = load(point, f"{self.kind} {name!r}")
        if not self._fits(found):
            raise PluginError(
                f"{self.kind} {name!r} of {_package(point)} cannot be used: expected {self._wanted}, "
                f"got {found!r:.80}"
            )
        return found  # type: ignore[no-any-return]


@cache
def offers(group: str, taken: frozenset[str] = frozenset()) -> Mapping[str, tuple[metadata.EntryPoint, ...]]:
    """The entry points of a group by name; looked for once in a process.

    Args:
        group: the name of the group.
        taken: names that plug-ins cannot have; one that claims such a name is left out with a warning.
    """
    found: dict[str, tuple[metadata.EntryPoint, ...]] = {}
    for point in metadata.entry_points(group=group):
        if point.name in taken:
            text = (
                f"{_package(point)} offers {point.name!r} ({group}), a name of nasforge's own: it is left out"
            )
            warnings.warn(text, PluginWarning, stacklevel=4)
        else:
            found[point.name] = (*found.get(point.name, ()), point)
    return found


def load(point: metadata.EntryPoint, what: str) -> Any:
    """What an entry point names.

    Args:
        point: the entry point of an installed package.
        what: it is, for the message.

    Raises:
        PluginError: it cannot be loaded.
    """
    try:
        return point.load()
    except (Exception, SystemExit) as error:  # a stranger's module may do anything while it is imported
        raise PluginError(
            f"{what} of {_package(point)} cannot be loaded: {type(error).__name__}: {error!s:.300}"
        ) from error


def layers(name: str) -> list[Any]:
    """The module classes that plug-ins offer for stored JSON, of the packages that a reference may mean.

    Args:
        name: a reference in JSON, such as ``my_package.blocks.Block``.
    """
    top, found = name.partition(".")[0], []
    for points in offers(LAYERS).values():
        for point in points:
            if point.module.partition(".")[0] != top:
                continue
            try:
                thing = load(point, f"layer {point.name!r}")
            except PluginError as error:
                warnings.warn(str(error), PluginWarning, stacklevel=2)
                continue
            # a module offers all the classes in it
            found += [thing] if isinstance(thing, type) else [*vars(thing).values()]
    return found


def _imported(address: str) -> Any:
    module, _, attribute = address.partition(":")
    return getattr(import_module(module), attribute)


def _package(point: metadata.EntryPoint) -> str:
    """The distribution of an entry point, for people."""
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else f"({point.value})"
