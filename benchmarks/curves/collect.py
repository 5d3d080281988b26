"""Collects curves: trains networks of each problem once to their ends, a row of JSON for each training."""

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.common import read_rows
from benchmarks.curves.problems import CASES, NoFolderError, problem_of, space_of
from benchmarks.trial_seconds import cpu_clock
from controllers.moves import Moves
from search_spaces import Architecture, Space
from search_spaces.errors import NasError, TrainingFailure
from workers.job import Report
from workers.problems.problem import Problem
from workers.recipe import Recipe
from workers.training import training
from workers.training.criterion import adapt
from workers.training.metrics import evaluate
from workers.training.standardisation import target_scales

NETWORKS = 120
"""Networks of each problem, the plain one among them."""

AT_ONCE = 10
"""Trainings of a problem before the next one's turn: a collection can be used whenever it is stopped."""

PLAIN_SEEDS = 5
SECOND_SEEDS = 10
"""So many other networks are trained with a second seed, too."""

LONGEST = 6.0
"""A training that takes longer than so many of the plain network's is cut, unless it is short."""

SHORT = 8.0
"""Seconds: what takes no longer is never cut."""


@dataclass(frozen=True)
class Planned:
    """A training to be made: the network, its number in the table, where it came from, and the seed."""

    network: int
    origin: str
    architecture: Architecture
    seed: int


def planned(space: Space, networks: int) -> Iterator[Planned]:
    """The trainings of a problem in their order: no network twice, but for its seeds.

    The plain network with all its seeds; then two of five a few mutations from it, the others at random.
    """
    moves, rng, known = Moves(space), random.Random(0), set()
    for number in range(networks):
        origin = "plain" if number == 0 else "near" if number % 5 in (1, 3) else "random"
        for _ in range(1000):
            if origin == "random":
                architecture = space.sample(rng)
            else:
                architecture = space.plain()
                for _ in range(rng.randint(1, 4) if origin == "near" else 0):
                    architecture = moves.mutate(architecture, rng)
            if architecture.id not in known:
                break
        known.add(architecture.id)
        again = number % 10 == 5 and number < 10 * SECOND_SEEDS
        for seed in range(PLAIN_SEEDS if number == 0 else 2 if again else 1):
            yield Planned(number, origin, architecture, seed)


def train(one: Planned, problem: Problem, longest: float) -> dict[str, Any]:
    """Trains a network; returns its row. Seconds are those of the thread's CPU.

    Args:
        one: the training.
        problem: the problem.
        longest: the seconds after which it is cut.
    """
    row: dict[str, Any] = {
        "network": one.network,
        "origin": one.origin,
        "id": one.architecture.id,
        "seed": one.seed,
        "decisions": dict(one.architecture.decisions),
        "metrics": [],
        "seconds": [],
        "training": [],
        "test": {},
        "failed": "",
        "cut": False,
    }
    began = time.perf_counter()
    try:
        cost = one.architecture.cost(problem.signature)
        row |= {"num_params": cost.num_params, "num_macs": cost.num_macs}
        torch.manual_seed(one.seed)
        network = one.architecture.build(problem.signature)
        row["built"] = time.perf_counter() - began
        recipe = Recipe.of(one.architecture)
        before = time.perf_counter()
        for report in training.train(network, problem, recipe, seed=one.seed):
            assert isinstance(report, Report)
            now = time.perf_counter()
            row["metrics"].append(dict(report.metrics))
            row["seconds"].append(now - before)
            row["training"].append(report.seconds)
            before = now
            if sum(row["seconds"]) > longest and report.epoch < recipe.epochs:
                row["cut"] = True
                break
        network.eval()
        forward = adapt(network, problem.signature)
        row["test"] = evaluate(
            forward, network, problem.test, problem.signature.tasks, scales=target_scales(network)
        )
    except TrainingFailure as error:
        row["failed"] = error.reason
    except NasError as error:
        row["failed"] = f"{type(error).__name__}: {error!s:.200}"
    row["whole"] = time.perf_counter() - began
    return row


class Collection:
    """The rows of a problem in a file, to which the next trainings are appended."""

    def __init__(self, name: str, output: Path, folder: Path | None, networks: int) -> None:
        self.name, self.path, self._folder = name, output / f"{name}.jsonl", folder
        self.problem = problem_of(name, folder)
        self._left = planned(space_of(name, self.problem.signature), networks)
        self._rows = read_rows(self.path)
        self._there = {(row["id"], row["seed"]) for row in self._rows}

    def go_on(self, count: int) -> int:
        """Makes so many trainings, fewer where fewer are left; returns how many it made."""
        made = 0
        for one in self._left:
            if (one.architecture.id, one.seed) in self._there:
                continue
            plain = [sum(row["seconds"]) for row in self._rows if row["origin"] == "plain"]
            longest = max(SHORT, LONGEST * median(plain)) if plain else float("inf")
            with cpu_clock():
                row = train(one, self.problem, longest)
            self._rows.append(row)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            metric, _ = self.problem.objective
            score = row["metrics"][-1][metric] if row["metrics"] else float("nan")
            print(
                f"{self.name} {one.network} {one.origin} seed {one.seed}: {metric} {score:.3f}, "
                f"{row['whole']:.1f} s {row['failed']}{' cut' if row['cut'] else ''}",
                flush=True,
            )
            made += 1
            if made == count:
                break
        return made


def collect(names: list[str], output: Path, folder: Path | None, networks: int) -> None:
    """Collects the curves of problems in turns, until each has so many networks."""
    output.mkdir(parents=True, exist_ok=True)
    collections = []
    for name in names or CASES:
        try:
            collections.append(Collection(name, output, folder, networks))
        except NoFolderError as error:
            print(f"{name}: left out, --folder names no folder with {error}", flush=True)
    while collections:
        collections = [one for one in collections if one.go_on(AT_ONCE) == AT_ONCE]
