"""Options that several commands have."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", help="Where results are kept: a URL or a path; default: NAS_STORE, or sqlite:///nas.db."
    ),
]
Trials = Annotated[int | None, typer.Option(help="End after so many networks in all.")]
Seconds = Annotated[float | None, typer.Option(help="End after so many seconds in all.")]
Target = Annotated[float | None, typer.Option(help="End when the first objective is as good as this.")]
Track = Annotated[
    list[str] | None,
    typer.Option(
        help="Write it elsewhere too: tensorboard:FOLDER, mlflow:URI or wandb:FOLDER; may be repeated."
    ),
]
Workers = Annotated[int | None, typer.Option(help="Worker processes; default: as many as there is room for.")]
Cpus = Annotated[
    int | None, typer.Option("--cpus-per-trial", help="Cores, and torch threads, of each worker.")
]
Gpus = Annotated[float | None, typer.Option("--gpus-per-trial", help="GPUs, or the share of one, of each.")]
Processes = Annotated[
    int | None,
    typer.Option("--processes-per-trial", help="Processes that train each trial together, of that size."),
]
ExecutorOption = Annotated[
    str | None,
    typer.Option(help="Where networks are trained: pool (Ray, the default), tune (Ray Tune) or inline."),
]
ClusterOption = Annotated[
    str | None, typer.Option("--address", help="Of the Ray cluster, from within it: auto, or host:port.")
]
Dashboard = Annotated[
    str | None,
    typer.Option(
        "--address",
        envvar="RAY_API_SERVER_ADDRESS",
        help="Of the cluster's dashboard: http://head:8265.",
    ),
]
FileOption = Annotated[Path | None, typer.Option(help="Python file with the modules of your own in it.")]
SearchOption = Annotated[
    str | None, typer.Option("--search", help="Name or number; default: the latest with it.")
]
JobArgument = Annotated[str | None, typer.Argument(help="A job, or its search; default: the latest.")]
WorkingDir = Annotated[Path | None, typer.Option(help="Folder to ship; default: that of the file.")]
Requirements = Annotated[
    Path | None,
    typer.Option(help="What to install for the job; default: requirements.txt beside the file."),
]
WithPackage = Annotated[bool, typer.Option(help="Ship this installation of nasforge too.")]


def with_options_of(other: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command that takes ``**options`` the options of another one that it has not itself."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        parameters = dict(inspect.signature(other, eval_str=True).parameters)
        parameters |= inspect.signature(command, eval_str=True).parameters
        command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
                for parameter in parameters.values()
                if parameter.kind is not inspect.Parameter.VAR_KEYWORD
            ]
        )
        return command

    return decorate
