"""The problem of a person's own data: a table in a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search_spaces.arguments import checked
from search_spaces.errors import ProblemError

if TYPE_CHECKING:
    from workers.problems.problem import Problem


@checked(ProblemError, only=())
def own_data(
    path: str | os.PathLike[str],
    predict: str | Iterable[str] | Mapping[str, str],
    *,
    validation: str | os.PathLike[str] | float = 0.2,
    test: str | os.PathLike[str] | float = 0.2,
    columns: Mapping[str, str] | None = None,
    ordered_by: str | None = None,
    grouped_by: str | None = None,
    seed: int = 0,
    inputs: Iterable[str] | None = None,
    tasks: Iterable[str] | None = None,
) -> Problem:
    """Your own data: a table (CSV, Parquet) of which columns are predicted (--data FILE --predict COLUMN).

    Args:
        path: the file.
        predict: the column to predict, or several; with what they are where that is not clear.
        validation: a file of its own; or the share of the rows that is held out for it.
        test: the same; or the share of the rows that is held out for it.
        columns, ordered_by, grouped_by, seed: those of `workers.problems.Problem.from_frame`.
        inputs, tasks: the inputs and tasks that stay; None: all.

    Raises:
        ProblemError: a file cannot be read, or its columns are not what they should be.
    """
    from workers.problems.frames.files import read_table
    from workers.problems.problem import Problem

    files: dict[str, str | os.PathLike[str]] = {"train": path}
    given: dict[str, Any] = {}
    for part, one in (("validation", validation), ("test", test)):
        if isinstance(one, int | float):
            given[part] = one
        else:
            files[part] = one
    read: dict[str, Any] = {part: read_table(file) for part, file in files.items()}
    divided: dict[str, Any] = {"ordered_by": ordered_by, "grouped_by": grouped_by}
    problem = Problem.from_frame(
        predict=predict,
        **read,
        **given,
        columns=columns,
        **divided,
        name="data",
        seed=seed,
        description=f"{Path(path).name}: {_words(predict)}",
        options=_options(files, given, predict, columns, divided, seed),
    )
    return problem.only(inputs=inputs, tasks=tasks).with_files(map(_state, files.values()))


def _words(predict: Any) -> str:
    return predict if isinstance(predict, str) else ", ".join(predict)


def _options(
    files: Mapping[str, Any],
    shares: Mapping[str, float],
    predict: Any,
    columns: Mapping[str, str] | None,
    divided: Mapping[str, str | None],
    seed: int,
) -> dict[str, Any]:
    """The options by which the same problem is loaded again, as JSON has them."""
    paths = {part: str(Path(file).expanduser().resolve()) for part, file in files.items()}
    found: dict[str, Any] = {"path": paths.pop("train"), **paths}
    found["predict"] = predict if isinstance(predict, str | Mapping) else list(predict)
    found |= {part: share for part, share in shares.items() if share != 0.2}
    found |= {"columns": dict(columns)} if columns else {}
    found |= {name: value for name, value in divided.items() if value is not None}
    return found | ({"seed": seed} if seed else {})


def _state(path: str | os.PathLike[str]) -> tuple[str, int, int]:
    file = Path(path).expanduser().resolve()
    state = file.stat()
    return str(file), state.st_size, state.st_mtime_ns
