"""The words of a text."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def words_of(text: str) -> list[str]:
    """Returns words and punctuation marks in lower case, in order."""
    return _WORD.findall(text.lower())
