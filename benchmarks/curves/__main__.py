"""Collects curves, or replays searches on those there are; see the package."""

import argparse
import os
import tempfile
from pathlib import Path

# before torch is imported: threads would measure the machine, not the network
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

import benchmarks.curves
from benchmarks.curves.collect import NETWORKS, collect
from benchmarks.curves.problems import CASES


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.curves", description=benchmarks.curves.__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--collect", action="store_true", help="train networks, and keep their curves")
    parser.add_argument("--networks", type=int, default=NETWORKS, help="of each problem")
    parser.add_argument("--only", nargs="+", choices=CASES, default=[], metavar="PROBLEM")
    parser.add_argument("--folder", type=Path, help="of fashion_mnist.npz and mnist_small.npz")
    parser.add_argument("--output", type=Path, default=Path(tempfile.gettempdir()) / "curves")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.collect:
        collect(options.only, options.output, options.folder, options.networks)


if __name__ == "__main__":
    main()
