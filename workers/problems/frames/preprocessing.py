"""What makes the inputs of a network of the rows of a frame: learnt from the training rows, kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from search_spaces.arguments import checked
from search_spaces.errors import FormatError, ProblemError, nearest
from search_spaces.inputs import Input, TabularRow
from workers.problems.frames.columns import CategoryColumn, FrameColumn, LoneColumn, NumericColumn, RowColumn
from workers.problems.frames.inference import check_frame
from workers.problems.frames.kinds import KINDS, from_dict, to_dict
from workers.problems.frames.words import names_of

FORMAT = "nasforge-preprocessing/1"

ROW = "row"
"""The name of the input that has all columns but texts and images."""


@dataclass(frozen=True)
class Preprocessing:
    """What makes the inputs of a network of the rows of a frame.

    It knows what the training rows have shown: the categories, what stands for a missing value, the words of
    texts. Numbers keep their units: networks standardise them themselves.

    Attributes:
        columns: what is known of each column, in the order in which they become numbers.
        inputs: the name of the input of each text and each image, by column.

    Example:
        >>> preprocessing = Problem.from_frame(frame, predict="price").preprocessing
        >>> network(*preprocessing.tensors(new_rows))
    """

    columns: tuple[FrameColumn, ...]
    inputs: Mapping[str, str]

    @staticmethod
    def learn(train: pd.DataFrame, kinds: Mapping[str, str]) -> Preprocessing:
        """Learns from the training rows.

        Args:
            train: the rows.
            kinds: what the columns are, by name: words of `workers.problems.frames.columns.KINDS`.

        Raises:
            ProblemError: a column is not what it is said to be, or there is none.
        """
        columns = tuple(KINDS[kind].learn(train[name]) for name, kind in kinds.items())
        if not columns:
            raise ProblemError("expected at least one column to predict from, got none")
        return Preprocessing(columns, names_of((one.name for one in _alone(columns)), {ROW}))

    @property
    def kinds(self) -> dict[str, Input]:
        """The inputs that it makes, by name."""
        found: dict[str, Input] = {}
        if self._numeric or self._categories:
            width = sum(column.width for column in self._numeric)
            found[ROW] = TabularRow(width, tuple(column.count for column in self._categories))
        return found | {self.inputs[column.name]: column.input for column in _alone(self.columns)}

    @checked(ProblemError, elsewhere=("rows",))
    def tensors(
        self, rows: pd.DataFrame, wanted: Collection[str] | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Returns the inputs of rows, and masks of the texts and images that some rows lack.

        Args:
            rows: a frame with the columns that it knows; others are passed over.
            wanted: the inputs that are wanted, whose columns alone need be there; None: all.

        Returns:
            Tensors by the names of `kinds`, and bool ``(N,)`` by name, of those that some rows lack.

        Raises:
            ProblemError: a column is missing, or its values are not what they were in training.
        """
        rows = check_frame("rows", rows)
        numbers, inputs, present = list[Any](), dict[str, Tensor](), dict[str, Tensor]()
        for column in (*self._numeric, *self._categories, *_alone(self.columns)):
            name = self.inputs.get(column.name, ROW)
            if wanted is not None and name not in wanted:
                continue
            if column.name not in rows.columns:
                hint = nearest(column.name, list(map(str, rows.columns)))
                raise ProblemError(
                    f"rows: expected a column {column.name!r}, which was there in training{hint}"
                )
            values = rows[column.name]
            if isinstance(column, RowColumn):
                numbers.append(column.numbers(values))
            elif isinstance(column, LoneColumn):
                inputs[name] = torch.from_numpy(column.array(values))
                there = torch.from_numpy(~column.missing(values))
                if not bool(there.all()):
                    present[name] = there
        if numbers:
            inputs = {ROW: torch.from_numpy(np.concatenate(numbers, axis=1)), **inputs}
        return inputs, present

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for JSON; `from_dict` reads it back."""
        columns = [to_dict(column) for column in self.columns]
        return {"format": FORMAT, "columns": columns, "inputs": dict(self.inputs)}

    def to_json(self) -> str:
        """Returns it as JSON; `from_json` reads it back."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @staticmethod
    @checked(FormatError)
    def from_dict(data: Mapping[str, Any]) -> Preprocessing:
        """Reads what `to_dict` wrote.

        Raises:
            FormatError: it is none.
        """
        try:
            if data["format"] != FORMAT:
                raise FormatError(f"expected the format {FORMAT}, got {data['format']!r:.60}")
            columns = tuple(from_dict(one) for one in data["columns"])
            inputs = {str(name): str(value) for name, value in data["inputs"].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise FormatError(f"no preprocessing: {error!r}") from None
        alone = sorted(column.name for column in _alone(columns))
        if not columns or alone != sorted(inputs) or len({ROW, *inputs.values()}) != len(inputs) + 1:
            raise FormatError(
                f"no preprocessing: expected an input for each of the texts and images {alone}, got {inputs}"
            )
        return Preprocessing(columns, inputs)

    @staticmethod
    @checked(FormatError)
    def from_json(text: str) -> Preprocessing:
        """Reads what `to_json` wrote.

        Raises:
            FormatError: it is none.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"no preprocessing: {error}") from None
        return Preprocessing.from_dict(data)

    @property
    def _numeric(self) -> list[NumericColumn]:
        return [column for column in self.columns if isinstance(column, NumericColumn)]

    @property
    def _categories(self) -> list[CategoryColumn]:
        return [column for column in self.columns if isinstance(column, CategoryColumn)]


def _alone(columns: Iterable[FrameColumn]) -> list[LoneColumn]:
    return [column for column in columns if isinstance(column, LoneColumn)]
