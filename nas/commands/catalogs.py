"""What there is to choose from by name, for ``nas list``: ours and what installed packages offer."""

from __future__ import annotations

from typing import Any

from nas.results.text import first_sentence
from search_spaces.plugins import Catalog


def rows_of(what: str) -> list[list[str]]:
    """The name of each thing of a catalog, and what it is; of a plug-in also its package.

    Args:
        what: the name of the catalog: ``spaces``, ``problems`` or ``controllers``.
    """
    catalog = _catalog(what)
    rows = []
    for name, thing in catalog.items():
        package = catalog.origin(name)
        told = "" if package is None else f" (from {package.name} {package.version})"
        rows.append([name, first_sentence(thing.__doc__) + told])
    return rows


def _catalog(what: str) -> Catalog[Any]:
    if what == "spaces":
        from search_spaces.catalog import catalog as spaces

        return spaces
    if what == "problems":
        from workers.problems import catalog as problems

        return problems
    from controllers import catalog as controllers

    return controllers
