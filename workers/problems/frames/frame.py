"""The parts of a problem from a frame: its targets apart, its rows divided, its columns as inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from search_spaces.errors import ProblemError, nearest
from search_spaces.signature import Signature
from search_spaces.tasks import Classification, Ordinal, Task
from workers.problems.frames.columns import CategoryColumn
from workers.problems.frames.dividing import divided_rows
from workers.problems.frames.images import broken_paths
from workers.problems.frames.inference import check_frame, kinds_of
from workers.problems.frames.preprocessing import Preprocessing
from workers.problems.frames.targets import target_of, task_of
from workers.problems.frames.words import names_of
from workers.problems.split import Split


@dataclass(frozen=True)
class Read:
    """What is read of a frame.

    Attributes:
        signature: the inputs and tasks.
        splits: the parts by name.
        preprocessing: what makes inputs of rows.
        notes: what was inferred, in words.
    """

    signature: Signature
    splits: Mapping[str, Split]
    preprocessing: Preprocessing
    notes: tuple[str, ...]


def read_frames(
    where: str,
    given: Mapping[str, pd.DataFrame | float],
    predict: str | Sequence[str] | Mapping[str, str],
    *,
    columns: Mapping[str, str] | None,
    ordered_by: str | None,
    grouped_by: str | None,
    broken: float,
    seed: int,
) -> Read:
    """Returns what a frame, or a frame for each part, says.

    Args:
        where: the problem in words, for messages.
        given: the frames by part; a share stands for so many of the training rows, held out.
        predict: the target columns, by name; with what they are where a mapping.
        columns: what columns are, where that is not inferred rightly.
        ordered_by, grouped_by, seed: how rows are divided.
        broken: the share of the rows that may be left out because an image of theirs cannot be read.

    Raises:
        ProblemError: the frames do not go together, or a column may be several things.
    """
    targets = _targets(where, predict)
    kinds = dict(columns or {})
    shares = {part: one for part, one in given.items() if isinstance(one, float)}
    frames = {part: check_frame(f"{where}, {part}", one) for part, one in given.items() if part not in shares}
    for part, frame in frames.items():
        _check_columns(f"{where}, {part}", frame, frames["train"], targets)
        frames[part] = _labelled_rows(f"{where}, {part}", frame, targets)
    if (ordered_by or grouped_by) and not shares:
        raise ProblemError(
            f"{where}: ordered_by and grouped_by divide rows, but each part has a frame of its own"
        )
    everything = pd.concat([frame[list(targets)] for frame in frames.values()], ignore_index=True)
    names = names_of(targets)
    tasks: dict[str, Task] = {}
    notes = []
    for column, kind in targets.items():
        tasks[names[column]], why = task_of(where, everything[column], kind)
        notes.append(f"task {names[column]!r}: {why}")
    if shares:
        rows, first = frames["train"], next(iter(targets))
        is_class = isinstance(tasks[names[first]], Classification | Ordinal)
        places = divided_rows(
            where,
            rows,
            shares,
            rows[first] if is_class else None,
            ordered_by=ordered_by,
            grouped_by=grouped_by,
            seed=seed,
        )
        frames |= {part: rows.iloc[place] for part, place in places.items()}
    train = frames["train"].drop(columns=list(targets))
    if grouped_by is not None and grouped_by in train.columns and grouped_by not in kinds:
        train = train.drop(columns=grouped_by)
        notes.append(f"column {grouped_by!r}: left out, its values divide the rows")
    found, told = kinds_of(where, train, kinds)
    if not found:
        raise ProblemError(f"{where}: expected at least one column to predict from; {'; '.join(told)}")
    try:
        if broken:
            notes += _leave_out_broken(
                where, frames, [n for n, kind in found.items() if kind == "image"], broken
            )
            train = frames["train"].drop(columns=list(targets))
        preprocessing = Preprocessing.learn(train, found)
        splits = {part: _split(frame, preprocessing, names, tasks) for part, frame in frames.items()}
    except ProblemError as error:
        raise ProblemError(f"{where}: {error}") from None
    notes += [*told, *_gaps(preprocessing, frames)]
    return Read(Signature(preprocessing.kinds, tasks), splits, preprocessing, tuple(notes))


def _targets(where: str, predict: Any) -> dict[str, str | None]:
    """The target columns with what they are said to be."""
    if isinstance(predict, str):
        return {predict: None}
    if isinstance(predict, Mapping):
        found = dict(predict)
    elif isinstance(predict, Sequence):
        found = dict.fromkeys(predict)
    else:
        found = {}
    if not found or not all(isinstance(name, str) and name for name in found):
        raise ProblemError(
            f"{where}, predict: expected the name of the column to predict, or several, got {predict!r:.80}"
        )
    return found


def _check_columns(where: str, frame: pd.DataFrame, train: pd.DataFrame, targets: Mapping[str, Any]) -> None:
    for name in targets:
        if name not in frame.columns:
            hint = nearest(name, list(map(str, frame.columns)))
            raise ProblemError(f"{where}, predict: there is no column {name!r}{hint}")
    lacking = [name for name in train.columns if name not in frame.columns]
    if lacking:
        raise ProblemError(
            f"{where}: expected the columns of train, but {', '.join(map(repr, lacking))} is missing"
        )


def _labelled_rows(where: str, frame: pd.DataFrame, targets: Mapping[str, Any]) -> pd.DataFrame:
    """The rows that have a target, at least."""
    there = frame[list(targets)].notna().any(axis=1)
    if not bool(there.any()):
        raise ProblemError(
            f"{where}: expected targets, but all of {', '.join(map(repr, targets))} are missing"
        )
    return frame[there.to_numpy()]


def _leave_out_broken(
    where: str, frames: dict[str, pd.DataFrame], images: Sequence[str], most: float
) -> list[str]:
    """Leave out the rows whose images cannot be read; returns which they are, in words.

    Raises:
        ProblemError: they are more than may be left out.
    """
    notes = []
    for part, frame in frames.items():
        for name in images:
            lost = broken_paths(frame[name])
            if not lost.any():
                continue
            first = ", ".join(map(str, frame[name][lost].iloc[:3]))
            said = f"{int(lost.sum()):,} of {len(frame):,} images in {part} cannot be read ({first}, ...)"
            if lost.mean() > most:
                raise ProblemError(f"column {name!r}: {said}; that is more than broken={most:g}")
            notes.append(f"column {name!r}: {said}: left out")
            frame = frame[~lost]
        frames[part] = frame
    return notes


def _split(
    frame: pd.DataFrame, preprocessing: Preprocessing, names: Mapping[str, str], tasks: Mapping[str, Task]
) -> Split:
    inputs, present = preprocessing.tensors(frame)
    answers: dict[str, Tensor] = {}
    labelled: dict[str, Tensor] = {}
    for column, name in names.items():
        values = frame[column]
        there = values.notna().to_numpy()
        answers[name] = target_of(values, there, tasks[name])
        if not there.all():
            labelled[name] = torch.tensor(there)
    return Split(inputs, answers, present, labelled)


def _gaps(preprocessing: Preprocessing, frames: Mapping[str, pd.DataFrame]) -> list[str]:
    """What is missing, and which categories were not seen in training, in words."""
    found = []
    for column in preprocessing.columns:
        for part, frame in frames.items():
            values = frame[column.name]
            lacking = int(column.missing(values).sum())
            if lacking:
                found.append(f"column {column.name!r}: {lacking:,} of {len(values):,} are missing in {part}")
            if isinstance(column, CategoryColumn) and part != "train" and (new := column.unseen(values)):
                found.append(f"column {column.name!r}: {new:,} in {part} were not seen in training")
    return found
