"""Zero-cost scores on the cells of NAS-Bench-201 beside those that others measured, and what they foretell.

python -m benchmarks.proxies [--quick] [--cells 60] [--record]

The networks are those of the benchmark: inputs 3 x 32 x 32, 16 channels, 5 cells a stage. Three parts: the
number of parameters and synflow, which need no images, of 500 cells beside the table of NAS-Bench-Suite-Zero;
every score of some of these cells, with its processor time; and Kendall's tau of each with the validation
accuracy after 200 epochs, beside what papers report for all cells. The images are random numbers: CIFAR-10 is
not part of this project. So synflow and AZ-NAS, which take no images, are what the papers measured, the
others are as near as random images come.
"""

import argparse
import math
import random
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import kendalltau, spearmanr

from benchmarks.common import at_least, finish, markdown, show
from benchmarks.measured import CIFAR10, EDGES, FOLDER, OPERATIONS
from benchmarks.recording import record
from search_spaces import Architecture
from search_spaces.catalog import cell
from workers.problems.problem import Problem
from workers.zero_cost import catalog, score
from workers.zero_cost.ranks import aggregated

TABLE = "nb201_zero_cost_500.parquet"
ACCURACY = "cifar10_valid_acc_200"
PUBLISHED = {"az_nas": 0.741, "swap": 0.634, "zico": 0.589, "synflow": 0.571}
"""Kendall's tau over the cells on CIFAR-10, as reported by Lee and Ham, AZ-NAS, 2024."""

SAME = {"synflow": "synflow", "naswot": "nwot", "jacov": "jacov", "grad_norm": "grad_norm", "snip": "snip"}
"""Columns of the table by our names; all but synflow were measured on CIFAR-10's images."""


@cache
def noise(examples: int = 320) -> Problem:
    """Random images of ten classes that mean nothing."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(examples, 3, 32, 32, generator=generator)
    return Problem.from_tensors("noise", (images, torch.arange(examples) % 10), signature=CIFAR10)


def architecture(op_code: str) -> Architecture:
    """The network of a cell, by the digits of its operations."""
    decisions = {edge: OPERATIONS[int(digit)] for edge, digit in zip(EDGES, op_code, strict=True)}
    return cell().architecture(decisions)


def counted(table: pd.DataFrame, cells: int) -> tuple[float, float]:
    """The share of cells with the table's number of parameters, and synflow's rank correlation with it."""
    same, flows = [], []
    for row in table[:cells].itertuples():
        found = score(architecture(row.op_code), noise(), ["num_params", "synflow"])
        same.append(found["num_params"] == round(1e6 * row.params))
        flows.append(found["synflow"])
    return float(np.mean(same)), float(spearmanr(flows, table["synflow"][:cells]).statistic)


def scored(codes: Sequence[str], batch_size: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """Every score of some cells, and the median milliseconds of the processor for each.

    The first one, which counts parameters, has the dry run in its time, which serves all others.
    """
    names = [name for name in catalog if catalog.origin(name) is None]
    rows, spent = [], {name: [] for name in names}
    for code in codes:
        network, row = architecture(code), {}
        for name in names:
            began = time.process_time()
            row |= score(network, noise(), [name], batch_size=batch_size)
            spent[name].append(1000 * (time.process_time() - began))
        rows.append(row)
    frame = pd.DataFrame(rows, index=pd.Index(codes, name="op_code"))
    parts = [name for name in frame if name.startswith("az_nas.")]
    frame["az_nas"] = aggregated({name: frame[name].tolist() for name in parts})
    return frame, {name: float(np.median(values)) for name, values in spent.items()}


def tau(values: Sequence[float], accuracy: Sequence[float], times: int = 200) -> tuple[float, float]:
    """Kendall's tau, and its standard error by the bootstrap."""
    pairs = np.array([np.nan_to_num(values, neginf=-1e30), accuracy])
    rng = np.random.default_rng(0)
    drawn = [
        kendalltau(*pairs[:, rng.integers(0, pairs.shape[1], pairs.shape[1])]).statistic for _ in range(times)
    ]
    return float(kendalltau(*pairs).statistic), float(np.nanstd(drawn))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=60, help="how many cells have every score")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the tables are")
    parser.add_argument("--quick", action="store_true", help="a few cells, batches of 8")
    parser.add_argument("--record", action="store_true", help="write into RESULTS.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = pd.read_parquet(options.folder / TABLE)
    cells, every = (options.cells, len(table)) if not options.quick else (4, 8)
    size = options.batch_size if not options.quick else 8

    same, flow = counted(table, every)
    print(f"parameters and synflow: {every} cells", flush=True)
    codes = random.Random(1).sample(table["op_code"].tolist(), cells)
    frame, milliseconds = scored(codes, size)
    measured = pd.read_parquet(options.folder / "nb201_cifar10.parquet").set_index("op_code").loc[codes]
    theirs = table.set_index("op_code").loc[codes]
    rows: list[list[object]] = []
    figures: dict[str, float | None] = {
        "cells": cells,
        "cells of synflow": every,
        "same parameters": same,
        "synflow": flow,
    }
    for name in [*milliseconds, *(part for part in frame if "." in part)]:
        found, error = tau(frame[name], measured[ACCURACY])
        other = spearmanr(frame[name], theirs[SAME[name]]).statistic if name in SAME else None
        theirs_tau = "" if name not in SAME else f"{tau(theirs[SAME[name]], measured[ACCURACY])[0]:.3f}"
        figures[f"tau of {name}"] = found if math.isfinite(found) else None
        if name in milliseconds:
            figures[f"ms of {name}"] = milliseconds[name]
        rows.append(
            [
                name,
                f"{milliseconds[name]:,.0f}" if name in milliseconds else "",
                f"{found:.3f} ± {error:.3f}",
                PUBLISHED.get(name, ""),
                theirs_tau,
                "" if other is None else f"{other:.3f}",
            ]
        )
    columns = ["score", "ms", "tau with accuracy", "published", "of the table", "with the table"]
    title = f"{cells} cells of NAS-Bench-201, batches of {size} random images"
    show(title, columns, rows)
    targets = [
        at_least(f"share of {every} cells with the table's parameters", same, 1.0),
        at_least(f"synflow's rank correlation with the table, {every} cells", flow, 0.99),
    ]
    if options.record:
        command = f"python -m benchmarks.proxies --cells {cells} --batch-size {size}"
        record("proxies", command, [markdown(title, columns, rows)], targets)
    finish("proxies", figures, targets)


if __name__ == "__main__":
    main()
