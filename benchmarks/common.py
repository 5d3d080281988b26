"""What the benchmarks share: how results are read and printed for people and, as the last line, for programs.

The last line of every benchmark is one line of JSON:
`{"benchmark": NAME, "figures": {...}, "targets": [{"name", "value", "target", "met"}]}`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

try:
    from rich.console import Console
    from rich.table import Table
except ImportError:  # tables are Markdown then: what needs little is measured where little is installed
    Console = Table = None


@dataclass(frozen=True)
class Target:
    """A claim with a number: what was seen, what was wanted, and whether that is enough.

    `target` is shown to people, e.g. "<= 1 ms"; `value` is in the unit that it names, None where it was not
    measured: such a target is not met.
    """

    name: str
    value: float | None
    target: str
    met: bool


def at_most(name: str, value: float | None, bound: float, unit: str = "") -> Target:
    """The claim that `value` is at most `bound`."""
    return Target(name, value, f"<= {bound:g} {unit}".rstrip(), value is not None and value <= bound)


def at_least(name: str, value: float | None, bound: float, unit: str = "") -> Target:
    """The claim that `value` is at least `bound`."""
    return Target(name, value, f">= {bound:g} {unit}".rstrip(), value is not None and value >= bound)


def markdown(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table as Markdown, under its title."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        [f"{title}.", "", *(f"| {' | '.join('' if c is None else str(c) for c in line)} |" for line in lines)]
    )


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table: the first column is text, the others are numbers or text aligned to the right."""
    if Table is None:
        print(markdown(title, columns, rows), flush=True)
        return
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*["" if cell is None else str(cell) for cell in row])
    Console(width=max(100, Console().width)).print(table)


def finish(benchmark: str, figures: Mapping[str, Any], targets: Sequence[Target]) -> None:
    """Print the targets for people, then everything as the last line for programs."""
    if targets:
        rows = [
            (t.name, "not measured", t.target, "")
            if t.value is None
            else (t.name, f"{t.value:.3g}", t.target, "yes" if t.met else "NO")
            for t in targets
        ]
        show("Targets", ["what", "seen", "target", "met"], rows)
    line = {"benchmark": benchmark, "figures": figures, "targets": [asdict(target) for target in targets]}
    print(json.dumps(line), flush=True)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file; one that a kill has left half written is passed over."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows
