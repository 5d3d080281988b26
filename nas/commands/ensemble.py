"""``nas ensemble``: the networks that answer best together."""

from __future__ import annotations

from typing import Annotated

import typer

from nas.commands.formats import Format
from nas.commands.options import StoreOption
from nas.commands.user_file import DescribedBy, described_search
from nas.environment import DEFAULT_STORE


def ensemble(
    search: Annotated[str | None, typer.Argument(help="Name or number; default: the latest.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Of so many of its best networks.")] = 10,
    metric: Annotated[str | None, typer.Option(help="To choose by; default: the first objective.")] = None,
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.table,
    file: DescribedBy = None,
    store: StoreOption = None,
) -> None:
    """Choose among the best networks those that do best together, and print how they do."""
    from nas.commands.output.ensemble import print_ensemble
    from nas.reuse.ensemble import ensemble as choose

    of_file = described_search(file, store, None, search)
    of_file.pop("executor", None)
    chosen = choose(
        of_file.pop("store", store or DEFAULT_STORE),
        top=top,
        metric=metric,
        **{"search": search, **of_file},
    )
    print_ensemble(chosen, format.value)
