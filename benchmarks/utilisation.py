"""How much of the workers' time goes into trials: real trainings, and many workers that only sleep.

    python -m benchmarks.utilisation [--quick] [--seconds 60]

1. Two workers train networks for about a second each (digits, MLPs, one epoch after another), in a real
   search with a SQLite store.
2. Sixty-four workers play trials of 0.5 to 1.5 seconds from a table: they sleep, so that a machine of any
   size does as a cluster of that many. The search around them is the same.

How long a search waits for its workers is shown beside it: the start of a Ray of our own (`Ray`), and from
`Search.run` to the end of the first epoch, on a Ray that runs already (`workers`: processes that import
torch and train a network of nothing).

Counted is what the pool itself measures (`Executor.usage`), from the moment at which all workers can train:
`busy` is the time in trials, `overhead` the time with a job in hand but not at it, `idle` the time without a
job.
"""

import argparse
import contextlib
import os
import random
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import ray

from benchmarks.common import at_least, finish, show
from nas import Callback, Search
from nas.records import EpochReport, Trial
from nas.search.callbacks import OnTurn
from nas.search.progress import Progress
from search_spaces import Architecture, Classification, Signature, Space, Vector, integer, real
from search_spaces.catalog import load
from workers import Pool
from workers.executor import Usage
from workers.remote import cluster
from workers.tabular import Answer, Table

SLEEPERS = 64


class Over(BaseException):  # what a callback ends a search with is no Exception
    """Enough was seen."""


class FirstEpoch(Callback):
    """Notes when the first epoch of a search has ended."""

    def __init__(self) -> None:
        self.began, self.seconds = time.monotonic(), 0.0

    def on_report(self, trial: Trial, report: EpochReport) -> None:
        self.seconds = self.seconds or time.monotonic() - self.began


def measure(
    space: Space, problem: object, workers: int, seconds: float
) -> tuple[dict[str, float], int, float]:
    """The shares of busy, idle and overhead in percent, the trials, and the seconds to the first epoch."""
    pool = Pool(workers=workers)
    seen: list[tuple[float, list[Usage], int]] = []

    def look(progress: Progress) -> None:
        usage = pool.usage()
        if len(usage) == workers and (not seen or time.monotonic() > seen[0][0] + seconds):
            seen.append((time.monotonic(), usage, progress.complete))
            if len(seen) == 2:
                raise Over

    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Over):
        store = Path(folder) / "nas.db"
        first = FirstEpoch()
        callbacks = [OnTurn(look), first]
        Search(space, problem, "random", trials=10**6, executor=pool, store=store, callbacks=callbacks).run()
    (_, before, ended_before), (_, after, ended_after) = seen
    ended = ended_after - ended_before
    spent = {
        kind: sum(getattr(one, kind) for one in after) - sum(getattr(one, kind) for one in before)
        for kind in ("busy", "idle", "overhead")
    }
    return {kind: 100 * value / sum(spent.values()) for kind, value in spent.items()}, ended, first.seconds


def answer(architecture: Architecture) -> Answer:
    """Half a second to one and a half."""
    chance = random.Random(architecture.id)
    return Answer({"accuracy": chance.random()}, seconds=0.5 + chance.random())


def sleepers() -> Table:
    """A table whose trials only take time."""
    space = Space({"x": real(0.0, 1.0), "y": integer(1, 1000)})
    return Table("sleep", space, Signature({"row": Vector(1)}, {"class": Classification(2)}), answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="within a minute: fewer seconds and sleepers")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each search")
    parser.add_argument(
        "--epochs", type=int, default=40, help="of a real trial, so that it takes about a second"
    )
    options = parser.parse_args()
    seconds = 2.0 if options.quick else options.seconds
    many = 4 if options.quick else SLEEPERS
    began = time.monotonic()
    cluster.start_local(cpus=max(2, many))
    waited = {"Ray": time.monotonic() - began}
    recipe = {"epochs": options.epochs, "batch_size": 64}
    real_space = Space({"model": load("mlp"), "recipe": recipe})
    rows, figures = [], {}
    for name, workers, space, problem in (
        ("2 workers, real trials", 2, real_space, "digits"),
        (f"{many} workers that sleep", many, sleepers().space, sleepers()),
    ):
        shares, trials, first = measure(space, problem, workers, seconds)
        mean = workers * seconds / max(1, trials)
        figures[name] = {**shares, "trials": trials}
        waited.setdefault("workers", first)
        cells = [f"{shares[kind]:.1f} %" for kind in ("busy", "overhead", "idle")]
        rows.append([name, *cells, f"{trials:,}", f"{mean:.2f}"])
    ray.shutdown()
    show("Workers' time", ["search", "busy", "overhead", "idle", "trials", "seconds a trial"], rows)
    show(
        "Before the first epoch",
        ["what", "seconds"],
        [[what, f"{took:.1f}"] for what, took in waited.items()],
    )
    real_share, sleep_share = (found["busy"] for found in figures.values())
    figures["seconds before the first epoch"] = waited
    finish(
        "utilisation",
        figures,
        [
            at_least("2 workers, real trials: busy", real_share, 97, "%"),
            at_least(f"{many} workers that sleep: busy", sleep_share, 95, "%"),
        ],
    )


if __name__ == "__main__":
    main()
