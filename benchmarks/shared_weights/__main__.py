"""Measures what is not in the file yet, and shows how well inherited scores order the cells.

python -m benchmarks.shared_weights [--cells 30] [--only characters] [--banks fair:24 uniform*4:30] [--record]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau

from benchmarks.common import Target, at_least, finish, markdown, show
from benchmarks.recording import record
from benchmarks.shared_weights.cases import PROBLEMS, cells
from benchmarks.shared_weights.measure import PROXIES, Sampled, alone, bank, proxies
from search_spaces import Architecture
from workers.bank.paths import SAMPLINGS
from workers.zero_cost.ranks import aggregated

ROWS = Path(__file__).parent / "rows.jsonl"
TOP = 5
TRAININGS = 20
"""A bank is to cost no more than so many trainings."""


class Rows:
    """The file of what was measured: a line of JSON each, appended when it is there.

    Args:
        path: the file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        self._found = {self._key(row): row for row in map(json.loads, text.splitlines())}

    @staticmethod
    def _key(row: Mapping[str, Any]) -> str:
        return json.dumps([row["kind"], row["problem"], row["of"]])

    def get(self, kind: str, problem: str, of: Sequence[Any]) -> dict[str, Any] | None:
        """What was measured; None: it was not."""
        return self._found.get(self._key({"kind": kind, "problem": problem, "of": [*of]}))

    def add(self, kind: str, problem: str, of: Sequence[Any], measured: Mapping[str, Any]) -> None:
        """Appends what was measured."""
        row = {"kind": kind, "problem": problem, "of": [*of], **measured}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._found[self._key(row)] = row


def measure(rows: Rows, name: str, chosen: Sequence[Architecture], options: argparse.Namespace) -> None:
    """Measures what is missing: banks first, then cells alone, one seed after the other, then scores."""
    for how, epochs in options.banks:
        for seed in range(options.bank_seeds):
            of = [str(how), options.networks, epochs, seed]
            if rows.get("bank", name, of) is None or any(
                cell.id not in rows.get("bank", name, of)["scores"] for cell in chosen
            ):
                rows.add("bank", name, of, bank(name, chosen, how, options.networks, epochs, seed))
                print(f"{name}: bank {of}", flush=True)
    for seed in range(options.seeds):
        for cell in chosen:
            if rows.get("alone", name, [cell.id, seed]) is None:
                found = alone(name, cell, seed)
                rows.add("alone", name, [cell.id, seed], found)
                print(f"{name}: {cell.id}, seed {seed}: {found['value']:.3f}", flush=True)
    for cell in chosen:
        if rows.get("proxies", name, [cell.id]) is None:
            rows.add("proxies", name, [cell.id], {"scores": proxies(name, cell)})


def tau(scores: Sequence[float], ends: Sequence[float], times: int = 500) -> tuple[float, np.ndarray]:
    """Kendall's tau, and what it is in bootstrap samples of the cells (the same ones for all scores)."""
    pairs = np.array([np.nan_to_num(scores, nan=-1e30, neginf=-1e30), ends])
    rng = np.random.default_rng(0)
    drawn = [pairs[:, rng.integers(0, pairs.shape[1], pairs.shape[1])] for _ in range(times)]
    return float(kendalltau(*pairs).statistic), np.array([kendalltau(*one).statistic for one in drawn])


def compared(
    rows: Rows, name: str, chosen: Sequence[Architecture], options: argparse.Namespace
) -> tuple[str, dict[str, Any], list[Target]]:
    """The table of a problem, its figures, and the targets."""
    there = [
        cell
        for cell in chosen
        if all(rows.get("alone", name, [cell.id, seed]) is not None for seed in range(options.seeds))
        and rows.get("proxies", name, [cell.id]) is not None
    ]
    if len(there) < 3:
        return f"{name}: {len(there)} cells", {}, []
    ends = np.array(
        [
            [rows.get("alone", name, [cell.id, seed])["value"] for seed in range(options.seeds)]
            for cell in there
        ]
    )
    seconds = float(np.median([rows.get("alone", name, [cell.id, 0])["seconds"] for cell in there]))
    mean = ends.mean(1)
    scored: dict[str, list[float]] = {}
    cost: dict[str, float] = {}
    for how, epochs in options.banks:
        for seed in range(options.bank_seeds):
            row = rows.get("bank", name, [str(how), options.networks, epochs, seed])
            if row is not None:
                label = f"bank, {how}, {epochs} epochs, seed {seed}"
                scored[label] = [row["scores"].get(cell.id, math.nan) for cell in there]
                cost[label] = row["seconds"] / seconds
    measured = [rows.get("proxies", name, [cell.id])["scores"] for cell in there]
    for one in PROXIES:
        parts = {key for values in measured for key in values if key.startswith(f"{one}.")}
        if parts:
            joined = {part: [values.get(part, math.nan) for values in measured] for part in sorted(parts)}
            scored[one] = list(aggregated(joined))
        else:
            scored[one] = [values.get(one, math.nan) for values in measured]
    half = mean >= np.median(mean)
    table, figures, drawn = [], {}, {}
    for label, values in scored.items():
        whole, drawn[label] = tau(values, mean)
        better, _ = tau(np.array(values)[half], mean[half])
        first = np.argsort(-np.nan_to_num(values, nan=-1e30, neginf=-1e30))[:TOP]
        regret = float(mean.max() - mean[first].max())
        figures[label] = {"tau": whole, "better half": better, "regret": regret}
        low, high = np.nanquantile(drawn[label], [0.025, 0.975])
        trainings = f"{cost[label]:.1f}" if label in cost else ""
        table.append(
            [
                label,
                f"{whole:.2f} ({low:.2f} to {high:.2f})",
                f"{better:.2f}",
                f"{100 * regret:.2f}",
                trainings,
            ]
        )
    seeds = float(kendalltau(ends[:, 0], ends[:, 1]).statistic) if options.seeds > 1 else math.nan
    between, within = float(mean.std()), float(ends.std(1, ddof=1).mean()) if options.seeds > 1 else math.nan
    title = (
        f"{name}: {len(there)} cells, {options.seeds} seeds; two seeds agree by tau {seeds:.2f}; "
        f"standard deviation over cells {between:.3f}, over seeds {within:.3f}; ends {mean.min():.3f} to "
        f"{mean.max():.3f}; a training takes {seconds:.0f} s"
    )
    columns = ["score", "tau (95 %)", "better half", f"top-{TOP} regret, points", "cost, trainings"]
    targets = []
    banks = [label for label in cost if cost[label] <= TRAININGS]
    if banks:
        best_bank = max(banks, key=lambda label: figures[label]["tau"])
        best = max(PROXIES, key=lambda one: figures[one]["tau"])
        ahead = float(np.nanquantile(drawn[best_bank] - drawn[best], 0.05))
        targets.append(at_least(f"{name}: ahead of the best proxy, {best}, lower bound of tau", ahead, 0.0))
        share = figures[best_bank]["tau"] / seeds if seeds > 0 else None
        targets.append(at_least(f"{name}: share of what two seeds agree by", share, 0.8))
    figures |= {"cells": len(there), "seeds agree": seeds, "over cells": between, "over seeds": within}
    show(title, columns, table)
    return markdown(title, columns, table), figures, targets


def _bank(text: str) -> tuple[Sampled, int]:
    how, _, epochs = text.partition(":")
    sampling, _, workers = how.partition("*")
    if sampling not in SAMPLINGS:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(SAMPLINGS)}, got {sampling!r}")
    return Sampled(sampling, int(workers or 1)), int(epochs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and show."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shared_weights", description=__doc__)
    parser.add_argument("--cells", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each cell alone")
    parser.add_argument("--only", nargs="+", choices=PROBLEMS, default=["characters"])
    parser.add_argument(
        "--banks",
        nargs="+",
        type=_bank,
        default=[(Sampled("fair"), 24), (Sampled("uniform"), 120), (Sampled("controller"), 120)],
        metavar="SAMPLING[*WORKERS]:EPOCHS",
    )
    parser.add_argument("--bank-seeds", type=int, default=1)
    parser.add_argument("--networks", type=int, default=200, help="that train a bank")
    parser.add_argument("--rows", type=Path, help="the file of what was measured")
    parser.add_argument("--tables", action="store_true", help="measure nothing")
    parser.add_argument("--record", action="store_true", help="write into RESULTS.md")
    parser.add_argument("--quick", action="store_true", help="three cells, a bank of one epoch")
    options = parser.parse_args(arguments)
    if options.quick:
        options.cells, options.seeds, options.only = 3, 1, ["pairs"]
        options.banks, options.networks = [(Sampled("fair"), 1), (Sampled("controller", 2), 2)], 5
        options.rows = options.rows or Path(tempfile.mkdtemp()) / ROWS.name
    torch.set_num_threads(1)
    rows, chosen = Rows(options.rows or ROWS), cells(options.cells)
    tables, figures, targets = [], {}, []
    for name in options.only:
        if not options.tables:
            measure(rows, name, chosen, options)
        table, found, wanted = compared(rows, name, chosen, options)
        tables.append(table)
        figures[name] = found
        targets += wanted
    if options.record:
        record("shared_weights", "python -m benchmarks.shared_weights", tables, targets)
    finish("shared_weights", figures, targets)


if __name__ == "__main__":
    main()
