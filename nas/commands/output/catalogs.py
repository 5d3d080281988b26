"""What there is to choose from, and the searches of a store, printed as lists."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from controllers import catalog as controllers
from nas.commands.output.tables import print_table
from nas.integrations.names import catalog as trackers
from nas.results.text import duration
from nas.store.store import Store
from search_spaces.catalog import catalog as spaces
from search_spaces.errors import FormatError
from search_spaces.plugins import Catalog
from workers.executors import catalog as executors
from workers.problems import catalog as problems
from workers.zero_cost import catalog as scores

_CATALOGS: Mapping[str, Catalog[Any]] = {
    "spaces": spaces,
    "problems": problems,
    "controllers": controllers,
    "executors": executors,
    "trackers": trackers,
    "scores": scores,
}


def print_catalog(what: str) -> None:
    """Prints the names in a catalog, with a line about each; of a plug-in also its package.

    Args:
        what: the catalog: ``spaces``, ``problems``, ``controllers``, ``executors``,
            ``trackers`` or ``scores``.
    """
    catalog = _CATALOGS[what]
    rows = []
    for name in catalog:
        package = catalog.origin(name)
        told = "" if package is None else f" (from {package.name} {package.version})"
        rows.append([name, catalog.describe(name) + told])
    print_table(what, ["name", "what it is"], rows, prose=True)


def print_searches(store: str) -> None:
    """Prints the searches in a store."""
    heads = ["number", "name", "status", "problem", "controller", "objectives"]
    heads += ["trained", "took", "began", "tags"]
    rows = []
    with Store(store) as opened:
        for record in opened.searches():
            state = record.state
            try:
                description = record.description
                objectives = ", ".join(map(str, description.objectives))
                about = [description.problem, description.controller, objectives]
            except FormatError as error:
                state, about = f"damaged: {error.__cause__ or error}", ["", "", ""]
            rows.append(
                [
                    str(record.id),
                    record.name,
                    state,
                    *about,
                    str(opened.count_trials(record.id)),
                    duration(record.elapsed_seconds),
                    time.strftime("%Y-%m-%d %H:%M", time.localtime(record.created_at)),
                    " ".join(record.tags),
                ]
            )
    if not any(row[-1] for row in rows):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    print_table("searches", heads, rows)
