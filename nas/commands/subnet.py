"""``nas subnet``: networks with the weights of a search's bank, under any limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.commands.formats import Format
from nas.commands.options import StoreOption
from nas.commands.user_file import DescribedBy, described_search
from nas.environment import DEFAULT_STORE


def subnet(
    search: Annotated[
        str | None, typer.Argument(help="That has shared weights; default: the latest.")
    ] = None,
    limit: Annotated[
        list[str] | None, typer.Option(help="Such as num_params<=50000; may be repeated.")
    ] = None,
    front: Annotated[
        str | None, typer.Option(help="A cost, such as num_params: a family from small to large.")
    ] = None,
    proposals: Annotated[int, typer.Option(min=1, help="Networks to score.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the evolution that looks for them.")] = 0,
    to: Annotated[Path | None, typer.Option(help="Folder to export them to, one below it for each.")] = None,
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.table,
    file: DescribedBy = None,
    store: StoreOption = None,
) -> None:
    """Take networks out of the shared weights of a search, without any training."""
    from nas.commands.assemble import read_limit
    from nas.commands.output.subnets import print_subnets
    from nas.reuse.subnets import subnets

    of_file = described_search(file, store, None, search)
    found = subnets(
        of_file.pop("store", store or DEFAULT_STORE),
        search=of_file.pop("search", search),
        limits=[read_limit(one) for one in limit or []],
        front=front,
        proposals=proposals,
        seed=seed,
        space=of_file.get("space"),
        problem=of_file.get("problem"),
    )
    folders = [one.export(to / one.architecture.id) for one in found] if to is not None else []
    print_subnets(found, folders, format.value)
