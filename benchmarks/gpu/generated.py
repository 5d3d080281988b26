"""Generated problems: at random for any signature, and pictures that there is something to learn from."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from search_spaces.signature import Image, Input, Signature, Tokens
from search_spaces.tasks import (
    IGNORED,
    Classification,
    DenseMap,
    Generation,
    Regression,
    Retrieval,
    Tagging,
    Task,
)
from workers.problems import load
from workers.problems.problem import Problem
from workers.problems.split import Split


def at_random(signature: Signature, examples: int, seed: int = 0) -> Problem:
    """A problem of random inputs and targets, with few examples to validate and test on.

    Texts are of different lengths. Of targets with positions some do not count.
    """
    generator = torch.Generator().manual_seed(seed)

    def split(count: int) -> Split:
        inputs = {name: _input(kind, count, generator) for name, kind in signature.inputs.items()}
        return Split(inputs, {n: _target(signature, n, count, generator) for n in signature.tasks})

    return Problem("random", signature, split(examples), split(min(64, examples)), split(min(64, examples)))


def _input(kind: Input, count: int, generator: Generator) -> Tensor:
    if isinstance(kind, Tokens):
        lengths = torch.randint(1, kind.length + 1, (count, 1), generator=generator)
        tokens = torch.randint(1, kind.vocabulary, (count, kind.length), generator=generator)
        return tokens * (torch.arange(kind.length) < lengths)
    return kind.random(count, generator)


def _target(signature: Signature, name: str, count: int, generator: Generator) -> Tensor:
    task: Task = signature.tasks[name]

    def classes(number: int, *shape: int) -> Tensor:
        return torch.randint(number, (count, *shape), generator=generator)

    def some_ignored(target: Tensor) -> Tensor:
        return torch.where(torch.rand(target.shape, generator=generator) < 0.1, IGNORED, target)

    if isinstance(task, Classification):
        return classes(task.classes)
    if isinstance(task, Retrieval):
        return torch.arange(count)
    if isinstance(task, Tagging):
        length, *_ = signature.inputs[signature.tagged_input(name)].shape
        return some_ignored(classes(task.tags, length))
    if isinstance(task, Generation):
        return classes(task.vocabulary, task.length)
    if isinstance(task, DenseMap) and task.discrete:
        return some_ignored(classes(task.outputs, task.height, task.width))
    if isinstance(task, DenseMap):
        return torch.randn(count, task.outputs, task.height, task.width, generator=generator)
    assert isinstance(task, Regression), task
    return torch.randn(count, task.outputs, generator=generator)


def pictures(examples: int, side: int = 28, seed: int = 0) -> Problem:
    """Pictures of ten kinds: ten blurred patterns, covered by noise."""
    generator = torch.Generator().manual_seed(seed)
    patterns = nn.functional.avg_pool2d(torch.randn(10, 1, side, side, generator=generator), 5, 1, 2) * 5
    labels = torch.randint(10, (examples,), generator=generator)
    images = patterns[labels] + 1.5 * torch.randn(examples, 1, side, side, generator=generator)
    signature = Signature({"image": Image(1, side, side)}, {"clothing": Classification(10)})
    return Problem.from_tensors("pictures", (images, labels), signature=signature)


def clothes(folder: Path | None, examples: int) -> Problem:
    """Fashion-MNIST, or pictures in its place: so many to train on, a third of that to test on."""
    if folder is None:
        return pictures(examples * 5 // 3)
    whole = load("fashion_mnist", folder=str(folder))

    def first(split: Split, count: int) -> Split:
        return split.select(torch.arange(min(count, len(split))))

    few = max(1, examples // 3)
    return Problem(
        "fashion_mnist",
        whole.signature,
        first(whole.train, examples),
        first(whole.validation, few),
        first(whole.test, few),
    )
