"""``nas retrain``: the best networks, trained again with new seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.commands.formats import ExportFormat, Format
from nas.commands.options import SearchOption, StoreOption, with_options_of
from nas.commands.saying import say
from nas.commands.search import executor_options
from nas.commands.user_file import DescribedBy, described_search
from nas.environment import DEFAULT_STORE
from nas.escaping import for_path

if TYPE_CHECKING:
    from nas.reuse.retrain import RetrainingRun


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
    file: DescribedBy = None,
    store: StoreOption = None,
    **options: Any,
) -> None:
    """Train the best networks again, with several new seeds: mean and deviation of their test metrics."""
    where = executor_options(**options)
    from nas.commands.output.retraining import print_retraining
    from nas.reuse.retrain import retrain as train_again

    of_file = described_search(file, store, where, search)
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
    print_retraining(retraining.rows(), format.value)
    for one in retraining:
        if to is not None and one.best is not None:
            folder = one.best.export(to if len(retraining) == 1 else to / for_path(one.id), export.value)
            say(f"wrote {folder}", err=True)


def _tell(run: RetrainingRun) -> None:
    """Prints one line about a run that has ended, apart from the results."""
    how = "trained" if run.failure is None else f"failed ({run.failure})"
    say(f"{run.id[:8]}, seed {run.seed}: {how}, {run.seconds:.1f} s", err=True)
