"""What the default search finds: digits, cnn, by its plan, in its default budget, over three seeds.

Run: `python -m benchmarks.default_search [--quick]`
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.common import Target, at_least, at_most, finish, show
from nas.commands.assemble import assemble
from nas.commands.search import DEFAULT_SECONDS
from nas.description import AUTO

LIMIT = 200_000


def search(seed: int, seconds: float, limited: bool, folder: Path, **less: int) -> dict[str, float]:
    """One default search, or one with less to do: its best network's accuracies, and its speed."""
    store = folder / f"seed-{seed}-{limited}.db"
    began = time.monotonic()
    frame = assemble(
        "digits",
        None,
        AUTO,
        maximize=[],
        minimize=[],
        limits=[f"num_params<={LIMIT}"] if limited else [],
        seconds=seconds,
        store=store,
        seed=seed,
        **less,
    ).run()
    wall = time.monotonic() - began
    done = frame[frame["status"] == "complete"]
    best = done.iloc[0]
    return {
        "seed": seed,
        "limit": LIMIT if limited else 0,
        "validation": float(best["accuracy"]),
        "test": float(best["test_accuracy"]),
        "trials": len(done),
        "failed": int((frame["status"] == "failed").sum()),
        "trials_per_minute": 60 * len(done) / wall,
        "largest": int(done["num_params"].max()),
        "seconds": wall,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, two trials of an epoch")
    options = parser.parse_args()
    seconds, seeds = DEFAULT_SECONDS, [0] if options.quick else [0, 1, 2]
    less = {"trials": 2, "epochs": 1} if options.quick else {}
    with tempfile.TemporaryDirectory() as folder:
        runs = [search(seed, seconds, limited=False, folder=Path(folder), **less) for seed in seeds]
        runs.append(search(0, seconds / 3, limited=True, folder=Path(folder), **less))
    show(
        f"The default search, {seconds:g} seconds",
        list(runs[0]),
        [[f"{value:.4g}" if isinstance(value, float) else value for value in run.values()] for run in runs],
    )
    targets: list[Target] = [
        at_least(f"test accuracy of the best, seed {run['seed']}", run["test"], 0.98) for run in runs[:-1]
    ]
    targets.append(
        at_most(f"num_params of every trained network, limit {LIMIT:,}", runs[-1]["largest"], LIMIT)
    )
    targets.append(at_most("wall-clock seconds of the longest", max(run["seconds"] for run in runs), 180))
    finish("default_search", {"runs": runs}, targets)


if __name__ == "__main__":
    main()
