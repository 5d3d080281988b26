"""``nas list``: what there is to choose from, and the searches of a store."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from nas.commands.options import StoreOption
from nas.environment import DEFAULT_STORE


class Listed(StrEnum):
    """What there are lists of."""

    spaces = "spaces"
    problems = "problems"
    controllers = "controllers"
    executors = "executors"
    trackers = "trackers"
    scores = "scores"
    searches = "searches"


def list_(what: Annotated[Listed, typer.Argument(help="What to list.")], store: StoreOption = None) -> None:
    """List what there is to choose from, or the searches in a store."""
    from nas.commands.output.catalogs import print_catalog, print_searches

    if what is Listed.searches:
        print_searches(store or DEFAULT_STORE)
    else:
        print_catalog(what.value)
