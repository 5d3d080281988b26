"""How well the seconds of a trial are known before it begins, and after its first steps.

    python -m benchmarks.trial_seconds [--quick] [--networks 7] [--only SPACE/PROBLEM ...] [--seed 100]

For each space of the catalog and each embedded problem that it fits, the plain network and some at random,
with recipes at random, are trained for a few steps: the seconds of an epoch, training and validation, against
what `workers.speed.speed.Speed` predicts once the plain network was measured, and after five others (for each
network others are drawn). Some, which do not take too long, are trained for two epochs of 40 steps: their
seconds against what follows from the pace of the first steps. Seconds are those of the training thread's own
CPU, of one thread, because other processes on the machine take part of the others; of an epoch the shortest
one of two or more.

The prior of the coefficients was fitted on networks of the seeds 11 and 12.
"""

import argparse
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

# before torch is imported: threads would measure the machine, not the network
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from benchmarks.common import Target, at_least, finish, show
from search_spaces import Architecture, Image, Space
from search_spaces import Sequence as Series
from search_spaces.catalog import load, recipe_for
from search_spaces.errors import TrainingFailure
from workers import problems
from workers.job import Pace, Report
from workers.problems.problem import Problem
from workers.recipe import Recipe
from workers.speed.speed import Speed
from workers.training import training

CASES = (
    *(f"{space}/{problem}" for problem in ("digits", "omniglot") for space in ("mlp", "cnn", "cell", "vit")),
    *("series/omniglot", "text/snips", "tags/snips"),
    *("multitask/digit_pairs", "multitask/omniglot", "multitask/snips", "multimodal/omniglot"),
)
QUICK = ("mlp/digits", "text/snips")
EXAMPLES, MORE = 192, 768
STEPS, BATCH = 40, 32
ENOUGH, LONGEST = 0.2, 12.0
FACTOR, NEAR = 1.5, 1.25
MEASURED = 5


@dataclass(frozen=True)
class Timed:
    """A network and what an epoch of it takes: its training, and all of it."""

    architecture: Architecture
    training: float
    whole: float


@contextmanager
def cpu_clock() -> Iterator[None]:
    """Lets `time.perf_counter` tell the CPU seconds of the thread that asks."""
    wall = time.perf_counter
    time.perf_counter = time.thread_time
    try:
        yield
    finally:
        time.perf_counter = wall


def case_of(name: str) -> tuple[Space, Problem]:
    """The space, with recipes, and the problem of a case, with the inputs and tasks that the space is for."""
    space, _, problem = name.partition("/")
    data = problems.load(problem)
    kinds, (first, *others) = data.signature.inputs, data.signature.tasks
    if space in ("mlp", "cnn", "cell", "vit"):
        data = data.only([name for name, kind in kinds.items() if isinstance(kind, Image)], [first])
    elif space == "series":
        data = data.only([name for name, kind in kinds.items() if isinstance(kind, Series)], [first])
    elif space in ("text", "tags"):
        data = data.only(tasks=[first] if space == "text" else others)
    elif space == "multitask":
        data = data.only([next(iter(kinds))])
    several = {"signature": data.signature} if space.startswith("multi") else {}
    model = load("text" if space == "tags" else space, **several)
    return Space({"model": model, "recipe": recipe_for(data.signature)}), data


def part(problem: Problem, examples: int) -> Problem:
    """A problem of so many examples of another one, some of them more than once where it has too few."""
    sizes = {"train": examples, "validation": examples // 3, "test": 8}
    splits = {}
    for name, size in sizes.items():
        split = getattr(problem, name)
        splits[name] = split.select(torch.arange(size) % len(split))
    return Problem(name=problem.name, signature=problem.signature, **splits)


def epochs_of(
    architecture: Architecture, problem: Problem, recipe: Recipe, enough: float = float("inf")
) -> tuple[float, list[Timed]]:
    """Trains a network; returns the seconds that its pace has foretold for an epoch, and its epochs.

    Three epochs or more are enough that have taken so many seconds.
    """
    torch.manual_seed(0)
    network = architecture.build(problem.signature)
    pace, epochs, began = 0.0, [], time.perf_counter()
    for said in training.progress(network, problem, recipe, seed=0):
        if isinstance(said, Pace):
            pace = said.seconds
        elif isinstance(said, Report):
            epochs.append(Timed(architecture, said.seconds, time.perf_counter() - began))
            began = time.perf_counter()
            if len(epochs) >= 3 and sum(epoch.whole for epoch in epochs) > enough:
                break
    return pace, epochs


def measured(space: Space, problem: Problem, count: int, seed: int) -> list[Timed]:
    """The plain network of a space and some at random, of which each was trained for a few steps."""
    rng = random.Random(seed)
    timed = []
    for architecture in [space.plain(), *(space.sample(rng) for _ in range(count))]:
        recipe = Recipe.of(architecture).model_copy(update={"epochs": 12})
        try:
            _, (_, *later) = epochs_of(architecture, problem, recipe, enough=ENOUGH)
        except TrainingFailure:  # a rate at which nothing is learnt
            continue
        timed.append(min(later, key=lambda epoch: epoch.training))
    return timed


def predictions(problem: Problem, timed: Sequence[Timed], others: int) -> list[float]:
    """For each network but the plain one, what is predicted over what it took, after so many others."""
    plain, *rest = timed
    ratios = []
    for index, one in enumerate(rest):
        speed = Speed(problem)
        among = [*rest[:index], *rest[index + 1 :]]
        for known in [plain, *random.Random(index).sample(among, min(others, len(among)))]:
            speed.observe(known.architecture, known.training)
        predicted = speed.predict(one.architecture)
        assert predicted is not None
        ratios.append((predicted.epoch + predicted.validation) / one.whole)
    return ratios


def foretold(problem: Problem, longer: Problem, timed: Sequence[Timed]) -> list[float]:
    """For some networks, what is predicted by the pace of their first steps over what two epochs took."""
    times = len(longer.train) / len(problem.train)
    speed = Speed(longer)
    speed.observe(timed[0].architecture, times * timed[0].training)
    ratios = []
    for one in timed:
        if 2 * times * one.whole > LONGEST:
            continue
        recipe = Recipe.of(one.architecture).model_copy(update={"epochs": 2, "batch_size": BATCH})
        try:
            pace, epochs = epochs_of(one.architecture, longer, recipe)
        except TrainingFailure:
            continue
        predicted = speed.predict(one.architecture)
        assert predicted is not None
        known = predicted.at(pace)
        ratios.append((known.total(2) - known.once) / sum(epoch.whole for epoch in epochs))
    return ratios


def share(ratios: Sequence[float], factor: float) -> float:
    """The share of ratios within a factor, in percent."""
    return 100 * sum(1 / factor < ratio < factor for ratio in ratios) / max(1, len(ratios))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trial_seconds", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="two spaces, four networks of each")
    parser.add_argument("--networks", type=int, help="networks at random of each space (default 7)")
    parser.add_argument("--only", nargs="+", metavar="CASE", help="these cases, such as cnn/digits")
    parser.add_argument("--seed", type=int, default=100, help="the seed of the networks")
    options = parser.parse_args(arguments)
    cases = options.only or (QUICK if options.quick else CASES)
    count = options.networks or (4 if options.quick else 7)
    torch.set_num_threads(1)
    training.LONG = 0.0  # every pace is told

    stages = {"plain": FACTOR, f"{MEASURED} more": FACTOR, "its steps": NEAR}
    ratios: dict[str, list[float]] = {stage: [] for stage in stages}
    rows = []
    for name in cases:
        space, data = case_of(name)
        with cpu_clock():
            # what happens once an epoch counts beside few steps of small networks
            examples = MORE if "mlp" in name or "digits" in name else EXAMPLES
            problem, longer = part(data, examples), part(data, STEPS * BATCH)
            timed = measured(space, problem, count, options.seed)
            found = (
                predictions(problem, timed, 0),
                predictions(problem, timed, MEASURED),
                foretold(problem, longer, timed[: 2 if options.quick else 4]),
            )
        for stage, some in zip(stages, found, strict=True):
            ratios[stage] += some
        shares = [f"{share(s, f):.0f}" for s, f in zip(found, stages.values(), strict=True)]
        spread = f"{min(found[1]):.2f} to {max(found[1]):.2f}"
        rows.append([name, len(timed) - 1, *shares, spread])
        print(*rows[-1], flush=True)

    columns = ["space, problem", "networks", *(f"{s}: % within {f:g}" for s, f in stages.items()), "ratios"]
    show("Seconds of trials, predicted over measured", columns, rows)
    wanted = {"plain": 85, f"{MEASURED} more": 90, "its steps": 90}
    targets: list[Target] = [
        at_least(f"after {stage}, within {stages[stage]:g}", share(ratios[stage], stages[stage]), bound, "%")
        for stage, bound in wanted.items()
    ]
    finish("trial_seconds", {"ratios": ratios, "cases": len(cases), "networks": count}, targets)


if __name__ == "__main__":
    main()
