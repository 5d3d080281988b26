"""Zero-cost scores, printed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nas.commands.output.tables import print_rows
from nas.commands.saying import say
from nas.results.text import cell


def print_scores(rows: Sequence[Mapping[str, Any]], scores: Sequence[str], format: str, title: str) -> None:
    """Prints zero-cost scores; a table has the parts of a score where there is one network only.

    Args:
        rows: the rows of `nas.reuse.zero_cost.zero_cost_rows`.
        scores: the names that were asked for.
        format: the format, see `print_rows`.
        title: the title of a table.
    """
    seen = [name for name in rows[0] if name not in ("message", "decisions")]
    if len(rows) > 1:
        seen = [name for name in seen if "." not in name]
    else:
        seen = [name for name in seen if not any(other.startswith(f"{name}.") for other in seen)]
    cells = [[cell(_whole(row[name])) for name in seen] for row in rows]
    told = [{**row, "decisions": json.dumps(row["decisions"])} for row in rows] if format == "csv" else rows
    print_rows(told, format, title, seen, cells)
    if format == "table":
        for line in _missing(rows, scores):
            say(line)


def _missing(rows: Sequence[Mapping[str, Any]], scores: Sequence[str]) -> Iterator[str]:
    """Yields a line for each score that some networks do not have, with the reason of the first of them."""
    messages = [row["message"] for row in rows if row["message"]]
    for name in scores:
        parts = [part for text in messages for part in text.split("; ") if part.startswith(f"{name}: ")]
        if parts:
            yield f"{len(parts)} of {len(rows)} without {parts[0]}"
    unbuilt = [text for text in messages if not any(text.startswith(f"{name}: ") for name in scores)]
    if unbuilt:
        yield f"{len(unbuilt)} of {len(rows)} that cannot be built: {unbuilt[0]}"


def _whole(value: Any) -> Any:
    """A count as the whole number that it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
