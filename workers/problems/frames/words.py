"""Words: those for kinds of tasks, those of a text, and those that are names of columns."""

from __future__ import annotations

import re
from collections.abc import Iterable

TASKS = ("classification", "labels", "ordinal", "regression", "count", "quantiles")
"""The kinds of tasks by the words that people write; after ``ordinal=`` and ``quantiles=`` stand values."""

_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def words_of(text: str) -> list[str]:
    """Returns words and punctuation marks in lower case, in order."""
    return _WORD.findall(text.lower())


def names_of(columns: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Returns names for columns by which modules of torch can be called, no two alike.

    Args:
        columns: the names of the columns.
        taken: names that none of them may have.
    """
    found: dict[str, str] = {}
    for column in columns:
        name = "".join(letter if letter.isalnum() else "_" for letter in column)
        while name in (*found.values(), *taken):
            name += "_"
        found[column] = name
    return found
