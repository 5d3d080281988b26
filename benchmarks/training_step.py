"""Our training step beside a plain `DataLoader` loop on the same network, and how much of it is arithmetic.

Both train the same architectures with the same recipe on the same number of threads, in alternation within
one run, so that what else the machine does falls on both; the figure is the median of the ratios of samples
per second. The plain loop is what a tutorial shows: `TensorDataset`, `DataLoader(shuffle=True)`, `AdamW`,
`loss.item()` per step.

The second figure is the share of an epoch, validation included, that is spent within torch's operators
(`aten::...`, forward and backward, and the optimizer's kernel) by torch's profiler, whose own time counts
against it: plain networks of embedded problems with the recipe that they get, recurrent layers and attention
among them. A GRU is not: torch unrolls it on a CPU into thousands of operators, over which the profiler takes
longer than they.

Run: `python -m benchmarks.training_step [--quick]`
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.common import Target, at_least, finish, show
from search_spaces import Architecture, Classification, Image, Signature, Space, layer, sequential
from search_spaces.catalog import load, model_for, recipe_for
from workers.problems.omniglot import omniglot
from workers.problems.problem import Problem
from workers.problems.snips import snips
from workers.recipe import Recipe
from workers.training.training import train


def _convolution(channels: int) -> list[object]:
    return [
        layer(nn.Conv2d, out_channels=channels, kernel_size=3, padding=1),
        layer(nn.BatchNorm2d),
        layer(nn.ReLU),
    ]


def _networks() -> dict[str, tuple[object, int, float]]:
    """By name: the model, the side of its images, the target."""
    mlp = sequential(
        layer(nn.Flatten),
        layer(nn.Linear, out_features=128),
        layer(nn.ReLU),
        layer(nn.Linear, out_features=64),
        layer(nn.ReLU),
    )
    pool = layer(nn.MaxPool2d, kernel_size=2)
    small = sequential(*_convolution(16), pool, *_convolution(32), pool, layer(nn.Flatten))
    average = layer(nn.AdaptiveAvgPool2d, output_size=1)
    deep = sequential(
        *_convolution(24), *_convolution(32), pool, *_convolution(48), average, layer(nn.Flatten)
    )
    return {
        "mlp, 8x8": (mlp, 8, 1.8),
        "mlp, 28x28": (mlp, 28, 1.8),
        "cnn of 2, 8x8": (small, 8, 1.25),
        "cnn of 2, 28x28": (small, 28, 1.25),
        "cnn of 3, 8x8": (deep, 8, 1.25),
    }


def _problem(side: int, examples: int) -> Problem:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(examples, 1, side, side, generator=generator)
    labels = torch.randint(10, (examples,), generator=generator)
    few = images[:32], labels[:32]
    signature = Signature({"image": Image(1, side, side)}, {"digit": Classification(10)})
    return Problem.from_tensors("random", (images, labels), few, few, signature=signature)


def plain(network: nn.Module, problem: Problem, recipe: Recipe) -> float:
    """Samples per second of the loop that a tutorial shows."""
    images, labels = problem.train.inputs["image"], problem.train.targets["digit"]
    loader = DataLoader(TensorDataset(images, labels), batch_size=recipe.batch_size, shuffle=True)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=recipe.epochs)
    network.train()
    rates = []
    for _ in range(recipe.epochs):
        started, total = time.perf_counter(), 0.0
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(network(inputs), targets)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(targets)
        rates.append(len(images) / (time.perf_counter() - started))
        schedule.step()
    return statistics.median(rates)


def ours(network: nn.Module, problem: Problem, recipe: Recipe) -> float:
    """Samples per second of `workers.training.train`, by its own reports."""
    return statistics.median(r.samples_per_second for r in train(network, problem, recipe, seed=0))


def compare(
    model: object, side: int, batch_size: int, repeats: int, examples: int
) -> tuple[float, float, float]:
    """Medians over repeats: samples per second of ours, of the plain loop, and the ratio of the two."""
    problem = _problem(side, examples)
    recipe = Recipe(epochs=2, batch_size=batch_size, schedule="cosine")
    architecture = Space({"model": model}).architecture({})
    pairs = []
    for repeat in range(repeats + 1):
        runs = [ours, plain] if repeat % 2 else [plain, ours]
        seen = {run: run(architecture.build(problem.signature), problem, recipe) for run in runs}
        if repeat:  # the first one warms both up
            pairs.append((seen[ours], seen[plain]))
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def plain_networks(examples: int) -> Iterator[tuple[str, Problem, Architecture]]:
    """Plain networks of embedded problems, with so many examples of each, by name."""
    for name, problem, options in (
        ("omniglot, image", omniglot(["image"], ["alphabet"]), {}),
        ("omniglot, image and pen", omniglot(), {}),
        ("omniglot, pen", omniglot(["pen"], ["alphabet"]), {}),
        ("omniglot, pen, LSTM", omniglot(["pen"], ["alphabet"]), {"kinds": ["lstm"]}),
        ("snips, LSTM", snips(), {}),
        ("snips, attention", snips(["intent"]), {"kinds": ["transformer"]}),
    ):
        signature = problem.signature
        kind = model_for(signature)
        if kind in ("multimodal", "multitask"):
            options = {"signature": signature, **options}
        space = Space({"model": load(kind, **options), "recipe": recipe_for(signature)})
        fewer = dataclasses.replace(
            problem,
            train=problem.train.take(slice(examples)),
            validation=problem.validation.take(slice(examples // 4)),
            copy=False,
        )
        yield name, fewer, space.plain()


def within_operators(problem: Problem, architecture: Architecture, epochs: int) -> tuple[float, float]:
    """The share of an epoch within torch's operators, and the CPU time of a step in milliseconds: medians."""
    recipe = Recipe.of(architecture)
    network = architecture.build(problem.signature)
    reports = train(network, problem, recipe.model_copy(update={"epochs": 1 + 2 * epochs}), seed=0)
    next(reports)
    steps = len(problem.train) / recipe.batch_size
    taken, shares = [], []
    for _ in range(epochs):
        began = time.process_time()
        next(reports)
        taken.append(1000 * (time.process_time() - began) / steps)
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            began = time.perf_counter()
            next(reports)
            whole = time.perf_counter() - began
        inside = sum(
            one.self_cpu_time_total for one in profiled.key_averages() if one.key.startswith("aten::")
        )
        shares.append(inside / 1e6 / whole)
    return statistics.median(shares), statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer repeats on fewer examples; within a minute"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of torch, for both")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    repeats = 2 if options.quick else 9
    figures: dict[str, dict[str, float]] = {}
    targets: list[Target] = []
    rows = []
    for name, (model, side, bound) in _networks().items():
        examples = 512 if options.quick else 2048
        for batch_size in (64,) if options.quick else (32, 64):
            fast, slow, ratio = compare(model, side, batch_size, repeats, examples)
            label = f"{name}, batch {batch_size}"
            figures[label] = {"ours": round(fast), "plain": round(slow), "ratio": round(ratio, 2)}
            rows.append([label, f"{fast:,.0f}", f"{slow:,.0f}", f"{ratio:.2f}"])
            targets.append(at_least(f"ours / plain, {label}", round(ratio, 3), bound))
    show(f"Samples per second, {options.threads} thread(s)", ["network", "ours", "plain", "ratio"], rows)
    rows = []
    for name, problem, architecture in plain_networks(128 if options.quick else 1280):
        share, milliseconds = within_operators(problem, architecture, epochs=1 if options.quick else 5)
        figures[name] = {"within operators": round(share, 3), "milliseconds": round(milliseconds, 2)}
        rows.append([name, f"{milliseconds:.2f}", f"{100 * share:.1f} %"])
        targets.append(at_least(f"within torch's operators, {name}", round(100 * share, 1), 85, "%"))
    show("A step", ["network", "CPU time, ms", "within torch's operators"], rows)
    finish("training_step", figures, targets)


if __name__ == "__main__":
    main()
