"""What the search itself costs per trial: asking, recording and telling, with networks that train in no time.

python -m benchmarks.loop_overhead
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import at_most, finish, show
from nas import Search
from nas.search.callbacks import OnTurn
from nas.search.progress import Progress
from search_spaces import Space, choice, integer
from workers.executor import Executor
from workers.job import Event, Finished, HeldWeights, Job, Report, Reported
from workers.problems import Problem

CHUNKS = 5


class Null(Executor):
    """Ends every job as soon as it is asked how it does."""

    slots = 4

    def __init__(self) -> None:
        self._jobs: list[Job] = []

    def _open(self, problem: Any) -> None:
        pass

    def _start(self, jobs: Sequence[Job]) -> None:
        self._jobs.extend(jobs)

    def _events(self, timeout: float | None) -> list[Event]:
        job = self._jobs.pop(0)
        metrics = {"loss": 1.0, "accuracy": int(job.architecture.id[:8], 16) / 2**32}
        report = Report(1, metrics, 1.0, 0.0, 0.0)
        return [Reported(job.number, report), Finished(job.number, metrics, metrics, 0.0, HeldWeights(b""))]

    def _stop(self, number: int) -> None:
        pass

    def _close(self) -> None:
        self._jobs.clear()


def measure(trials: int, controller: str) -> dict[str, float]:
    """Milliseconds of this process per trial: over all, over the first fifth, and over the last."""
    inputs, targets = torch.rand(8, 2), torch.arange(8) % 2
    problem = Problem.from_tensors("tiny", *[(inputs, targets)] * 3)
    decisions: dict[str, Any] = {name: integer(0, 99) for name in "abcdef"}
    space = Space(decisions | {"op": choice("x", "y", "z"), "activation": choice("relu", "tanh")})
    marks = {0: time.process_time()}

    def mark(progress: Progress) -> None:
        if progress.trials % (trials // CHUNKS) == 0:
            marks.setdefault(progress.trials, time.process_time())

    with tempfile.TemporaryDirectory() as folder:
        search = Search(
            space, problem, controller, trials=trials, executor=Null(), store=Path(folder) / "nas.db",
            callbacks=[OnTurn(mark)],
        )  # fmt: skip
        marks[0] = time.process_time()
        search.run()
    at = [marks[trials * chunk // CHUNKS] for chunk in range(CHUNKS + 1)]
    per_chunk = [1000 * (b - a) * CHUNKS / trials for a, b in pairwise(at)]
    return {"all": sum(per_chunk) / CHUNKS, "first": per_chunk[0], "last": per_chunk[-1]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--controllers", nargs="+", default=["random", "evolution"])
    parser.add_argument("--quick", action="store_true", help="1,000 and 3,000 trials")
    options = parser.parse_args()
    if options.quick:
        options.trials = [1000, 3000]
    figures = {
        controller: {trials: measure(trials, controller) for trials in options.trials}
        for controller in options.controllers
    }
    rows = [
        (controller, f"{trials:,}", *(f"{seen[part]:.2f}" for part in ("all", "first", "last")))
        for controller, by_trials in figures.items()
        for trials, seen in by_trials.items()
    ]
    heads = ["controller", "trials", "ms per trial", "first fifth", "last fifth"]
    show("The search itself, with a store in SQLite (processor time)", heads, rows)
    most = max(options.trials)
    targets = [
        at_most(f"{controller}, {most:,} trials", by_trials[most]["all"], 2, "ms per trial")
        for controller, by_trials in figures.items()
    ]
    finish("loop_overhead", figures, targets)


if __name__ == "__main__":
    main()
