"""The option ``--file``: a Python file of the user's that has modules, or describes a search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

DescribedBy = Annotated[
    Path | None,
    typer.Option("--file", help="File that describes the search: for data or modules of your own."),
]


def register_modules(file: Path | None) -> None:
    """Runs a file, so that the modules in it can be named in stored architectures.

    Raises:
        SearchError: there is no such file, or it fails.
    """
    if file is not None:
        from nas.commands.assemble import run_file

        run_file(file)


def described_search(file: Path | None, store: str | None, executor: Any, name: str | None) -> dict[str, Any]:
    """Returns what a file says of its search, as arguments for the functions of `nas.reuse`.

    Args:
        file: a file with ``search = Search(...)``; None: the result is empty.
        store, executor, name: what the command line says in place of what the file says; None: nothing.

    Raises:
        SearchError: there is no such file, it fails, or it describes no search.
    """
    if file is None:
        return {}
    from nas.commands.assemble import from_file

    end = dict.fromkeys(("trials", "seconds", "target"))
    found = from_file(file, store=store, executor=executor, name=name, **end)
    return {
        "store": found.store,
        "search": found.name,
        "executor": found.executor,
        "problem": found.problem,
        "space": found.space,
    }
