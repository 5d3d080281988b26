"""Networks of several tasks beside single-task runs, printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from nas.commands.output.tables import print_rows
from nas.results.text import cell


def print_comparison(rows: Sequence[Mapping[str, Any]], format: str, title: str) -> None:
    """Prints the rows of `nas.reuse.compare.comparisons`; for ``format`` see `print_rows`."""
    names = [
        *("id", "task", "metric", "found", "reference", "gain_pct"),
        *("test_found", "test_reference", "test_gain_pct"),
    ]
    names += ["message"] if any(row["message"] for row in rows) else []
    cells = []
    for id, own in groupby(rows, key=lambda row: row["id"]):
        shown = list(own)
        means = {"id": id, "task": "all", "metric": "delta_m_pct"}
        means |= {f"{part}gain_pct": shown[0][f"{part}delta_m_pct"] for part in ("", "test_")}
        cells += [[cell(row.get(name), name) for name in names] for row in (*shown, means)]
    print_rows(rows, format, title, names, cells, prose=names[-1] == "message")
