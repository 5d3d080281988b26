"""The columns of a frame: what each is, learnt from the training rows, and the numbers that it becomes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search_spaces.errors import ProblemError
from search_spaces.inputs import Input, Tokens
from workers.problems.frames.words import words_of

Floats = NDArray[np.float32]

MOST_CATEGORIES = 2**20
"""A column with more categories is refused: each has numbers of its own in a network."""

FEW_CATEGORIES = 20
"""Of a column with so many categories or fewer each is kept, however rare; of more, those seen twice."""

YEAR = 365.2425
"""Days in the mean year."""


@dataclass(frozen=True)
class FrameColumn(ABC):
    """What is known of a column from the training rows.

    Attributes:
        name: the name of the column.
    """

    kind: ClassVar[str]
    """The word for what it is, as people write it."""

    name: str

    @staticmethod
    @abstractmethod
    def learn(values: pd.Series[Any]) -> FrameColumn:
        """Learns from the values of the training rows."""

    @abstractmethod
    def missing(self, values: pd.Series[Any]) -> NDArray[np.bool_]:
        """Which values are missing."""


@dataclass(frozen=True)
class RowColumn(FrameColumn):
    """A column that is a part of the row."""

    @abstractmethod
    def numbers(self, values: pd.Series[Any]) -> Floats:
        """Returns the numbers that values become, float32 ``(N, width)``."""


@dataclass(frozen=True)
class NumericColumn(RowColumn):
    """A column that becomes numbers, and a mark for those that are missing if some of the training are.

    Attributes:
        fill: what stands for a missing value: the median of the training rows.
        marked: whether a number more says which values are missing.
    """

    fill: float
    marked: bool

    def numbers(self, values: pd.Series[Any]) -> Floats:
        """Returns float32 ``(N, width)``, in the column's own units; missing values are filled.

        Raises:
            ProblemError: a value is no number, or infinite.
        """
        plain = self._plain(values)
        gaps = np.isnan(plain)
        parts = [*self._parts(np.where(gaps, self.fill, plain))]
        return np.stack([*parts, gaps] if self.marked else parts, axis=1).astype(np.float32)

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers it becomes, the mark included."""

    @abstractmethod
    def _plain(self, values: pd.Series[Any]) -> NDArray[np.float64]:
        """The values as numbers, NaN where they are missing."""

    @abstractmethod
    def _parts(self, plain: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
        """The numbers that they become."""

    def missing(self, values: pd.Series[Any]) -> NDArray[np.bool_]:
        return np.isnan(self._plain(values))


@dataclass(frozen=True)
class NumberColumn(NumericColumn):
    """Numbers, and truths as 0 and 1."""

    kind = "number"

    @staticmethod
    def learn(values: pd.Series[Any]) -> NumberColumn:
        plain = as_numbers(values)
        check_some(values, np.isnan(plain))
        return NumberColumn(str(values.name), float(np.nanmedian(plain)), bool(np.isnan(plain).any()))

    @property
    def width(self) -> int:
        return 1 + self.marked

    def _plain(self, values: pd.Series[Any]) -> NDArray[np.float64]:
        return as_numbers(values)

    def _parts(self, plain: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
        return [plain]


@dataclass(frozen=True)
class DateColumn(NumericColumn):
    """Dates and times: years since 2000, and where in the year, the week and the day they lie.

    What comes again and again is an angle, given by its sine and cosine: December lies beside January.

    Attributes:
        clock: whether they have a time of day.
    """

    kind = "date"

    clock: bool

    @staticmethod
    def learn(values: pd.Series[Any]) -> DateColumn:
        days = as_days(values)
        gaps = np.isnan(days)
        check_some(values, gaps)
        clock = bool((days[~gaps] % 1 > 0).any())
        return DateColumn(str(values.name), float(np.nanmedian(days)), bool(gaps.any()), clock)

    @property
    def width(self) -> int:
        return 5 + 2 * self.clock + self.marked

    def _plain(self, values: pd.Series[Any]) -> NDArray[np.float64]:
        return as_days(values)

    def _parts(self, plain: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
        turns = [plain / YEAR, plain / 7, *([plain] if self.clock else [])]
        angles = [2 * np.pi * (turn % 1) for turn in turns]
        return [plain / YEAR, *(wave(angle) for angle in angles for wave in (np.sin, np.cos))]


@dataclass(frozen=True)
class CategoryColumn(RowColumn):
    """Categories: each value that was seen in training has a number from 1 on, all others have 0.

    Attributes:
        categories: the values, as words; a number is written as Python writes it.
    """

    kind = "category"

    categories: tuple[str, ...]

    @staticmethod
    def learn(values: pd.Series[Any]) -> CategoryColumn:
        words = as_words(values)
        check_some(values, words.isna().to_numpy())
        counts = words.value_counts()
        if len(counts) > FEW_CATEGORIES:
            counts = counts[counts > 1] if bool((counts > 1).any()) else counts
        if len(counts) > MOST_CATEGORIES:
            raise ProblemError(
                f"column {values.name!r}: expected up to {MOST_CATEGORIES:,} categories, got "
                f"{len(counts):,}; leave it out: columns={{{values.name!r}: 'drop'}}"
            )
        return CategoryColumn(str(values.name), tuple(sorted(map(str, counts.index))))

    @property
    def count(self) -> int:
        """The number of its categories, 0 for all others included."""
        return len(self.categories) + 1

    def numbers(self, values: pd.Series[Any]) -> Floats:
        """Returns float32 ``(N, 1)``, the numbers of the categories."""
        found = pd.Index(self.categories).get_indexer(pd.Index(as_words(values)))
        return np.asarray(found + 1, dtype=np.float32)[:, None]

    def missing(self, values: pd.Series[Any]) -> NDArray[np.bool_]:
        return np.asarray(as_words(values).isna())

    def unseen(self, values: pd.Series[Any]) -> int:
        """How many values are there and were not learnt."""
        return int(((self.numbers(values)[:, 0] == 0) & ~self.missing(values)).sum())


@dataclass(frozen=True)
class LoneColumn(FrameColumn):
    """A column that is an input of its own."""

    @property
    @abstractmethod
    def input(self) -> Input:
        """The kind of the input."""

    @abstractmethod
    def array(self, values: pd.Series[Any]) -> NDArray[Any]:
        """Returns the input of values, ``(N, ...)``; zeros for those that are missing."""


@dataclass(frozen=True)
class TextColumn(LoneColumn):
    """Texts as tokens: words in lower case, with numbers from 2 on; 1 is any other word, 0 is padding.

    Attributes:
        vocabulary: the words that were seen at least twice in training, the most frequent first.
        length: the number of tokens that are kept of a text.
    """

    kind = "text"

    vocabulary: tuple[str, ...]
    length: int

    MOST_WORDS: ClassVar[int] = 10_000
    LONGEST: ClassVar[int] = 256

    @staticmethod
    def learn(values: pd.Series[Any]) -> TextColumn:
        texts = as_words(values)
        check_some(values, texts.isna().to_numpy())
        rows = [words_of(text) for text in texts.dropna()]
        counts: dict[str, int] = {}
        for row in rows:
            for word in row:
                counts[word] = counts.get(word, 0) + 1
        often = sorted((word for word in counts if counts[word] > 1), key=lambda w: (-counts[w], w))
        lengths = np.array([len(row) for row in rows])
        longest = int(np.ceil(np.quantile(lengths, 0.99)))
        length = min(TextColumn.LONGEST, max(1, longest))
        return TextColumn(str(values.name), tuple(often[: TextColumn.MOST_WORDS]), length)

    @property
    def input(self) -> Tokens:
        return Tokens(self.length, len(self.vocabulary) + 2)

    def array(self, values: pd.Series[Any]) -> NDArray[np.int64]:
        """Returns int64 ``(N, length)``; zeros where there is no text."""
        numbers = {word: number for number, word in enumerate(self.vocabulary, 2)}
        found = np.zeros((len(values), self.length), dtype=np.int64)
        for row, text in zip(found, as_words(values), strict=True):
            if isinstance(text, str):
                words = words_of(text)[: self.length]
                row[: len(words)] = [numbers.get(word, 1) for word in words]
        return found

    def missing(self, values: pd.Series[Any]) -> NDArray[np.bool_]:
        """Which have no word at all."""
        return np.array([not (isinstance(text, str) and words_of(text)) for text in as_words(values)])


def check_some(values: pd.Series[Any], gaps: NDArray[np.bool_]) -> None:
    """Refuse a column of which every value is missing."""
    if bool(gaps.all()):
        raise ProblemError(
            f"column {values.name!r}: every value of the training rows is missing; leave it out: "
            f"columns={{{values.name!r}: 'drop'}}"
        )


def as_numbers(values: pd.Series[Any]) -> NDArray[np.float64]:
    """The values as numbers, NaN where they are missing.

    Raises:
        ProblemError: some are no numbers, or infinite.
    """
    try:
        found = pd.to_numeric(values).astype("float64").to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError):
        wrong = values[pd.to_numeric(values, errors="coerce").isna() & values.notna()]
        example = wrong.iloc[0] if len(wrong) else values.iloc[0]
        raise ProblemError(
            f"column {values.name!r}: expected numbers, got {example!r:.60}; if it is no number: "
            f"columns={{{values.name!r}: 'category'}}"
        ) from None
    if bool(np.isinf(found).any()):
        raise ProblemError(
            f"column {values.name!r}: expected finite numbers, got infinity in {int(np.isinf(found).sum())} "
            f"rows; if it stands for missing ones: frame = frame.replace([np.inf, -np.inf], np.nan)"
        )
    return np.asarray(found, dtype=np.float64)


def as_days(values: pd.Series[Any]) -> NDArray[np.float64]:
    """The values as days since 2000, in UTC where they have a zone; NaN where they are missing.

    Raises:
        ProblemError: some are no dates; numbers are none, for nobody knows what they count.
    """
    is_dated = pd.api.types.is_datetime64_any_dtype(values.dtype)
    number = None if is_dated else next((one for one in values.dropna() if isinstance(one, Real)), None)
    if number is not None:
        years = f"frame[{values.name!r}].astype(int).astype(str)"
        raise ProblemError(
            f"column {values.name!r}: expected dates, such as 2024-05-01, got the number {number}; of years: "
            f"frame[{values.name!r}] = pd.to_datetime({years}, format='%Y')"
        )
    try:
        times = pd.to_datetime(values, utc=True, format=None if is_dated else "mixed")
    except (ValueError, TypeError, OverflowError) as error:
        raise ProblemError(
            f"column {values.name!r}: expected dates, such as 2024-05-01, got {error!s:.120}; if they are "
            f"none: columns={{{values.name!r}: 'category'}}"
        ) from None
    days = (times - pd.Timestamp("2000-01-01", tz="UTC")) / pd.Timedelta(days=1)
    return np.asarray(days.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def as_words(values: pd.Series[Any]) -> pd.Series[Any]:
    """The values as words, None where they are missing: 3 and 3.0 are one word, True is another than 1."""

    def word(value: Any) -> str | None:
        if isinstance(value, str):
            return value
        if isinstance(value, bool | np.bool_):
            return str(bool(value))
        if pd.isna(value):
            return None
        if isinstance(value, float | np.floating) and float(value).is_integer():
            return str(int(value))
        return str(value)

    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    return pd.Series([word(value) for value in values], values.index, object, str(values.name))
