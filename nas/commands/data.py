"""The options that say what data a command is about: a problem of the catalog, or a file of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from nas.commands.options import FolderOption, InputOption, TaskOption
from search_spaces.errors import SearchError
from workers.problems.frames.words import TASKS
from workers.problems.own_data import is_share


def data_options(
    data: Annotated[
        str | None,
        typer.Option(
            "--data", help="A table of your own (CSV, Parquet), with --predict; or a folder of images."
        ),
    ] = None,
    predict: Annotated[
        list[str] | None,
        typer.Option(
            "--predict",
            help="The column to predict, where it is not clear price:regression; or tags:labels, "
            "visits:count, grade:ordinal, price:quantiles; may be repeated.",
        ),
    ] = None,
    validation: Annotated[
        str | None, typer.Option("--validation", help="With --data: a file, or the share of rows; 0.2.")
    ] = None,
    test: Annotated[
        str | None, typer.Option("--test", help="With --data: a file, the share of rows (0.2), or none.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column", help="zip=category: number, category, date, text, image or drop; may be repeated."
        ),
    ] = None,
    ordered_by: Annotated[
        str | None, typer.Option("--ordered-by", help="Test on the last rows by this column, such as a date.")
    ] = None,
    grouped_by: Annotated[
        str | None, typer.Option("--grouped-by", help="No value of this column in two parts.")
    ] = None,
    broken: Annotated[
        float | None, typer.Option("--broken", help="The share of images that may be unreadable; 0.")
    ] = None,
    folder: FolderOption = None,
    input_: InputOption = None,
    task: TaskOption = None,
) -> dict[str, Any]:
    """Returns the options of a problem that were given, by their names.

    Raises:
        SearchError: they do not go together, or cannot be read.
    """
    given: dict[str, Any] = {
        "predict": _predicted(predict or ()),
        "columns": _columns(column or ()),
        "validation": _part(validation),
        "test": _part(test),
        "ordered_by": ordered_by,
        "grouped_by": grouped_by,
        "broken": broken,
    }
    given = {name: value for name, value in given.items() if value not in (None, {}, [])}
    kept = {"inputs": list(input_ or ()), "tasks": list(task or ())}
    found: dict[str, Any] = {name: names for name, names in kept.items() if names}
    if data is None:
        if given:
            option = {"columns": "--column"}.get(first := next(iter(given)), f"--{first.replace('_', '-')}")
            raise SearchError(f"{option}: expected --data FILE beside it")
        return found | ({} if folder is None else {"folder": str(folder.resolve())})
    if folder is not None:
        raise SearchError("--folder: it is of a problem of the catalog; the data are in --data")
    return found | {"path": data} | given


def problem_name(problem: str | None, given: dict[str, Any]) -> str | None:
    """Returns the name of the problem: that of one's own data where there are some.

    Raises:
        SearchError: both are named.
    """
    if "path" not in given:
        return problem
    if problem is not None:
        raise SearchError(f"--data {given['path']}: expected it or the problem {problem!r}, got both")
    return "data"


def _predicted(texts: Sequence[str]) -> Any:
    """The columns to predict; with what they are, where one says so."""
    found: dict[str, str | None] = {}
    for text in texts:
        name, _, kind = text.rpartition(":")
        known = name and kind.partition("=")[0] in TASKS
        found[name if known else text] = kind if known else None
    if any(kind is not None for kind in found.values()):
        return found
    return next(iter(found)) if len(found) == 1 else list(found)


def _columns(texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, _, kind = text.rpartition("=")
        if not name:
            raise SearchError(f"--column {text}: expected something like zip=category")
        found[name] = kind
    return found


def _part(text: str | None) -> Any:
    """A share, or the path of a file."""
    return float(text) if text is not None and is_share(text) else text
