"""The commands that train what was found again, or let it answer together: ``retrain`` and ``ensemble``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.commands.options import SearchOption, StoreOption, with_options_of
from nas.commands.results import ExportFormat, Format
from nas.commands.search import executor_options
from nas.environment import DEFAULT_STORE

if TYPE_CHECKING:
    from nas.reuse.retrain import RetrainingRun

Described = Annotated[
    Path | None,
    typer.Option("--file", help="File that describes the search: for data or modules of your own."),
]


@with_options_of(executor_options)
def retrain(
    id: Annotated[str | None, typer.Argument(help="Of an architecture, or its beginning.")] = None,
    top: Annotated[int | None, typer.Option(min=1, help="In place of an id: so many of the best.")] = None,
    search: SearchOption = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of each run; default: those of a trial in full.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each network.")] = 3,
    all_data: Annotated[
        bool, typer.Option("--all-data", help="Train on the validation examples too.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(help="Folder for the best run's weights; of several networks a folder in it for each."),
    ] = None,
    export: Annotated[ExportFormat, typer.Option(help="With --to: in what.")] = ExportFormat.safetensors,
    format: Annotated[Format, typer.Option(help="How to print the results.")] = Format.table,
    file: Described = None,
    store: StoreOption = None,
    **options: Any,
) -> None:
    """Train the best networks again, with several new seeds: mean and deviation of their test metrics."""
    where = executor_options(**options)
    from nas.reuse.retrain import retrain as train_again

    of_file = _described(file, store, where, search)
    retraining = train_again(
        of_file.pop("store", store or DEFAULT_STORE),
        id,
        top=top,
        epochs=epochs,
        seeds=seeds,
        all_data=all_data,
        listener=_tell,
        **{"search": search, "executor": where or "pool", **of_file},
    )
    _print_retraining(retraining.rows(), format.value)
    for one in retraining:
        if to is not None and one.best is not None:
            folder = one.best.export(to if len(retraining) == 1 else to / one.id, export.value)
            typer.echo(f"wrote {folder}", err=True)


def ensemble(
    search: Annotated[str | None, typer.Argument(help="Name or number; default: the latest.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Of so many of its best networks.")] = 10,
    metric: Annotated[str | None, typer.Option(help="To choose by; default: the first objective.")] = None,
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.table,
    file: Described = None,
    store: StoreOption = None,
) -> None:
    """Choose among the best networks those that do best together, and print how they do."""
    from nas.commands.display import print_rows
    from nas.results.text import cell
    from nas.reuse.ensemble import ensemble as choose

    of_file = _described(file, store, None, search)
    of_file.pop("executor", None)
    chosen = choose(
        of_file.pop("store", store or DEFAULT_STORE),
        top=top,
        metric=metric,
        **{"search": search, **of_file},
    )
    rows = chosen.rows()
    names = [name for name in rows[0] if not name.endswith("loss")]
    cells = [[cell(row[name], name) for name in names] for row in rows]
    print_rows(rows, format.value, f"together, chosen by validation {chosen.metric}", names, cells)


def _print_retraining(rows: Sequence[Mapping[str, Any]], format: str) -> None:
    """Print the rows of `nas.reuse.retrain.Retraining`, in a table each mean with its deviation."""
    from nas.commands.display import print_rows
    from nas.results.text import cell

    known = dict.fromkeys(
        name.removesuffix("_mean") for row in rows for name in row if name.endswith("_mean")
    )
    metrics = [name for name in known if name.startswith("test_") and not name.endswith("loss")]
    names = ["id", "n", *(["failed"] if any(row["failed"] for row in rows) else []), "epochs", "seconds"]
    told = ["message"] if any(row["message"] for row in rows) else []
    cells = []
    for row in rows:
        spread = []
        for metric in metrics:
            mean, std = row.get(f"{metric}_mean"), row.get(f"{metric}_std")
            spread.append(cell(mean) + ("" if std is None else f" ± {cell(std)}"))
        cells.append([cell(row[name]) for name in names] + spread + [cell(row[name]) for name in told])
    print_rows(rows, format, "trained again", [*names, *metrics, *told], cells, prose=bool(told))


def _described(file: Path | None, store: str | None, executor: Any, search: str | None) -> dict[str, Any]:
    """What a file says of its search; nothing where there is no file."""
    if file is None:
        return {}
    from nas.commands.assemble import from_file

    end = dict.fromkeys(("trials", "seconds", "target"))
    found = from_file(file, store=store, executor=executor, name=search, **end)
    return {
        "store": found.store,
        "search": found.name,
        "executor": found.executor,
        "problem": found.problem,
        "space": found.space,
    }


def _tell(run: RetrainingRun) -> None:
    """One line about a run that has ended, apart from the results."""
    how = "trained" if run.failure is None else f"failed ({run.failure})"
    typer.echo(f"{run.id[:8]}, seed {run.seed}: {how}, {run.seconds:.1f} s", err=True)
