"""What it costs to know data and code by all of them: seconds per gigabyte, and beside an epoch of training.

python -m benchmarks.hashing

Data are hashed on one thread and on as many as torch is given; a search does it once. Beside it stands an
epoch of training on 10,000 images of 28x28 pixels: of the plain network of the space that the command line
takes for such images, and of a small perceptron. Code: that of networks that name a module of
this file.
"""

import argparse
import time
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from benchmarks.common import at_most, finish, markdown, show
from benchmarks.recording import record
from nas.search.fingerprint import fingerprint, older_fingerprint
from nas.search.user_code import code_of
from search_spaces import Classification, Image, Signature, Space, layer, sequential
from search_spaces.catalog import catalog, model_for, recipe_for
from workers.problems.problem import Problem
from workers.recipe import Recipe
from workers.training.training import train

_SIGNATURE = Signature({"image": Image(1, 28, 28)}, {"clothing": Classification(10)})
_IMAGES = 10_000


class Scaled(nn.Module):
    """A module of the user's own, as the benchmark's file is no part of the packages."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Halves."""
        return _halved(inputs)


def _halved(inputs: torch.Tensor) -> torch.Tensor:
    return inputs / 2


def _problem(images: int) -> Problem:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(images, 1, 28, 28, generator=generator)
    few = inputs[:100], torch.arange(100) % 10
    labels = torch.randint(10, (images,), generator=generator)
    return Problem.from_tensors("random", (inputs, labels), few, few, signature=_SIGNATURE)


def hashed(problem: Problem, threads: int, times: int) -> float:
    """The least seconds of several goes that all data of a problem take on so many threads of torch."""
    before, least = torch.get_num_threads(), float("inf")
    torch.set_num_threads(threads)
    for _ in range(times):
        again = replace(problem, copy=False)  # what was hashed before is not hashed again
        began = time.perf_counter()
        fingerprint(again)
        least = min(least, time.perf_counter() - began)
    torch.set_num_threads(before)
    return least


def epoch(model: Any, problem: Problem) -> float:
    """The seconds of an epoch of training: the second one, for the first warms up."""
    space = Space({"model": model, "recipe": recipe_for(problem.signature, 2)})
    architecture = space.plain()
    network = architecture.build(problem.signature)
    reports = list(train(network, problem, Recipe.of(architecture), seed=0))
    return len(problem.train) / reports[-1].samples_per_second


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=512, help="how much is hashed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="32 megabytes, an epoch on 1,000 images")
    parser.add_argument("--record", action="store_true", help="write into RESULTS.md")
    options = parser.parse_args()
    if options.quick:
        options.megabytes = 32
    times = 3 if options.quick else 5
    torch.set_num_threads(1)

    large = _problem(options.megabytes * 10**6 // (28 * 28 * 4))
    gigabytes = sum(
        tensor.numel() * tensor.element_size() / 1e9
        for split in (large.train, large.validation, large.test)
        for tensor in (*split.inputs.values(), *split.targets.values())
    )
    figures: dict[str, float] = {
        f"s per GB, {threads} threads": hashed(large, threads, times) / gigabytes
        for threads in sorted({1, options.threads})
    }
    del large

    images = _problem(_IMAGES)
    figures["s, 10,000 images"] = hashed(images, 1, times)
    began = time.perf_counter()
    older_fingerprint(images)
    figures["s, 10,000 images, version 1"] = time.perf_counter() - began
    trained = _problem(1000) if options.quick else images
    scale = _IMAGES / len(trained.train)
    name = model_for(_SIGNATURE)
    figures[f"s, an epoch of the plain {name}"] = scale * epoch(catalog[name](), trained)
    perceptron = sequential(layer(nn.Flatten), layer(nn.Linear, out_features=128), layer(nn.ReLU))
    figures["s, an epoch of a perceptron"] = scale * epoch(perceptron, trained)

    space = Space({"model": sequential(layer(Scaled), *([layer(nn.Linear, out_features=8)] * 50))})
    code_of(space, images)  # the file is read and parsed
    began = time.perf_counter()
    assert len(code_of(space, images)) == 2
    figures["s, code"] = time.perf_counter() - began

    share = 100 * figures["s, 10,000 images"] / figures[f"s, an epoch of the plain {name}"]
    figures["% of an epoch"] = share
    rows = [(what, f"{value:.4f}") for what, value in figures.items()]
    columns = ["what", "seen"]
    show("Hashing data and code", columns, rows)
    targets = [at_most("hashing 10,000 images beside an epoch on them", share, 1, "%")]
    if options.record:
        record("hashing", "python -m benchmarks.hashing", [markdown("Hashing", columns, rows)], targets)
    finish("hashing", figures, targets)


if __name__ == "__main__":
    main()
