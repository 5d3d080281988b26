"""Measures what is not in the file of rows yet, and shows what is; see the package."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

# before torch is imported: threads would measure the machine, not the network
os.environ.setdefault("OMP_NUM_THREADS", "1")

import benchmarks.inheritance
from benchmarks.common import Target, at_least, finish, markdown, read_rows, show
from benchmarks.inheritance import tables
from benchmarks.inheritance.pairs import lineage
from benchmarks.inheritance.searches import METHODS, TRIALS, search
from benchmarks.recording import record

ROWS = Path(__file__).parent / "rows.jsonl"
PROBLEMS = ("digits", "snips-intent", "omniglot-image", "digit-pairs")
SEARCHED = "digits"
EPOCHS = 12


def left(
    options: argparse.Namespace, rows: Sequence[dict[str, Any]]
) -> Iterator[Callable[[], Iterable[Any]]]:
    """What is to be measured yet, in turns, so that an end at any time leaves some of all."""
    there = {
        (row["what"], row["problem"], row.get("lineage", row.get("method")), row.get("seed")) for row in rows
    }
    epochs, children, trials = (3, 1, 2) if options.quick else (EPOCHS, 3, TRIALS)
    for turn in range(2 * max(options.lineages, options.seeds)):
        for place, name in enumerate(options.problems if "pairs" in options.only else ()):
            number = turn - 2 * place  # what takes longer begins later
            if 0 <= number < options.lineages and ("pair", name, number, None) not in there:
                yield lambda name=name, number=number: lineage(name, number, epochs, children)  # type: ignore[misc]
        number = turn // 2
        for method in METHODS if "searches" in options.only and turn % 2 and number < options.seeds else ():
            if ("search", SEARCHED, method, number) not in there:
                yield lambda method=method, number=number: [  # type: ignore[misc]
                    search(SEARCHED, method, number, epochs, trials)
                ]


def measure(options: argparse.Namespace, path: Path) -> None:
    """Measures what is left, as long as there is time, and appends its rows."""
    began = time.monotonic()
    for one in left(options, read_rows(path)):
        if time.monotonic() - began > 60 * options.minutes:
            break
        for row in one():
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            shown = [
                row[key] for key in ("what", "problem", "seed", "lineage", "method", "kind") if key in row
            ]
            print("  ", *shown, f"({time.monotonic() - began:.0f} s)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.inheritance", description=benchmarks.inheritance.__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--quick", action="store_true", help="one pair, one seed of small searches; no rows are kept"
    )
    parser.add_argument("--only", nargs="*", choices=("pairs", "searches"), default=["pairs", "searches"])
    parser.add_argument("--problems", nargs="*", choices=PROBLEMS, default=list(PROBLEMS[:3]))
    parser.add_argument("--lineages", type=int, default=8, help="of each problem")
    parser.add_argument("--seeds", type=int, default=3, help="of the searches")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which nothing new begins")
    parser.add_argument("--record", action="store_true", help="whether RESULTS.md is written")
    options = parser.parse_args()
    if options.quick:
        options.problems, options.lineages, options.seeds = ["digits"], 1, 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl" if options.quick else ROWS
        measure(options, path)
        rows = read_rows(path)
    shown = list(tables.all_of(rows))
    for one in shown:
        show(*one)
    figures = tables.figures(rows)
    targets: list[Target] = [
        at_least(f"{name}: share of pairs in which the child has its end's score sooner", value, 0.5)
        for name, value in figures.get("sooner", {}).items()
    ]
    if options.record:
        record("inheritance", "python -m benchmarks.inheritance", [markdown(*one) for one in shown], targets)
    finish("inheritance", figures, targets)


if __name__ == "__main__":
    main()
