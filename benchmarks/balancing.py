"""Time of a training step with each balance of several tasks, over that of the plain sum of their losses.

All train the same network (convolutions that the tasks share, a linear head for each) on the same random
images with the same recipe, one after the other within each repeat, so that what else the machine does falls
on all; the figure is the median of the ratios. Balances of losses need one backward pass, those of gradients
one for each task, and each method's own arithmetic.

Run: `python -m benchmarks.balancing [--quick]`
"""

import argparse
import statistics
from typing import get_args

import torch
from torch import nn

from benchmarks.common import Target, at_most, finish, show
from search_spaces import Classification, Image, Signature, Space, layer, sequential
from workers.problems.problem import Problem
from workers.recipe import GradientMethod, LossMethod, Recipe
from workers.training.training import train

SIDE = 8


def _problem(tasks: int, examples: int) -> Problem:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(examples, 1, SIDE, SIDE, generator=generator)
    labels = {f"task {i}": torch.randint(10, (examples,), generator=generator) for i in range(tasks)}
    few = images[:32], {name: label[:32] for name, label in labels.items()}
    signature = Signature({"image": Image(1, SIDE, SIDE)}, {name: Classification(10) for name in labels})
    return Problem.from_tensors("random", (images, labels), few, few, signature=signature)


def _model() -> object:
    def convolution(channels: int) -> list[object]:
        wide = layer(nn.Conv2d, out_channels=channels, kernel_size=3, padding=1)
        return [wide, layer(nn.BatchNorm2d), layer(nn.ReLU)]

    pool = layer(nn.MaxPool2d, kernel_size=2)
    return sequential(*convolution(16), pool, *convolution(32), pool, layer(nn.Flatten))


def seconds_per_step(problem: Problem, balancing: str) -> float:
    """Of `workers.training.train`, by its own reports: the faster of two epochs."""
    recipe = Recipe(epochs=2, batch_size=64, balancing=balancing)  # type: ignore[arg-type]
    network = Space({"model": _model()}).architecture({}).build(problem.signature)
    return recipe.batch_size / max(r.samples_per_second for r in train(network, problem, recipe, seed=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats on fewer examples")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    repeats, examples = (2, 256) if options.quick else (9, 1024)
    losses, gradients = get_args(LossMethod), get_args(GradientMethod)
    figures: dict[str, dict[str, float]] = {}
    targets: list[Target] = []
    for tasks in (2, 5):
        problem = _problem(tasks, examples)
        seen: dict[str, list[float]] = {method: [] for method in (*losses, *gradients)}
        for repeat in range(repeats + 1):
            for method, times in seen.items():
                taken = seconds_per_step(problem, method)
                if repeat:  # the first one warms up
                    times.append(taken)
        rows = []
        for method, times in seen.items():
            ratio = statistics.median(t / plain for t, plain in zip(times, seen["equal"], strict=True))
            label = f"{method}, {tasks} tasks"
            milliseconds = 1e3 * statistics.median(times)
            figures[label] = {"milliseconds": round(milliseconds, 2), "ratio": round(ratio, 2)}
            rows.append([method, f"{milliseconds:.2f}", f"{ratio:.2f}"])
            bound = 1.25 if method in losses else tasks + 1.0
            if method != "equal":
                targets.append(at_most(f"{label} / sum", round(ratio, 3), bound))
        show(
            f"A step with {tasks} tasks, {options.threads} thread(s)",
            ["balancing", "ms", "over the sum"],
            rows,
        )
    finish("balancing", figures, targets)


if __name__ == "__main__":
    main()
