"""The commands that show and take out what a store holds."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nas.commands.options import FileOption, SearchOption, StoreOption
from nas.environment import DEFAULT_STORE


class Format(StrEnum):
    """How a leaderboard is printed."""

    table = "table"
    json = "json"
    csv = "csv"
    markdown = "markdown"


class ExportFormat(StrEnum):
    """In what a network is exported; see `nas.reuse.export.FORMATS`."""

    safetensors = "safetensors"
    torch_export = "torch-export"
    onnx = "onnx"
    python = "python"


class Catalog(StrEnum):
    """What there are lists of."""

    spaces = "spaces"
    problems = "problems"
    controllers = "controllers"
    searches = "searches"


def leaderboard(
    search: Annotated[
        list[str] | None, typer.Argument(help="Name or number; default: the latest. Several: together.")
    ] = None,
    problem: Annotated[
        str | None, typer.Option(help="All searches on the data that the latest search of this problem has.")
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Rows; default 10, or all as json or csv.")] = None,
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.table,
    infeasible: Annotated[bool, typer.Option(help="Also what broke a limit before training.")] = False,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Only those with this: model.depth>=3, num_params<50000; may be repeated."),
    ] = None,
    over_seeds: Annotated[
        bool, typer.Option("--over-seeds", help="A row for each network: its mean over all trainings.")
    ] = False,
    store: StoreOption = None,
) -> None:
    """Print the trials of a search, or of several, best first. They may be running."""
    from nas.commands.display import print_leaderboard
    from nas.store.store import Store

    if top is None and format in (Format.table, Format.markdown):
        top = 10
    with Store(store or DEFAULT_STORE) as opened:
        print_leaderboard(
            opened,
            format.value,
            search,
            problem=problem,
            top=top,
            infeasible=infeasible,
            where=where,
            over_seeds=over_seeds,
        )


def show(
    id: Annotated[str, typer.Argument(help="Of an architecture, or its beginning; or an exported folder.")],
    search: SearchOption = None,
    log: Annotated[bool, typer.Option("--log", help="Also the end of what its trial printed.")] = False,
    file: FileOption = None,
    store: StoreOption = None,
) -> None:
    """Show one architecture: drawing, decisions, costs, learning curve."""
    from nas.commands.display import print_found, print_trial
    from nas.reuse.load import load
    from nas.store.store import Store

    _know(file)
    if Path(id).is_dir():
        print_found(load(id))
        return
    with Store(store or DEFAULT_STORE) as opened:
        print_trial(opened, id, search, log=log)


def export(
    id: Annotated[str, typer.Argument(help="Of an architecture, or its beginning; or an exported folder.")],
    to: Annotated[Path, typer.Option(help="Folder to write to.")],
    format: Annotated[
        ExportFormat, typer.Option(help="The weights alone, or with them a file that runs without us.")
    ] = ExportFormat.safetensors,
    search: SearchOption = None,
    file: FileOption = None,
    store: StoreOption = None,
) -> None:
    """Write a network with its weights and a model card to a folder, tried before it is done."""
    from nas.reuse.export import FORMATS
    from nas.reuse.load import load
    from nas.store.store import Store

    _know(file)
    if Path(id).is_dir():
        folder = load(id).export(to, format.value)
    else:
        with Store(store or DEFAULT_STORE) as opened:
            folder = load(opened, id, search=search).export(to, format.value)
    more = FORMATS[format.value]
    how = "" if more is None else f"; {more} answers as it does, without nas"
    typer.echo(f"wrote {folder}: in Python, nas.load({str(folder)!r}).build() gives the network{how}")


def list_(what: Annotated[Catalog, typer.Argument(help="What to list.")], store: StoreOption = None) -> None:
    """List what there is to choose from, or the searches in a store."""
    from nas.commands.display import print_catalog

    print_catalog(what.value, store or DEFAULT_STORE)


def _know(file: Path | None) -> None:
    """Get to know the modules in a user's own file."""
    if file is not None:
        from nas.commands.assemble import run_file

        run_file(file)
