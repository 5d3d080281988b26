"""The command that compares networks of several tasks with single-task runs: ``compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.commands.options import StoreOption, with_options_of
from nas.commands.results import Format
from nas.commands.search import executor_options
from nas.environment import DEFAULT_STORE

if TYPE_CHECKING:
    from nas.records import Reference


@with_options_of(executor_options)
def compare(
    search: Annotated[str | None, typer.Argument(help="Name or number; default: the latest.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of its best networks.")] = 3,
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.table,
    file: Annotated[
        Path | None, typer.Option(help="File that describes the search: for data or modules of your own.")
    ] = None,
    store: StoreOption = None,
    **options: Any,
) -> None:
    """Compare the best networks for several tasks with a network for each task alone.

    What has not been trained alone yet, on the same backbone for the same epochs, is trained now and kept.
    """
    where = executor_options(**options)
    from nas.commands.display import print_comparison
    from nas.reuse.compare import comparisons
    from nas.store.store import open_store

    described = None
    if file is not None:
        from nas.commands.assemble import from_file

        described = from_file(
            file, store=store, executor=where, name=search, trials=None, seconds=None, target=None
        )
    with open_store(described.store if described else store or DEFAULT_STORE) as opened:
        record = opened.search(described.name if described else search)
        rows = comparisons(
            opened,
            record.name,
            top=top,
            executor=where or (described.executor if described else "pool"),
            problem=None if described is None else described.problem,
            space=None if described is None else described.space,
            listener=_tell,
        )
        print_comparison(rows, format.value, f"{record.name}, beside single-task runs (gains in percent)")


def _tell(reference: Reference) -> None:
    """One line about a run that has ended, apart from the results."""
    how = "trained" if reference.status == "complete" else f"failed ({reference.reason}): {reference.message}"
    took = f", {reference.seconds:.1f} s" if reference.seconds is not None else ""
    typer.echo(f"{reference.task} alone, {reference.architecture_id[:8]}: {how}{took}", err=True)
