"""The kinds of columns by name, and columns as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from search_spaces.errors import FormatError
from workers.problems.frames.columns import (
    CategoryColumn,
    DateColumn,
    FrameColumn,
    NumberColumn,
    TextColumn,
)
from workers.problems.frames.images import MOST_PIXELS, ImageColumn

KINDS: Mapping[str, type[FrameColumn]] = {
    one.kind: one for one in (NumberColumn, CategoryColumn, DateColumn, TextColumn, ImageColumn)
}
"""The kinds of columns by the words that people write."""


def to_dict(column: FrameColumn) -> dict[str, Any]:
    """Returns plain data for JSON; `from_dict` reads it back."""
    return {"kind": column.kind, **asdict(column)}


def from_dict(data: Mapping[str, Any]) -> FrameColumn:
    """Reads a column that `to_dict` wrote.

    Raises:
        FormatError: it is none.
    """
    try:
        given: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
        }
        column = KINDS[given.pop("kind")](**given)
    except (KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"not a column: {error!r} in {str(data)[:200]}") from None
    _check_read(column)
    return column


def _check_read(column: FrameColumn) -> None:
    """Refuse a column whose fields are not of their types: what is read may be of a stranger."""
    texts = getattr(column, "categories", ()) or getattr(column, "vocabulary", ())
    fill, length = getattr(column, "fill", 0.0), getattr(column, "length", 1)
    sizes = [getattr(column, size, 1) for size in ("channels", "height", "width")]
    good = (
        isinstance(column.name, str)
        and isinstance(texts, tuple)
        and all(isinstance(text, str) for text in texts)
        and isinstance(fill, int | float)
        and np.isfinite(fill)
        and all(isinstance(getattr(column, flag, False), bool) for flag in ("marked", "clock"))
        and isinstance(length, int)
        and 1 <= length <= TextColumn.LONGEST
        and all(type(size) is int and 1 <= size <= MOST_PIXELS for size in sizes)
    )
    if not good:
        raise FormatError(f"not a column: {str(column)[:200]}")
