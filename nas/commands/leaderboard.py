"""``nas leaderboard``: the trials of a search, or of several, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.commands.formats import Format
from nas.commands.options import StoreOption
from nas.environment import DEFAULT_STORE
from search_spaces.errors import SearchError

if TYPE_CHECKING:
    from nas.store.store import Store


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
    ran: Annotated[
        bool, typer.Option("--ran", help="Also on what each ran; else only where that differs.")
    ] = False,
    ensemble: Annotated[
        bool,
        typer.Option("--ensemble", help="A last row for those that do best together, see nas ensemble."),
    ] = False,
    store: StoreOption = None,
) -> None:
    """Print the trials of a search, or of several, best first. They may be running."""
    from nas.commands.output.leaderboard import print_leaderboard
    from nas.store.store import Store

    if ensemble and (problem is not None or over_seeds or len(search or ()) > 1):
        raise SearchError("--ensemble: of the networks of one search; leave out --problem and --over-seeds")
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
            ran=ran,
            more=[_ensemble_row(opened, search[0] if search else None)] if ensemble else [],
        )


def _ensemble_row(store: Store, search: str | None) -> dict[str, Any]:
    """Returns the row of a leaderboard for the networks of a search that do best together.

    Raises:
        NasError: see `nas.reuse.ensemble.ensemble`.
    """
    from nas.reuse.ensemble import ensemble

    chosen = ensemble(store, search)
    together = chosen.rows()[0]
    members = [
        f"{count} x {one.architecture.id[:8]}" if count > 1 else one.architecture.id[:8]
        for one, count in zip(chosen.members, chosen.counts, strict=True)
    ]
    return {**together, "status": "together", "origin": ", ".join(members)}
