"""How numbers and texts are kept: JSON has no word for those that are not finite, databases none for NUL."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def plain(values: Mapping[str, float]) -> dict[str, Any]:
    """Returns numbers as JSON can hold them, those that are not finite as text; `numbers` reads them."""
    return {name: value if math.isfinite(value) else str(value) for name, value in values.items()}


def numbers(values: Mapping[str, Any] | None) -> dict[str, float]:
    """Returns the numbers that `plain` wrote."""
    given = values or {}
    return {name: float(value) if isinstance(value, str) else value for name, value in given.items()}


def finite(value: float | None) -> float | None:
    """Returns a number if it is finite, else None."""
    return value if value is not None and math.isfinite(value) else None


def storable(text: str | None) -> str | None:
    """Returns a stranger's text without what databases cannot hold (NUL, halves of characters)."""
    if text is None or (text.isascii() and "\0" not in text):
        return text
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")
