"""The command that runs a search here: ``search``; and what others share with it, such as its executor."""

from __future__ import annotations

import inspect
import math
import signal
import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeGuard

import typer

from nas.commands.data import data_options, problem_name
from nas.commands.last_words import LastWords
from nas.commands.options import (
    END,
    AutocastOption,
    ClusterOption,
    CompileOption,
    Cpus,
    Deterministic,
    ExecutorOption,
    Gpus,
    GraphsOption,
    Processes,
    SpaceOption,
    StoreOption,
    Track,
    Workers,
    given_options,
    search_options,
    with_options_of,
)
from nas.description import AUTO, HOURS
from nas.environment import DEFAULT_STORE, in_job
from nas.integrations import tracker_of
from nas.passwords import without_password
from nas.search.callbacks import Callback, OnTurn
from search_spaces.errors import SearchError, UnknownNameError
from workers.executors import catalog

if TYPE_CHECKING:
    from nas.search.search import Search

DEFAULT_SECONDS = 150.0
"""The budget of a search that was given none: it ends within three minutes on two cores."""

FIRST_NODE_SECONDS = 900
"""How long a job waits for a node with room for a worker: it may be sent while the cluster comes up."""


_YES_OR_NO: Mapping[str, Any] = {"yes": True, "no": False, "auto": "auto"}

_BESIDE_A_FILE = {"file", "name", "track", "store", *END}
"""What can be said beside a file that describes a search; all that says where it runs can be, too."""


def executor_options(
    workers: Workers = None,
    cpus_per_trial: Cpus = None,
    gpus_per_trial: Gpus = None,
    processes_per_trial: Processes = None,
    autocast: AutocastOption = None,
    compile: CompileOption = None,
    graphs: GraphsOption = None,
    deterministic: Deterministic = None,
    executor: ExecutorOption = None,
    address: ClusterOption = None,
) -> Any:
    """Returns the executor that the options of a command describe; see `executor_of`."""
    return executor_of(
        executor,
        workers,
        cpus_per_trial,
        gpus_of(gpus_per_trial),
        address,
        processes=processes_per_trial,
        **acceleration_of(autocast, compile, graphs, deterministic),
    )


def gpus_of(text: str | None) -> float | Literal["auto"] | None:
    """Returns the GPUs of a trial, as ``--gpus-per-trial`` takes them.

    Raises:
        SearchError: it is no such number, nor ``auto``.
    """
    if text is None or text == "auto":
        return text  # type: ignore[return-value]
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise SearchError(f"--gpus-per-trial: expected a number such as 1 or 0.25, or auto, got {text!r}")
    return number


def acceleration_of(
    autocast: str | None = None,
    compile: str | None = None,
    graphs: str | None = None,
    deterministic: bool | None = None,
) -> dict[str, Any]:
    """Returns those options of how trials make use of their device that were given, as executors take them.

    Raises:
        SearchError: one has a value that there is not.
    """
    found: dict[str, Any] = {} if deterministic is None else {"deterministic": deterministic}
    for name, text, values in (
        ("autocast", autocast, {"recipe": "recipe", "auto": "auto"}),
        ("compile", compile, _YES_OR_NO),
        ("graphs", graphs, _YES_OR_NO),
    ):
        if text is None:
            continue
        if text not in values:
            raise SearchError(f"--{name}: expected {' or '.join(values)}, got {text!r}")
        found[name] = values[text]
    return found


@with_options_of(executor_options)
@with_options_of(data_options)
@search_options()
def search(
    file: Annotated[Path | None, typer.Argument(help="A Python file with `search = Search(...)`.")] = None,
    problem: Annotated[str | None, typer.Option(help="What to learn: see nas list problems.")] = None,
    space: SpaceOption = None,
    controller: Annotated[
        str | None,
        typer.Option(help="Who proposes: auto, the default (by the budget), or see nas list controllers."),
    ] = None,
    maximize: Annotated[list[str] | None, typer.Option(help="A metric to maximize; may be repeated.")] = None,
    minimize: Annotated[list[str] | None, typer.Option(help="A metric to minimize; may be repeated.")] = None,
    limit: Annotated[list[str] | None, typer.Option(help="'num_params<=100000'; may be repeated.")] = None,
    without_plain: Annotated[
        bool | None,
        typer.Option("--without-plain", help="Do not begin with the plain network of the space."),
    ] = None,
    min_epochs: Annotated[int | None, typer.Option(help="With --fidelity: before a first pause.")] = None,
    track: Track = None,
    store: StoreOption = None,
    **options: Any,
) -> None:
    """Search, and print the leaderboard.

    Without arguments: convolutional networks for scikit-learn's digits, by a plan for 150 seconds. For a
    table of your own: nas search --data houses.csv --predict price.
    """
    written = locals() | options
    where = executor_options(**{name: options.pop(name) for name in signature(executor_options).parameters})
    data = data_options(**{name: options.pop(name) for name in signature(data_options).parameters})
    from nas.commands.assemble import assemble, from_file, read_fidelity

    trackers = trackers_of(track)
    given = given_options(options)
    if file is not None:
        check_told_once(file, written)
        end = {name: given.get(name) for name in (*END, "name")}
        found = from_file(file, store=store, executor=where, **end)
    else:
        if not given.keys() & {*END, *HOURS}:
            given["seconds"] = DEFAULT_SECONDS
        given["fidelity"] = read_fidelity(given.get("fidelity"), given.get("epochs"), min_epochs)
        found = assemble(
            problem_name(problem, data) or "digits",
            space,
            controller or AUTO,
            data=data,
            maximize=maximize or [],
            minimize=minimize or [],
            limits=limit or [],
            plain=not without_plain,
            executor=where or "pool",
            store=store or DEFAULT_STORE,
            **given,
        )
    found.callbacks += trackers
    run(found, resume=False, file=file)


def check_acceleration(options: Mapping[str, Any]) -> None:
    """Check what was written of GPUs and of their use, before it is sent to where it is read.

    Args:
        options: the options of a command, by name.

    Raises:
        SearchError: one has a value that there is not.
    """
    gpus_of(options["gpus_per_trial"])
    acceleration_of(*(options[name] for name in signature(acceleration_of).parameters))


def trackers_of(track: list[str] | None) -> list[Callback]:
    """Returns the trackers that ``--track`` names.

    Raises:
        UnknownNameError: there is none of that name.
        SearchError: what one needs is not installed.
    """
    if not track:
        return []
    return [tracker_of(text) for text in track]


def check_told_once(file: Path, options: Mapping[str, Any]) -> None:
    """Check that nothing is said beside a file that only the file can say of its search.

    Args:
        file: the file that describes the search.
        options: what was written, by the names of the parameters of `search`.

    Raises:
        SearchError: something is.
    """
    beside = {*_BESIDE_A_FILE, *signature(executor_options).parameters}
    told = [
        f"--{name.rstrip('_').replace('_', '-')}"
        for name in signature(search).parameters
        if name not in beside and options.get(name) is not None
    ]
    if told:
        raise SearchError(f"{', '.join(told)}: say it in {file}, where the search is described")


def executor_of(
    name: str | None,
    workers: int | None,
    cpus: int | None = None,
    gpus: float | Literal["auto"] | None = None,
    address: str | None = None,
    *,
    processes: int | None = None,
    **acceleration: Any,
) -> Any:
    """Returns the executor that the options describe; None where they say nothing.

    Args:
        name: the name of the executor; None: the pool.
        workers, cpus, gpus, address, processes: what executors take under these names; None: their default.
        acceleration: the same, see `acceleration_of`.

    Raises:
        UnknownNameError: there is none of that name.
        SearchError: options that do not go together.
        ExecutorError: numbers that no worker can have.
    """
    if name is not None and name not in catalog:
        raise UnknownNameError("executor", str(name), catalog)
    if is_dashboard(address):
        raise SearchError(f"--address {without_password(address)}: a search is sent there by nas submit")
    wanted = {"workers": workers, "cpus": cpus, "gpus": gpus, "address": address, "processes": processes}
    given: dict[str, Any] = {key: value for key, value in wanted.items() if value is not None}
    given |= acceleration
    if name == "inline":
        if given.get("workers") == 1:
            del given["workers"]
        options = {"workers": "--workers", "processes": "--processes-per-trial", "address": "--address"}
        told = [f"{option} {given[key]}" for key, option in options.items() if key in given]
        if told:
            raise SearchError(f"{', '.join(told)}: the inline executor is one worker, in this process")
    if not given and (name is None or name == "inline" or not in_job()):
        return name
    if name == "tune" and processes is not None:
        raise SearchError(f"--processes-per-trial {processes}: Ray Tune's trials have one process")
    if name == "tune" and gpus == "auto":
        raise SearchError("--gpus-per-trial auto: Ray Tune gives every trial the same share, the pool packs")
    made = catalog.find(name or "pool")
    takes = inspect.signature(made).parameters
    if unknown := [key for key in given if key not in takes]:
        raise SearchError(f"the {name or 'pool'} executor has no option for {', '.join(unknown)}")
    if in_job() and "wait" in takes:
        given["wait"] = FIRST_NODE_SECONDS
    return made(**given)


def is_dashboard(address: str | None) -> TypeGuard[str]:
    """Whether an address is that of a cluster's dashboard, to which jobs are sent."""
    return address is not None and address.startswith(("http://", "https://"))


def interrupt(*_: Any) -> NoReturn:
    """End as Ctrl-C does: what SIGTERM is to do, and SIGHUP."""
    if _HANG_UP is not None:
        signal.signal(_HANG_UP, signal.SIG_IGN)  # a shell and the system may each send one
    raise KeyboardInterrupt


def listen() -> None:
    """Let the signals that ask a process to end interrupt it: SIGTERM, and SIGHUP unless it is ignored.

    Under nohup it is ignored: a search goes on when its terminal is closed.
    """
    signal.signal(signal.SIGTERM, interrupt)
    if _HANG_UP is not None and signal.getsignal(_HANG_UP) is not signal.SIG_IGN:
        signal.signal(_HANG_UP, interrupt)


_HANG_UP = getattr(signal, "SIGHUP", None)
"""The signal of a terminal that was closed; None where there is none (Windows)."""


def run(search: Search, resume: bool, file: Path | None = None, accept_code: bool = False) -> None:
    """Run a search, and show a person how it goes and how it ended.

    Where nothing came out of it the command ends with exit code 1.

    Args:
        search: the search to run.
        resume: whether it goes on where its last driver left it.
        file: the file that describes it; None: the command line does.
        accept_code: whether it goes on with other code of the user's own than it began with.
    """
    from nas.commands.output.running import (
        beginning_of,
        go_on,
        print_end,
        print_stopped,
        print_warnings,
        watching,
    )
    from nas.search.notices import held_back

    if in_job():
        from nas.cluster.job import check_stays

        check_stays(search.store)
        if search.executor == "pool":
            search.executor = executor_of("pool", None)
    if not resume:
        print_warnings(search)
    last_words = LastWords()
    try:
        beginning = "" if resume else beginning_of(search)
        with held_back(), watching(beginning) as watcher, closing(last_words):
            # Ray puts handlers of its own in place when it starts
            keeper = OnTurn(lambda progress: listen())
            mourner = OnTurn(lambda progress: last_words.tell(go_on(search, progress.name, file)))
            search.callbacks += [keeper, mourner, watcher]
            search.run(resume=resume, accept_code=accept_code)
    except (KeyboardInterrupt, SystemExit):  # the latter is Ray's answer to SIGTERM while it starts
        with suppress(OSError):  # where the terminal was closed there is nobody to tell
            print_stopped(search, file)
        sys.exit(130)
    if not print_end(search, file):
        sys.exit(1)
