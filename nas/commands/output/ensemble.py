"""An ensemble and its members, printed."""

from __future__ import annotations

from nas.commands.output.tables import print_rows
from nas.results.text import cell
from nas.reuse.ensemble import Ensemble


def print_ensemble(chosen: Ensemble, format: str) -> None:
    """Prints an ensemble, then each member with its share and its own metrics."""
    rows = chosen.rows()
    names = [name for name in rows[0] if not name.endswith("loss")]
    cells = [[cell(row[name], name) for name in names] for row in rows]
    print_rows(rows, format, f"together, chosen by validation {chosen.metric}", names, cells)
