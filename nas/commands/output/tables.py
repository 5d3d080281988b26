"""Rows, printed as a table, Markdown, JSON or CSV."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nas.escaping import for_csv, for_markdown, for_terminal, one_line
from nas.passwords import masked


def console() -> Console:
    """Returns standard output, made anew: tests and pipes replace it."""
    return Console(highlight=False, emoji=False, soft_wrap=not sys.stdout.isatty())


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    format: str,
    title: str,
    heads: Sequence[str],
    cells: Sequence[Sequence[str]],
    *,
    prose: bool = False,
) -> None:
    """Prints rows.

    Args:
        rows: the rows, which JSON and CSV have in full.
        format: ``json``, ``csv``, ``table`` or ``markdown``.
        title: the title of a table.
        heads, cells: the columns and the text of what a table or Markdown has.
        prose: whether the last column of a table is text that may take several lines.
    """
    if format == "json":
        finite = [{k: _json(v) for k, v in masked(row).items()} for row in rows]
        text = json.dumps(finite, indent=1, allow_nan=False)
        print(text.replace("\x7f", "\\u007f"))  # the one control character that JSON leaves as it is
    elif format == "csv":
        names = list(rows[0]) if rows else heads
        writer = csv.writer(sys.stdout)
        writer.writerow(map(for_csv, names))
        writer.writerows([_csv(row.get(name)) for name in names] for row in rows)
    elif format == "markdown":
        for line in (heads, ["---"] * len(heads), *cells):
            print("| " + " | ".join(map(for_markdown, line)) + " |")
    else:
        print_table(title, heads, cells, prose=prose)


def _json(value: Any) -> Any:
    """Returns a value as JSON has it, which has no word for numbers that are not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _csv(value: Any) -> Any:
    """Returns a value as a cell; a number stays one, for `csv` writes it in full."""
    return value if value is None or isinstance(value, int | float) else for_csv(str(value))


def print_table(
    title: str, heads: Sequence[str], cells: Sequence[Sequence[str]], *, prose: bool = False
) -> None:
    """Prints a table; with ``prose`` the last column is text that may take several lines."""
    table = Table(title=Text(one_line(title)), title_justify="left")
    for i, head in enumerate(heads):
        numeric = any(row[i].lstrip("+-")[:1].isdigit() for row in cells) and head != "id"
        wraps = prose and i == len(heads) - 1
        # enough of an id to find it by, however narrow the terminal
        least = 9 if head == "id" else None
        justify: Literal["left", "right"] = "right" if numeric and not wraps else "left"
        name = Text(one_line(head))
        table.add_column(name, justify=justify, no_wrap=not wraps, min_width=least, overflow="fold")
    for row in cells:
        *others, last = row
        table.add_row(
            *map(Text, map(one_line, others)), Text(for_terminal(last) if prose else one_line(last))
        )
    out = console()
    if not sys.stdout.isatty():
        out.width = 200  # a pipe has no edge to fit
    out.print(table)
