"""Replays searches on the curves there are, or collects more; see the package."""

import argparse
import json
import os
import tempfile
from pathlib import Path

# before torch is imported: threads would measure the machine, not the network
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

import benchmarks.curves
from benchmarks.curves.collect import NETWORKS, collect
from benchmarks.curves.compare import CHOICES, compare, constants, report, tables_there
from benchmarks.curves.problems import CASES
from benchmarks.curves.table import FOLDER, convert

QUICK = ("auto", "random, full", "random, asha", "predictor, full")
"""The strategies that are compared within a minute."""


def options() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.curves", description=benchmarks.curves.__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="two problems, two seeds; within a minute")
    parser.add_argument("--only", nargs="+", choices=CASES, default=[], metavar="PROBLEM")
    parser.add_argument("--half", choices=("tuned", "reported"), help="only the problems of a half")
    parser.add_argument("--choices", nargs="+", choices=CHOICES, default=list(CHOICES), metavar="CHOICE")
    parser.add_argument(
        "--budgets",
        nargs="+",
        type=float,
        default=[10.0, 30.0, 100.0],
        help="in trainings of the plain network",
    )
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="constants of nas.search.plan, such as lengths.ENOUGH=40",
    )
    parser.add_argument("--tables", type=Path, default=FOLDER, help="the folder of the tables")
    collecting = parser.add_argument_group("collecting")
    collecting.add_argument("--collect", action="store_true", help="train networks, and keep their curves")
    collecting.add_argument("--convert", action="store_true", help="make tables of what was collected")
    collecting.add_argument("--networks", type=int, default=NETWORKS, help="of each problem")
    collecting.add_argument("--folder", type=Path, help="of fashion_mnist.npz")
    collecting.add_argument(
        "--output",
        type=Path,
        default=Path(tempfile.gettempdir()) / "curves",
        help="the folder of what is collected",
    )
    return parser.parse_args()


def main() -> None:
    given = options()
    torch.set_num_threads(1)
    if given.collect:
        collect(given.only, given.output, given.folder, given.networks)
    if given.convert:
        convert(given.output, given.folder, given.tables)
    if given.collect or given.convert:
        return
    names = tables_there(given.tables, given.only)
    names = [name for name in names if given.half is None or CASES[name].tuned == (given.half == "tuned")]
    seeds, wanted, budgets = given.seeds, given.choices, given.budgets
    if given.quick:
        halves = [[name for name in names if CASES[name].tuned is tuned][:1] for tuned in (True, False)]
        names, seeds, wanted, budgets = [*halves[0], *halves[1]], 2, QUICK, [10.0]
    constant = {name: json.loads(value) for name, _, value in (one.partition("=") for one in given.set)}
    with constants(constant):
        found = compare(names, given.tables, wanted, budgets, given.workers, seeds)
    report(found, given.tables, seeds)


if __name__ == "__main__":
    main()
