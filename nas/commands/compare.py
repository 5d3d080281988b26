"""``nas compare``: networks of several tasks beside single-task runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.commands.formats import Format
from nas.commands.options import StoreOption, with_options_of
from nas.commands.saying import say
from nas.commands.search import executor_options
from nas.commands.user_file import DescribedBy, described_search
from nas.environment import DEFAULT_STORE

if TYPE_CHECKING:
    from nas.records import Reference


@with_options_of(executor_options)
def compare(
    search: Annotated[str | None, typer.Argument(help="Name or number; default: the latest.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of its best networks.")] = 3,
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.table,
    file: DescribedBy = None,
    store: StoreOption = None,
    **options: Any,
) -> None:
    """Compare the best networks for several tasks with a network for each task alone.

    What has not been trained alone yet, on the same backbone for the same epochs, is trained now and kept.
    """
    where = executor_options(**options)
    from nas.commands.output.comparison import print_comparison
    from nas.reuse.compare import comparisons
    from nas.store.store import open_store

    of_file = described_search(file, store, where, search)
    with open_store(of_file.pop("store", store or DEFAULT_STORE)) as opened:
        record = opened.search(of_file.pop("search", search))
        rows = comparisons(
            opened, record.name, top=top, listener=_tell, **{"executor": where or "pool", **of_file}
        )
        print_comparison(rows, format.value, f"{record.name}, beside single-task runs (gains in percent)")


def _tell(reference: Reference) -> None:
    """Prints one line about a run that has ended, apart from the results."""
    how = "trained" if reference.status == "complete" else f"failed ({reference.reason}): {reference.message}"
    took = f", {reference.seconds:.1f} s" if reference.seconds is not None else ""
    say(f"{reference.task} alone, {reference.architecture_id[:8]}: {how}{took}", err=True)
