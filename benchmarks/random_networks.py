"""Random networks of the spaces of the catalog beside the plain one of each: how good they are, in what time.

A space holds good networks where the median of ten at random comes within a tenth of the plain one, in no
more than three times its time. Trained for few epochs; the time is that of the thread's processor.

Run: `python -m benchmarks.random_networks [--quick] [--networks N] [--only NAME ...]`
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from benchmarks.common import Target, at_least, at_most, finish, show
from search_spaces import Architecture, Signature, Vector
from search_spaces.catalog import load, model_for
from search_spaces.errors import TrainingFailure
from workers.problems import Problem
from workers.problems import load as load_problem
from workers.problems.split import Split
from workers.recipe import Recipe
from workers.training.training import train


def _vectors() -> Problem:
    """Digits as vectors of 64 numbers."""
    digits = load_problem("digits")

    def flat(split: Split) -> Split:
        return replace(split, inputs={"point": split.inputs["image"].flatten(1)})

    signature = Signature({"point": Vector(64)}, digits.signature.tasks)
    splits = {part: flat(getattr(digits, part)) for part in ("train", "validation", "test")}
    return Problem("digits as vectors", signature, **splits)


PROBLEMS: dict[str, tuple[Callable[[], Problem], int, int]] = {
    "digits, vectors": (_vectors, 6, 1100),
    "digits, images": (lambda: load_problem("digits"), 4, 1100),
    "omniglot, images": (lambda: load_problem("omniglot", inputs=["image"], tasks=["alphabet"]), 6, 600),
    "omniglot, pens": (lambda: load_problem("omniglot", inputs=["pen"], tasks=["alphabet"]), 6, 1000),
    "snips, texts": (lambda: load_problem("snips", tasks=["intent"]), 3, 1500),
}
"""Each with its epochs and the number of examples that are trained on."""


def fewer(problem: Problem, examples: int) -> Problem:
    """The problem with so many training examples at random, and half as many to validate on."""
    generator = torch.Generator().manual_seed(0)
    train, validation = (
        split.select(torch.randperm(len(split), generator=generator)[:count])
        for split, count in ((problem.train, examples), (problem.validation, examples // 2))
    )
    return replace(problem, train=train, validation=validation)


def trained(architecture: Architecture, problem: Problem, epochs: int, seed: int) -> tuple[float, float]:
    """The accuracy of a network, 0 where its training fails; and the seconds that it took."""
    torch.manual_seed(seed)
    network = architecture.build(problem.signature)
    began, accuracy = time.thread_time(), 0.0
    try:
        *_, last = train(network, problem, Recipe(epochs=epochs), seed=seed)
        accuracy = last.metrics["accuracy"]
    except TrainingFailure as error:
        print(f"{architecture.id}: {error}")
    return accuracy, time.thread_time() - began


def compared(problem: Problem, epochs: int, networks: int) -> dict[str, float]:
    """The plain network of a problem's space, and the medians of random ones in multiples of it."""
    space, rng = load(model_for(problem.signature)), random.Random(0)
    trained(space.plain(), problem, 1, 9)  # the first training of a process is slower
    plain = [trained(space.plain(), problem, epochs, seed) for seed in range(2)]
    others = [trained(space.sample(rng), problem, epochs, seed) for seed in range(networks)]
    score = max(1e-3, statistics.fmean(one for one, _ in plain))  # in the quick form it may answer nothing
    seconds = min(one for _, one in plain)
    return {
        "plain": score,
        "seconds": seconds,
        "score": statistics.median(one for one, _ in others) / score,
        "worst": min(one for one, _ in others) / score,
        "time": statistics.median(one for _, one in others) / seconds,
        "longest": max(one for _, one in others) / seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=PROBLEMS, default=[*PROBLEMS])
    options = parser.parse_args()
    torch.set_num_threads(1)
    figures: dict[str, Any] = {}
    for name in options.only:
        make, epochs, examples = PROBLEMS[name]
        if options.quick:
            epochs, examples = 1, 64
        figures[name] = compared(fewer(make(), examples), epochs, 1 if options.quick else options.networks)
    columns = ["problem", "plain", "seconds", "median score", "worst", "median time", "longest"]
    show(
        "Random networks, scores and times in multiples of the plain one's",
        columns,
        [[name, *(f"{value:.2f}" for value in values.values())] for name, values in figures.items()],
    )
    targets: list[Target] = []
    if not options.quick:
        for name, values in figures.items():
            targets.append(at_least(f"{name}: median score over plain", values["score"], 0.9))
            targets.append(at_most(f"{name}: median time over plain", values["time"], 3))
    finish("random_networks", figures, targets)


if __name__ == "__main__":
    main()
