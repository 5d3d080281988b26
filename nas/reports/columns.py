"""Trials by column, in as few words as JSON allows: numbers to the digits that anybody reads, text once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nas.description import Description
from nas.records import Trial
from search_spaces.holes import is_number

MOST_TEXT = 2000
"""Characters of a message or a text in a decision."""

Columns = list[dict[str, Any]]
"""Columns of a page, each with its ``name`` and ``values``."""


def leaderboard_columns(rows: Sequence[Mapping[str, Any]], description: Description) -> Columns:
    """Returns the leaderboard by column; those with ``shown`` are there before a reader asks for more."""
    objectives = [objective.metric for objective in description.objectives]
    limited = [limit.metric for limit in description.limits]
    tests = [f"test_{name}" for name in objectives]
    first = ["rank", "id", "status", *objectives, "estimate", *tests, *limited]
    first += ["delta_m_pct", "num_params", "epochs", "seconds", "origin", "reason"]
    left_out = {"message", "parents"}  # they are shown with a trial
    names = [name for row in rows[:1] for name in row if name not in left_out]
    columns = []
    for name in sorted(names, key=lambda name: first.index(name) if name in first else len(first)):
        column = _column([row.get(name) for row in rows])
        if any(value is not None for value in column["values"]) or name in objectives:
            columns.append({"name": name, "shown": name in first} | column)
    return columns


def decision_columns(trials: Sequence[Trial]) -> Columns:
    """Returns the decisions by column, as they come in the first trial that has them."""
    paths = dict.fromkeys(path for trial in trials for path in trial.decisions)
    return [
        {"name": path} | _column([t.decisions.get(path) for t in trials], decision=True) for path in paths
    ]


def _column(values: Sequence[Any], *, decision: bool = False) -> dict[str, Any]:
    """Returns a column of numbers as they are, any other as places in its list of labels."""
    if all(value is None or is_number(value) for value in values):
        # a decision is told in full, a measurement to the digits that anybody reads
        return {"values": [value if decision else finite(value) for value in map(_number, values)]}
    labels: dict[str, int] = {}
    codes = [None if v is None else labels.setdefault(label(v), len(labels)) for v in values]
    return {"values": codes, "labels": list(labels)}


def _number(value: Any) -> Any:
    return value if value is None or math.isfinite(value) else None


def label(value: Any) -> str:
    """Returns a value that is no number, as text."""
    return text_of(str(value).lower() if isinstance(value, bool) else str(value)) or ""


def finite(value: float | None) -> float | None:
    """Returns a number to seven digits; None where it is not finite, for which JSON has no word."""
    if value is None or not math.isfinite(value):
        return None
    if isinstance(value, int) or float(value).is_integer():
        return int(value)
    return float(f"{value:.7g}")


def text_of(text: str | None) -> str | None:
    """Returns a text, or its beginning where it is very long."""
    return text if text is None or len(text) <= MOST_TEXT else text[: MOST_TEXT - 3] + "..."
