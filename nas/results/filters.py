"""Filters of trials by their decisions, metrics and other columns: ``model.depth>=3``."""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search_spaces.errors import SearchError, nearest

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
_FILTER = re.compile(
    r"\s*(?P<name>[^<>=!]+?)\s*(?P<operator>>=|<=|!=|==|=|>|<)\s*(?P<value>.*?)\s*", re.DOTALL
)


@dataclass(frozen=True)
class Filter:
    """A condition on trials: a name, an operator and a value.

    Attributes:
        name: the name of a decision (its path), or of a column of the leaderboard.
        operator: one of ``>= <= != = > <``.
        value: a number, True, False or text.
    """

    name: str
    operator: str
    value: float | bool | str

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Returns whether it holds for these values by name; never where there is none.

        A hole that is not active has no value.
        """
        came = values.get(self.name)
        if came is None:
            return False
        wanted: Any = self.value
        if isinstance(came, bool) or isinstance(wanted, bool):
            same = isinstance(came, bool) and isinstance(wanted, bool) and came == wanted
            return {"=": same, "!=": not same}.get(self.operator, False)
        if isinstance(came, (int, float)) and isinstance(wanted, float):
            return _OPERATORS[self.operator](came, wanted)
        if self.operator in ("=", "!="):
            return _OPERATORS[self.operator](str(came), _text(wanted))
        return isinstance(came, str) and _OPERATORS[self.operator](came, _text(wanted))


def parse(text: str) -> Filter:
    """Returns the filter that a text says.

    The value is a number, ``true``, ``false``, or text, with or without quotes.

    Example:
        >>> parse("model.depth>=3")
        Filter(name='model.depth', operator='>=', value=3.0)

    Raises:
        SearchError: it says none.
    """
    found = _FILTER.fullmatch(text)
    if found is None or not found["value"]:
        raise SearchError(f"where: expected a condition such as model.depth>=3, got {text!r}")
    return Filter(found["name"], found["operator"].replace("==", "="), _value(found["value"]))


def filters_of(where: str | Sequence[str] | None) -> list[Filter]:
    """Returns the filters of one text or several; none of None."""
    texts = [] if where is None else [where] if isinstance(where, str) else list(where)
    return [parse(text) for text in texts]


def kept(
    rows: Sequence[dict[str, Any]],
    decisions: Sequence[Mapping[str, Any]],
    wanted: Sequence[Filter],
) -> list[dict[str, Any]]:
    """Returns the rows for which all conditions hold.

    Args:
        rows: the rows of a leaderboard.
        decisions: the decisions of each row's trial; a decision counts before a column of its name.
        wanted: the conditions.

    Raises:
        SearchError: a condition names what no row has: a misspelt name must not look like "none".
    """
    known = list(dict.fromkeys(name for values in (*decisions, *rows) for name in values))
    for condition in wanted:
        if rows and condition.name not in known:
            hint, there = nearest(condition.name, known), ", ".join(known[:20])
            raise SearchError(f"where: no decision or column {condition.name!r}{hint} (there are: {there})")
    return [
        row
        for row, own in zip(rows, decisions, strict=True)
        if all(condition.holds({**row, **own}) for condition in wanted)
    ]


def _value(text: str) -> float | bool | str:
    if text in ("true", "True"):
        return True
    if text in ("false", "False"):
        return False
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        return number if math.isfinite(number) else text
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        if text[0] == "'":
            return text[1:-1]
        try:
            return str(json.loads(text))
        except ValueError:
            return text[1:-1]
    return text


def _text(value: float | bool | str) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
