"""What the columns of a frame are: by their types and values, or as a person says."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from search_spaces.errors import ProblemError, nearest
from workers.problems.frames.columns import FEW_CATEGORIES
from workers.problems.frames.images import ENDINGS
from workers.problems.frames.kinds import KINDS
from workers.problems.frames.words import words_of

DROP = "drop"
"""What is said of a column that is left out."""

OFTEN = 0.5
"""Words are categories where at most this share of their values is different from all before."""

WORDS = 3
"""Values of so many words or more, in the mean, are texts where they are no categories."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")


def check_frame(where: str, frame: Any) -> pd.DataFrame:
    """Returns what was given if it is a frame whose columns have names of their own.

    Raises:
        ProblemError: it is not.
    """
    if not isinstance(frame, pd.DataFrame):
        raise ProblemError(
            f"{where}: expected a frame of pandas, got {type(frame).__name__}; "
            "arrays are taken by Problem.from_tensors"
        )
    names: list[Hashable] = list(frame.columns)
    for name in names:
        if not isinstance(name, str) or not name:
            raise ProblemError(
                f"{where}: expected words as names of columns, got {name!r:.60}; "
                "write frame.columns = frame.columns.map(str)"
            )
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise ProblemError(f"{where}: expected each column once, got {', '.join(map(repr, twice))} twice")
    if not len(frame):
        raise ProblemError(f"{where}: expected at least one row, got none")
    return frame


def kinds_of(where: str, train: pd.DataFrame, given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Returns what each column is, without those that are left out, and what was inferred, in words.

    Args:
        where: the problem in words, for messages.
        train: the training rows, the targets not among their columns.
        given: what a person says of some columns: a word of `KINDS`, or `DROP`.

    Raises:
        ProblemError: there is no such column or kind; or a column may be several things.
    """
    for name, kind in given.items():
        if name not in train.columns:
            hint = nearest(str(name), list(train.columns))
            raise ProblemError(f"{where}, columns: there is no input column {name!r}{hint}")
        if kind not in KINDS and kind != DROP:
            raise ProblemError(
                f"{where}, columns: expected {', '.join(KINDS)} or {DROP} for {name!r}, got {kind!r:.60}"
            )
    found, notes = {}, []
    for name in train.columns:
        if name in given:
            kind, why = given[name], "as you say"
        else:
            kind, why = _kind(where, train[name])
        notes.append(f"column {name!r}: {'left out' if kind == DROP else kind}, {why}")
        if kind != DROP:
            found[str(name)] = kind
    return found, notes


def _kind(where: str, values: pd.Series[Any]) -> tuple[str, str]:
    there = values.dropna()
    if there.empty:
        raise ProblemError(
            f"{where}, column {values.name!r}: every value of the training rows is missing; leave it out: "
            f"columns={{{values.name!r}: 'drop'}}"
        )
    if isinstance(values.dtype, pd.CategoricalDtype):
        return "category", "by its type"
    if pd.api.types.is_bool_dtype(values.dtype):
        return "number", "yes or no"
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return "date", "by its type"
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_complex_dtype(values.dtype):
        return _constant(there) or ("number", "by its type")
    if not pd.api.types.is_object_dtype(values.dtype) and not pd.api.types.is_string_dtype(values.dtype):
        raise ProblemError(
            f"{where}, column {values.name!r}: expected numbers, words or dates, got {values.dtype}; say "
            f"what it is: columns={{{values.name!r}: 'category'}}, or leave it out: 'drop'"
        )
    return _constant(there) or _kind_of_objects(where, there)


def _constant(there: pd.Series[Any]) -> tuple[str, str] | None:
    return (DROP, "it has one value only") if there.map(str).nunique() == 1 and len(there) > 1 else None


def _kind_of_objects(where: str, there: pd.Series[Any]) -> tuple[str, str]:
    types = {type(value) for value in there}
    name = there.name
    if types <= {bool, np.bool_}:
        return "number", "yes or no"
    if all(issubclass(one, int | float | np.number) for one in types):
        return "number", "numbers"
    if types != {str}:
        told = ", ".join(sorted(one.__name__ for one in types))
        raise ProblemError(
            f"{where}, column {name!r}: expected values of one type, got {told}; say what it is: "
            f"columns={{{name!r}: 'category'}}, or leave it out: 'drop'"
        )
    if all(_DATE.fullmatch(value) for value in there):
        return "date", "all look like 2024-05-01"
    if all(value.lower().endswith(ENDINGS) for value in there):
        return "image", "paths of images"
    different = there.nunique()
    if different <= FEW_CATEGORIES or different <= OFTEN * len(there):
        return "category", f"{different:,} words that come again"
    lengths = [len(words_of(value)) for value in there]
    if float(np.mean(lengths)) >= WORDS:
        return "text", f"{different:,} different ones of some {np.mean(lengths):.0f} words"
    if different > 0.95 * len(there):
        return DROP, "nearly every row has a name of its own, which says nothing of other rows"
    return "category", f"{different:,} words, some of which come again"
