"""Putting the columns of a frame together from parts, of whatever types these are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Values = Sequence[Any]


class ColumnBuilder:
    """Builds columns in turns; not each column has values in each turn."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._parts: dict[str, dict[int, Any]] = {}

    def begin(self, size: int) -> None:
        """Begins the next turn, of so many rows."""
        self._sizes.append(size)

    def add(self, name: str, values: Any) -> None:
        """Adds what a column has in this turn; None: nothing."""
        parts = self._parts.setdefault(name, {})
        if values is not None:
            parts[len(self._sizes) - 1] = values

    def whole(self) -> dict[str, Any]:
        """Returns all columns, each of one type; what is missing is so as pandas says it."""
        return {name: self._join(parts) for name, parts in self._parts.items()}

    def _join(self, parts: Mapping[int, Any]) -> Any:
        import pandas as pd

        kinds = {str(part.dtype) for part in parts.values()}
        gaps = len(parts) < len(self._sizes)
        kind: Any
        if kinds == {"int64"} or kinds == {"bool"}:
            if not gaps:
                return np.concatenate(list(parts.values()))
            kind = "Int64" if kinds == {"int64"} else "boolean"
        elif kinds and kinds <= {"int64", "Int64"}:
            kind = "Int64"
        elif kinds <= {"int64", "Int64", "float64"}:
            kind = "float64"
        elif kinds <= {"bool", "boolean"}:
            kind = "boolean"
        else:
            kind = "str" if kinds == {"str"} else "object"
        whole = []
        for turn, size in enumerate(self._sizes):
            part = parts.get(turn)
            if part is None:
                part = pd.array([None] * size, dtype=kind)
            whole.append(pd.Series(part, dtype=part.dtype, copy=False).astype(kind))
        return pd.concat(whole, ignore_index=True)


def as_column(values: Values) -> Any:
    """Returns a part of a column, of the type of its values; None if all of them are None."""
    import pandas as pd

    kinds = set(map(type, values))
    some = kinds - {type(None)}
    missing = len(some) < len(kinds)
    if not some:
        return None
    if float in some and some <= {int, float}:
        return np.array(values, np.float64)
    if some == {int}:
        try:
            return pd.array(values, dtype="Int64") if missing else np.array(values, np.int64)
        except OverflowError:
            return np.fromiter(values, object, len(values))
    if some == {bool}:
        return pd.array(values, dtype="boolean") if missing else np.array(values)
    if some != {str}:
        return np.fromiter(values, object, len(values))
    words = list(set(values))
    try:
        if len(words) > len(values) // 10:
            return pd.array(values, dtype="str")
        codes = {word: code for code, word in enumerate(words)}
        places = np.fromiter(map(codes.__getitem__, values), np.intp, len(values))
        return pd.array(words, dtype="str").take(places)
    except UnicodeEncodeError:  # halves of characters
        return np.fromiter(values, object, len(values))
