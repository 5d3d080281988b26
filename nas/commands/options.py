"""Options that several commands have, and those that are options of a search."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.search.options import FLAGS

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", help="Where results are kept: a URL or a path; default: NAS_STORE, or sqlite:///nas.db."
    ),
]
SpaceOption = Annotated[
    str | None,
    typer.Option("--space", help="nas list spaces, or a JSON file; default: what fits."),
]
FolderOption = Annotated[Path | None, typer.Option("--folder", help="Folder of the problem's files.")]
InputOption = Annotated[
    list[str] | None, typer.Option("--input", help="Only this input of the problem; may be repeated.")
]
TaskOption = Annotated[
    list[str] | None, typer.Option("--task", help="Only this task of the problem; may be repeated.")
]
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
Gpus = Annotated[
    str | None,
    typer.Option("--gpus-per-trial", help="GPUs, or the share of one, of each; auto: as many as one holds."),
]
AutocastOption = Annotated[
    str | None,
    typer.Option("--autocast", help="Precision on GPUs: recipe (its own; default), or auto: bfloat16."),
]
CompileOption = Annotated[
    str | None, typer.Option("--compile", help="By torch.compile: yes, no (the default) or auto.")
]
GraphsOption = Annotated[
    str | None, typer.Option("--graphs", help="Steps as CUDA graphs: yes, no or auto (the default).")
]
Deterministic = Annotated[
    bool | None, typer.Option("--deterministic", help="Two runs on one machine come to the same bits.")
]
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
BEST = "best"
"""What stands in place of an id for the best network of a search."""

IdArgument = Annotated[
    str, typer.Argument(help="Of an architecture, or its beginning; best; or an exported folder.")
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


END = ("trials", "seconds", "target")
"""The options that say when a search ends."""

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def search_options(names: Iterable[str] = FLAGS) -> Decorator:
    """Returns a decorator that adds flags of a search to a command that takes ``**options``.

    Args:
        names: the names of the options in `nas.search.options`; all that have a flag where none are named.
    """
    return _with_options([_parameter(name) for name in names])


def given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments of a search that were given among the options of a command, as they were meant.

    Args:
        options: what was written, by the names of the command's parameters; None or nothing: not given.
    """
    found: dict[str, Any] = {}
    for name, flag in FLAGS.items():
        value = options.get(_parameter_name(name))
        if value not in (None, []):
            found[name] = value if flag.read is None else flag.read(value)
    return found


def with_options_of(other: Callable[..., Any]) -> Decorator:
    """Returns a decorator that adds the options of another command to one that takes ``**options``."""
    return _with_options(inspect.signature(other, eval_str=True).parameters.values())


def _with_options(added: Iterable[inspect.Parameter]) -> Decorator:
    """Returns a decorator that adds options after those that a command has itself, which count first."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters
        parameters = {**own, **{one.name: one for one in added if one.name not in own}}
        command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
                for parameter in parameters.values()
                if parameter.kind is not inspect.Parameter.VAR_KEYWORD
            ]
        )
        return command

    return decorate


def _parameter(name: str) -> inspect.Parameter:
    """Returns the parameter of a command for an option of a search."""
    flag = FLAGS[name]
    text = f"--{flag.name or name}".replace("_", "-")
    option, kind = typer.Option(None, text, help=flag.help), inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(_parameter_name(name), kind, default=option, annotation=flag.kind | None)


def _parameter_name(name: str) -> str:
    """Returns the name of that parameter: its flag's, which may be a word of Python."""
    text = FLAGS[name].name or name
    return f"{text}_" if keyword.iskeyword(text) else text
