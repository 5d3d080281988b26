"""Zero-cost scores, printed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nas.commands.output.tables import print_rows
from nas.results.text import cell


def print_scores(rows: Sequence[Mapping[str, Any]], format: str, title: str) -> None:
    """Prints the rows of `nas.reuse.zero_cost.zero_cost_rows`; for ``format`` see `print_rows`."""
    told = any(row["message"] for row in rows)
    names = [name for name in rows[0] if name != "decisions" and (name != "message" or told)]
    cells = [[cell(_whole(row[name])) for name in names] for row in rows]
    if format == "csv":
        rows = [{**row, "decisions": json.dumps(row["decisions"])} for row in rows]
    print_rows(rows, format, title, names, cells, prose=told)


def _whole(value: Any) -> Any:
    """A count as the whole number that it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
