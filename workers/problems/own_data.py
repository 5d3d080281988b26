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


@checked(ProblemError, elsewhere=("predict", "inputs", "tasks"))
def own_data(
    path: str | os.PathLike[str],
    predict: str | Iterable[str] | Mapping[str, str] | None = None,
    *,
    validation: str | os.PathLike[str] | float = 0.2,
    test: str | os.PathLike[str] | float | None = 0.2,
    columns: Mapping[str, str] | None = None,
    ordered_by: str | None = None,
    grouped_by: str | None = None,
    broken: float = 0.0,
    seed: int = 0,
    inputs: Iterable[str] | None = None,
    tasks: Iterable[str] | None = None,
) -> Problem:
    """Your own data: a table (--data FILE --predict COLUMN), or folders of images by class (--data FOLDER).

    Paths of images in a table begin where the table lies.

    Args:
        path: the file, CSV or Parquet, or its URI as fsspec knows it (``s3://bucket/houses.csv``); or the
            folder.
        predict: the column to predict, or several; with what they are where that is not clear. Not of a
            folder, whose folders are the classes.
        validation: a file of its own; or the share of the rows that is held out for it.
        test: the same; or the share of the rows that is held out for it; None: there are no test rows.
        columns, ordered_by, grouped_by, broken, seed: those of `workers.problems.Problem.from_frame`.
        inputs, tasks: the inputs and tasks that stay; None: all.

    Raises:
        ProblemError: a file cannot be read, or its columns are not what they should be.
    """
    from workers.problems.frames.files import read_table
    from workers.problems.frames.images import with_paths_from
    from workers.problems.problem import Problem

    files: dict[str, str | os.PathLike[str]] = {"train": path}
    given: dict[str, Any] = {}
    for part, one in (("validation", validation), ("test", test)):
        if one is None or one == "none":
            given[part] = None
        elif is_share(one):
            given[part] = float(str(one))
        else:
            files[part] = one  # type: ignore[assignment]
    if predict is not None and not isinstance(predict, str | Mapping | list | tuple):
        raise ProblemError(f"predict: expected the name of a column, or several, got {predict!r:.80}")
    asked: dict[str, Any] = {"ordered_by": ordered_by, "grouped_by": grouped_by, "columns": columns}
    options = _options(files, given, predict, asked, broken, seed)
    about: dict[str, Any] = {"name": "data", "broken": broken, "seed": seed, "options": options}
    if not is_uri(path) and Path(path).expanduser().is_dir():
        told = [name for name, one in {**asked, "predict": predict}.items() if one]
        if told or len(files) > 1:
            raise ProblemError(
                f"{path}: a folder of images has classes alone, got {', '.join(told) or 'files of parts'} "
                "beside it; labels of another kind go into a table with a column of paths"
            )
        problem = Problem.from_folder(path, **given, description=f"images of {Path(path).name}", **about)
        return problem.only(inputs=inputs, tasks=tasks)
    if predict is None:
        raise ProblemError(f"{path}: expected predict=COLUMN, the column to be predicted (--predict COLUMN)")
    read: dict[str, Any] = {part: with_paths_from(file, read_table(file)) for part, file in files.items()}
    problem = Problem.from_frame(
        predict=predict,
        **read,
        **given,
        **asked,
        description=f"{Path(str(path)).name}: {_words(predict)}",
        **about,
    )
    problem = problem.only(inputs=inputs, tasks=tasks)
    # of what lies elsewhere the data themselves say whether they are the same
    return problem if any(map(is_uri, files.values())) else problem.with_files(map(_state, files.values()))


def is_uri(path: object) -> bool:
    """Whether a path is a URI as fsspec knows it, such as ``s3://bucket/houses.csv``."""
    return "://" in str(path)


def is_share(given: object) -> bool:
    """Whether a part is given by its share of the rows, and not by a file of its own."""
    try:
        float(str(given))
    except ValueError:
        return False
    return True


def _words(predict: Any) -> str:
    return predict if isinstance(predict, str) else ", ".join(predict)


def _options(
    files: Mapping[str, Any],
    shares: Mapping[str, float],
    predict: Any,
    asked: Mapping[str, Any],
    broken: float,
    seed: int,
) -> dict[str, Any]:
    """The options by which the same problem is loaded again, as JSON has them."""
    paths = {
        part: str(file) if is_uri(file) else str(Path(file).expanduser().resolve())
        for part, file in files.items()
    }
    found: dict[str, Any] = {"path": paths.pop("train"), **paths}
    if predict is not None:
        found["predict"] = predict if isinstance(predict, str | Mapping) else list(predict)
    found |= {part: share for part, share in shares.items() if share != 0.2}
    return found | {name: one for name, one in {**asked, "broken": broken, "seed": seed}.items() if one}


def _state(path: str | os.PathLike[str]) -> tuple[str, int, int]:
    file = Path(path).expanduser().resolve()
    state = file.stat()
    return str(file), state.st_size, state.st_mtime_ns
