"""Whole searches by evolution, with and without inherited weights, at equal epochs paid."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import nas
from benchmarks.curves.problems import problem_of, space_of
from benchmarks.inheritance.pairs import LARGEST, trained
from controllers import RegularizedEvolution, at_most
from workers.job import Job

METHODS = {
    "in full, from nothing": (1, False),
    "a third of the epochs, from nothing": (3, False),
    "a third of the epochs, inherits": (3, True),
}
"""By name: into how many trials the epochs of one full training go, and whether children inherit."""

TRIALS = 16
"""Full trainings that a search pays for."""

FOUNDERS = 8
SEEDS = 2
"""Trainings from nothing of the network that was found."""


def evolution(space: Any, objectives: Any, **options: Any) -> RegularizedEvolution:
    """Evolution that begins to breed early."""
    return RegularizedEvolution(space, objectives, population=FOUNDERS, sample=3, **options)


def search(name: str, method: str, seed: int, epochs: int, trials: int = TRIALS) -> dict[str, Any]:
    """The row of a search.

    Args:
        name: the problem.
        method: a name of `METHODS`.
        seed: its seed.
        epochs: the epochs of a full training.
        trials: the full trainings that it pays for.
    """
    problem, (parts, inherits) = problem_of(name, None), METHODS[method]
    space = space_of(name, problem.signature)
    metric, _ = problem.objective
    most = LARGEST * space.plain().cost(problem.signature).num_macs
    with tempfile.TemporaryDirectory() as folder:
        run = nas.Search(
            space,
            problem,
            evolution,
            trials=trials * parts,
            epochs=epochs // parts,
            seed=seed,
            limits=[at_most("num_macs", most)],
            inherit_weights=inherits,
            keep_weights=trials * parts,
            executor="inline",
            store=Path(folder) / "store.db",
        )
        board = run.run()
        best = board.iloc[0]
        found = nas.load(run.store, str(best["id"])).architecture
    again = [trained(Job(0, found, seed=seed, epochs=epochs), problem) for seed in range(SEEDS)]
    done = board[board["status"] == "complete"]
    return {
        "what": "search",
        "problem": name,
        "method": method,
        "seed": seed,
        "trials": len(done),
        "epochs": int(len(done) * (epochs // parts)),
        "said": float(best[metric]),
        "anew": [scores[-1] for scores, _, _ in again if scores],
    }
