"""The target columns of a frame: the task that each asks for, and the tensor that it becomes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from search_spaces.errors import ProblemError, SpaceError
from search_spaces.tasks import (
    Classification,
    CountRegression,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Regression,
    Task,
)
from workers.problems.frames.columns import as_words
from workers.problems.frames.words import TASKS
from workers.problems.kinds import FEW_CLASSES, surely_classes

_BETWEEN = re.compile("[;|]")
"""What stands between the labels of a text."""


def task_of(where: str, values: pd.Series[Any], kind: str | None) -> tuple[Task, str]:
    """Returns the task of a target column, and why it is one.

    Args:
        where: the problem in words, for messages.
        values: the column, with its missing values.
        kind: a word of `TASKS`; ``ordinal=low,high`` with the classes in their order, or
            ``quantiles=0.05,0.95``. None: a classification or a regression is inferred.

    Raises:
        ProblemError: it may be either, or neither, or is not what it is said to be.
    """
    name, there = values.name, values.dropna()
    here = f"{where}, target {name!r}"
    word, _, given = str(kind or "").partition("=")
    if kind is not None and (word not in TASKS or (given and word not in ("ordinal", "quantiles"))):
        raise ProblemError(f"{here}: expected one of {', '.join(TASKS)}, got {kind!r:.60}")
    if there.empty:
        raise ProblemError(f"{here}: expected values, but all of them are missing")
    numeric = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        raise ProblemError(
            f"{here}: expected classes or numbers, got dates; as days since one of them: "
            f"frame[{name!r}] = (frame[{name!r}] - frame[{name!r}].min()) / pd.Timedelta(days=1)"
        )
    if kind is None:
        word, why = _inferred_task(here, there, numeric)
    else:
        why = "as you say"
    if word == "labels":
        return _several_labels(here, there), why
    if word == "ordinal":
        return _in_order(here, values, given, numeric), why
    if word == "classification":
        labels = labels_of(there)
        _check_two(here, labels)
        return Classification(len(labels), labels), why
    if not numeric:
        what = {"regression": "a regression", "count": "counts", "quantiles": "quantiles"}[word]
        raise ProblemError(f"{here}: expected numbers for {what}, got {there.iloc[0]!r:.60}")
    if not bool(np.isfinite(there.astype(float)).all()):
        raise ProblemError(f"{here}: expected finite numbers, got infinity")
    if word == "quantiles":
        return _quantiles(here, given), why
    return (_counts(here, there) if word == "count" else Regression()), why


def _counts(here: str, there: pd.Series[Any]) -> CountRegression:
    wrong = there[(there.astype(float) % 1 != 0) | (there < 0)]
    if len(wrong):
        raise ProblemError(
            f"{here}: expected counts, which are whole numbers of at least 0, got {wrong.iloc[0]} (in "
            f"{len(wrong):,} of {len(there):,} rows); of other numbers: "
            f"predict={{{there.name!r}: 'regression'}}"
        )
    return CountRegression()


def _check_two(here: str, labels: tuple[str | int, ...]) -> None:
    if len(labels) < 2:
        raise ProblemError(f"{here}: expected two classes or more, got {labels[0]!r} in every row")


def _several_labels(here: str, there: pd.Series[Any]) -> MultiLabel:
    """The labels that texts name, several in one at least."""
    texts = [text for text in there if not isinstance(text, str)]
    if texts:
        raise ProblemError(f"{here}: expected texts such as 'red;round' for labels, got {texts[0]!r:.60}")
    rows = [_split(text) for text in there]
    labels = tuple(sorted({label for row in rows for label in row}))
    if not any(len(row) > 1 for row in rows):
        raise ProblemError(
            f"{here}: expected texts such as 'red;round' for labels, got none with ; or | between two; of "
            f"one label each it is a classification"
        )
    return MultiLabel(len(labels), labels)


def _split(text: str) -> list[str]:
    return [label.strip() for label in _BETWEEN.split(text) if label.strip()]


def _in_order(here: str, values: pd.Series[Any], given: str, numeric: bool) -> Ordinal:
    """The classes of a column in their order: said, of its type, or that of whole numbers."""
    there = values.dropna()
    labels = labels_of(there)
    if given:
        order = [label.strip() for label in given.split(",")]
        unknown = sorted({str(label) for label in labels} - set(order))
        if unknown:
            raise ProblemError(f"{here}: expected classes out of {given}, got {unknown[0]!r:.60}")
        try:
            labels = tuple(order) if isinstance(labels[0], str) else tuple(map(int, order))
        except ValueError:
            raise ProblemError(f"{here}: expected whole numbers in their order, got {given!r:.60}") from None
    elif isinstance(values.dtype, pd.CategoricalDtype) and values.dtype.ordered:
        labels = tuple(map(str, as_words(pd.Series(values.dtype.categories))))
    elif not numeric or isinstance(labels[0], str):
        raise ProblemError(
            f"{here}: the order of {', '.join(map(repr, labels[:3]))}, ... is not known; say it, from the "
            f"lowest on: predict={{{values.name!r}: 'ordinal={labels[0]},...'}} "
            f"(--predict {values.name}:ordinal={labels[0]},...)"
        )
    _check_two(here, labels)
    try:
        return Ordinal(len(labels), labels)
    except SpaceError as error:
        raise ProblemError(f"{here}: {error}") from None


def _quantiles(here: str, given: str) -> QuantileRegression:
    if not given:
        return QuantileRegression()
    try:
        return QuantileRegression(tuple(float(one) for one in given.split(",")))
    except (ValueError, SpaceError):
        raise ProblemError(
            f"{here}: expected numbers between 0 and 1 in ascending order, such as quantiles=0.1,0.5,0.9, "
            f"got {given!r:.60}"
        ) from None


def labels_of(there: pd.Series[Any]) -> tuple[str | int, ...]:
    """Returns the names of classes in order: whole numbers, or words."""
    numeric = pd.api.types.is_numeric_dtype(there.dtype) and not pd.api.types.is_bool_dtype(there.dtype)
    if numeric and bool((there.astype(float) % 1 == 0).all()):
        return tuple(sorted({int(value) for value in there}))
    return tuple(sorted({str(word) for word in as_words(there)}))


def _inferred_task(here: str, there: pd.Series[Any], numeric: bool) -> tuple[str, str]:
    different = there.nunique()
    if not numeric:
        return "classification", "its values are words"
    whole = bool((there.astype(float) % 1 == 0).all())
    if not whole:
        return "regression", "its values are real numbers"
    if different <= 2:  # one value alone is refused as classes are
        return "classification", "it has two values"
    counts = there.value_counts().sort_index()
    if different > FEW_CLASSES and float(counts.median()) < FEW_CLASSES:
        return "regression", f"it has {different:,} different numbers"
    if surely_classes([int(value) for value in counts.index], [int(count) for count in counts]):
        return "classification", f"it has the numbers from 0 to {different - 1}"
    name = there.name
    raise ProblemError(
        f"{here}: {different:,} whole numbers from {int(there.min())} to {int(there.max())} may be classes "
        f"or numbers; write predict={{{name!r}: 'classification'}} or predict={{{name!r}: 'regression'}} "
        f"(--predict {name}:classification); other kinds are {', '.join(TASKS)}"
    )


def target_of(values: pd.Series[Any], there: NDArray[np.bool_], task: Task) -> Tensor:
    """Returns the targets of a task from its column, 0 where there is none.

    Args:
        values: the column.
        there: which rows have a target, bool ``(N,)``.
        task: the task.
    """
    if isinstance(task, MultiLabel):
        rows = [set(_split(text)) if ok else set() for text, ok in zip(values, there, strict=True)]
        return torch.tensor([[float(label in row) for label in task.labels] for row in rows])
    if not isinstance(task, Classification | Ordinal):
        reals = values.to_numpy(dtype=np.float64, na_value=0.0)
        return torch.from_numpy(np.where(there, reals, 0.0).astype(np.float32))[:, None]
    if all(isinstance(label, int) for label in task.labels):
        plain: Any = [int(value) if ok else None for value, ok in zip(values, there, strict=True)]
    else:
        plain = list(as_words(values))
    numbers = {label: number for number, label in enumerate(task.labels)}
    return torch.tensor([numbers[value] if ok else 0 for value, ok in zip(plain, there, strict=True)])
