"""The ``nas`` command. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import os
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from search_spaces.errors import NasError, SearchError, UnknownNameError

if TYPE_CHECKING:
    from nas.progress import Progress
    from nas.search import Search

DEFAULT_SECONDS = 150.0
"""Budget of a search that was given none: it ends within three minutes on two cores."""

app = typer.Typer(
    help="Neural architecture search: which network should I train?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)


class Format(StrEnum):
    """How a leaderboard is printed."""

    table = "table"
    json = "json"
    csv = "csv"
    markdown = "markdown"


class Catalog(StrEnum):
    """What there are lists of."""

    spaces = "spaces"
    problems = "problems"
    controllers = "controllers"
    searches = "searches"


FileOption = Annotated[Path | None, typer.Option(help="Python file with the modules of your own in it.")]
STORE = "sqlite:///nas.db"

StoreOption = Annotated[str, typer.Option("--store", help="Where results are kept: a URL or a path.")]
OwnStore = Annotated[
    str | None, typer.Option("--store", help=f"Where results are kept: a URL or a path; default: {STORE}.")
]
Trials = Annotated[int | None, typer.Option(help="End after so many networks in all.")]
Seconds = Annotated[float | None, typer.Option(help="End after so many seconds in all.")]
Target = Annotated[float | None, typer.Option(help="End when the first objective is as good as this.")]
Workers = Annotated[int | None, typer.Option(help="Worker processes; default: one for each core.")]
ExecutorOption = Annotated[
    str | None, typer.Option(help="Where networks are trained: pool (Ray, the default) or inline.")
]


@app.command(epilog="Example: nas search --problem omniglot --limit 'num_params<=100000' --trials 50")
def search(
    file: Annotated[Path | None, typer.Argument(help="A Python file with `search = Search(...)`.")] = None,
    problem: Annotated[str | None, typer.Option(help="What to learn: see nas list problems.")] = None,
    space: Annotated[str | None, typer.Option(help="nas list spaces, or a JSON file of a space.")] = None,
    controller: Annotated[str | None, typer.Option(help="Who proposes: see nas list controllers.")] = None,
    maximize: Annotated[list[str] | None, typer.Option(help="A metric to maximize; may be repeated.")] = None,
    minimize: Annotated[list[str] | None, typer.Option(help="A metric to minimize; may be repeated.")] = None,
    limit: Annotated[list[str] | None, typer.Option(help="'num_params<=100000'; may be repeated.")] = None,
    trials: Trials = None,
    seconds: Seconds = None,
    target: Target = None,
    trial_seconds: Annotated[float | None, typer.Option(help="Time limit of one trial.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of every trial that is not stopped.")] = None,
    fidelity: Annotated[str | None, typer.Option(help="Let the best go on: asha or hyperband.")] = None,
    min_epochs: Annotated[int | None, typer.Option(help="With --fidelity: before a first pause.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Folder of the problem's files.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the controller and every training; default 0.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the search in the store.")] = None,
    workers: Workers = None,
    executor: ExecutorOption = None,
    store: OwnStore = None,
) -> None:
    """Search, and print the leaderboard.

    Without arguments: convolutional networks for scikit-learn's digits, by evolution, for 150 seconds.
    """
    from nas.assemble import assemble, from_file, read_fidelity

    where = _executor(executor, workers)
    if file is not None:
        given = {
            "problem": problem, "space": space, "controller": controller, "maximize": maximize,
            "minimize": minimize, "limit": limit, "folder": folder, "seed": seed, "epochs": epochs,
            "trial-seconds": trial_seconds, "fidelity": fidelity, "min-epochs": min_epochs,
        }  # fmt: skip
        told = [f"--{option}" for option, value in given.items() if value is not None]
        if told:
            raise SearchError(f"{', '.join(told)}: say it in {file}, where the search is described")
        found = from_file(
            file,
            store=store,
            executor=where,
            name=name,
            trials=trials,
            seconds=seconds,
            target=target,
        )
    else:
        if trials is None and seconds is None and target is None:
            seconds = DEFAULT_SECONDS
        found = assemble(
            problem or "digits",
            space or "cnn",
            controller or "evolution",
            maximize=maximize or [],
            minimize=minimize or [],
            limits=limit or [],
            folder=folder,
            trials=trials,
            seconds=seconds,
            target=target,
            trial_seconds=trial_seconds,
            epochs=epochs,
            fidelity=read_fidelity(fidelity, epochs, min_epochs),
            seed=0 if seed is None else seed,
            name=name,
            executor=where or "pool",
            store=store or STORE,
        )
    _run(found, resume=False, file=file)


@app.command(epilog="Example: nas resume digits-evolution-1 --trials 100")
def resume(
    search: Annotated[str | None, typer.Argument(help="A search, or the file that describes it.")] = None,
    trials: Trials = None,
    seconds: Seconds = None,
    target: Target = None,
    name: Annotated[str | None, typer.Option(help="Of the search, when a file describes it.")] = None,
    workers: Workers = None,
    executor: ExecutorOption = None,
    store: OwnStore = None,
) -> None:
    """Go on with a search that was stopped or killed, or further with one that ended.

    Nothing that was trained is trained again; what was being trained begins again.
    """
    from nas.assemble import from_file
    from nas.search import Search

    where = _executor(executor, workers)
    if search is not None and search.endswith(".py"):
        file = Path(search)
        found = from_file(
            file,
            store=store,
            executor=where,
            name=name,
            trials=trials,
            seconds=seconds,
            target=target,
        )
        _run(found, resume=True, file=file)
        return
    found = Search.from_store(
        store or STORE, search, executor=where or "pool", trials=trials, seconds=seconds, target=target
    )
    _run(found, resume=True)


@app.command(epilog="Example: nas leaderboard --top 5 --format markdown")
def leaderboard(
    search: Annotated[str | None, typer.Argument(help="Name or number; default: the latest.")] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Rows; default 10, or all as json or csv.")] = None,
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.table,
    infeasible: Annotated[bool, typer.Option(help="Also what broke a limit before training.")] = False,
    store: StoreOption = STORE,
) -> None:
    """Print the trials of a search, best first. It may be running."""
    from nas.display import print_leaderboard
    from nas.store import Store

    if top is None and format in (Format.table, Format.markdown):
        top = 10
    with Store(store) as opened:
        print_leaderboard(opened, search, top, format.value, infeasible)


@app.command(epilog="Example: nas show 3fa9")
def show(
    id: Annotated[str, typer.Argument(help="Of an architecture, or its beginning; or an exported folder.")],
    search: Annotated[str | None, typer.Option(help="Name or number; default: the latest with it.")] = None,
    file: FileOption = None,
    store: StoreOption = STORE,
) -> None:
    """Show one architecture: drawing, decisions, costs, learning curve."""
    from nas.display import print_found, print_trial
    from nas.reuse import load
    from nas.store import Store

    _know(file)
    if Path(id).is_dir():
        print_found(load(id))
        return
    with Store(store) as opened:
        print_trial(opened, id, search)


@app.command(epilog="Example: nas export 3fa9 --to best")
def export(
    id: Annotated[str, typer.Argument(help="Of an architecture, or its beginning.")],
    to: Annotated[Path, typer.Option(help="Folder to write to.")],
    search: Annotated[str | None, typer.Option(help="Name or number; default: the latest with it.")] = None,
    file: FileOption = None,
    store: StoreOption = STORE,
) -> None:
    """Write an architecture with its weights and a model card to a folder."""
    from nas.reuse import load
    from nas.store import Store

    _know(file)
    with Store(store) as opened:
        folder = load(opened, id, search=search).export(to)
    typer.echo(f"wrote {folder}: in Python, nas.load({str(folder)!r}).build() gives the network")


@app.command(name="list", epilog="Example: nas list problems")
def list_(what: Annotated[Catalog, typer.Argument(help="What to list.")], store: StoreOption = STORE) -> None:
    """List what there is to choose from, or the searches in a store."""
    from nas.display import print_catalog

    print_catalog(what.value, store)


def _know(file: Path | None) -> None:
    """Get to know the modules in a user's own file."""
    if file is not None:
        from nas.assemble import run_file

        run_file(file)


def main() -> None:
    """Run the command; what a person got wrong ends it with one line and exit code 2."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(standalone_mode=False)
    except NasError as error:
        _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        _fail("stopped", code=130)
    except BrokenPipeError:  # nas leaderboard | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        # what is wrong with the options themselves; its class depends on the version of typer
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(message())
            sys.exit(2)
        context = getattr(error, "ctx", None)
        _fail(message() + (f" (see {context.command_path} --help)" if context is not None else ""))
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int = 2) -> NoReturn:
    """One line, whatever the message is."""
    line = " ".join(message.split())
    typer.echo(f"error: {line if len(line) <= 600 else line[:597] + '...'}", err=True)
    sys.exit(code)


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


def _executor(name: str | None, workers: int | None) -> Any:
    """The executor that the options describe; None where they say nothing."""
    if name not in (None, "pool", "inline"):
        raise UnknownNameError("executor", name, ("pool", "inline"))
    if name == "inline":
        if workers not in (None, 1):
            raise SearchError(f"--workers {workers}: the inline executor is one worker")
        return "inline"
    if workers is None:
        return name
    from workers.pool import Pool

    return Pool(workers=workers)


def _run(search: Search, resume: bool, file: Path | None = None) -> None:
    """Run a search under the eyes of a person."""
    from nas.watch import print_end, print_stopped, watching

    try:
        with watching(search) as show_progress:

            def listener(progress: Progress) -> None:
                signal.signal(signal.SIGTERM, _interrupt)  # Ray puts its own in place when it starts
                show_progress(progress)

            search.run(resume=resume, listener=listener)
    except KeyboardInterrupt:
        print_stopped(search, file)
        sys.exit(130)
    print_end(search, file)


if __name__ == "__main__":
    main()
