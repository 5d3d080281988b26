"""The problems that curves are collected on: small ones of many kinds, with room above the plain network."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch import Generator

from nas.commands.assemble import read_space
from search_spaces import Sequence, Signature, Space, Vector
from search_spaces.tasks import Classification
from workers import problems
from workers.problems.problem import Problem

Maker = Callable[[Path | None], Problem]


class NoFolderError(Exception):
    """A problem's files lie in a folder that was not named."""


@dataclass(frozen=True)
class Case:
    """A problem with its space.

    Attributes:
        make: makes the whole problem, given the folder of files.
        train, validation: the examples of it that networks are trained on, and compared on.
        epochs: the epochs of a training.
        tuned: whether constants were chosen on it; the others are for reports.
    """

    make: Maker
    train: int
    validation: int
    epochs: int
    tuned: bool


def _omniglot(inputs: list[str], tasks: list[str]) -> Maker:
    return lambda folder: problems.load("omniglot", inputs=inputs, tasks=tasks)


def _snips(tasks: list[str]) -> Maker:
    return lambda folder: problems.load("snips", tasks=tasks)


def _table(folder: Path | None) -> Problem:
    """Points of 16 features in 6 classes, by products of three of them, signs and waves; and some noise."""
    generator = Generator().manual_seed(1)
    points = torch.randn(6000, 16, generator=generator)
    first, second, third = points[:, :4], points[:, 4:8], points[:, 8:12]
    products = first * second * third
    signed = (first * second).sign() * third
    terms = torch.cat([products, signed, 2 * (2 * first + second).sin()], dim=1)
    weights = torch.randn(terms.shape[1], 6, generator=generator)
    labels = (terms @ weights + 0.5 * torch.randn(6000, 6, generator=generator)).argmax(1)
    signature = Signature({"point": Vector(16)}, {"kind": Classification(6)})
    return Problem.from_tensors("table", (points, labels), signature=signature)


def _waves(folder: Path | None) -> Problem:
    """Series of 48 steps, 3 features, 8 classes: in which feature a burst comes first, and how fast it is."""
    generator = Generator().manual_seed(2)
    count, length = 6000, 48
    labels = torch.randint(8, (count,), generator=generator)
    steps = torch.arange(length)
    series = torch.randn(count, length, 3, generator=generator)
    early, late = torch.randint(16, (2, count), generator=generator)
    fast = labels % 2
    for feature, begin in ((labels // 2 % 2, early), (1 - labels // 2 % 2, late + 24)):
        since = steps - begin[:, None]
        tone = (since * (0.8 + 0.5 * fast[:, None])).sin() * ((since >= 0) & (since < 8))
        series[torch.arange(count), :, feature] += 1.6 * tone
    series[:, :, 2] += 0.35 * (labels // 4)[:, None] * (steps % 5 == 0)
    signature = Signature({"wave": Sequence(length, 3)}, {"kind": Classification(8)})
    return Problem.from_tensors("waves", (series, labels), signature=signature)


def _fashion(folder: Path | None) -> Problem:
    if folder is None:
        raise NoFolderError("fashion_mnist.npz")
    return problems.load("fashion_mnist", folder=str(folder))


CASES = {
    "omniglot-image": Case(_omniglot(["image"], ["alphabet"]), 300, 400, 12, True),
    "omniglot-pen": Case(_omniglot(["pen"], ["alphabet"]), 500, 500, 12, False),
    "omniglot-both": Case(_omniglot(["image", "pen"], ["alphabet", "character"]), 300, 400, 12, False),
    "snips-intent": Case(_snips(["intent"]), 300, 700, 12, True),
    "snips-both": Case(_snips(["intent", "slots"]), 500, 500, 12, False),
    "digits": Case(lambda folder: problems.load("digits"), 300, 360, 12, True),
    "digit-pairs": Case(lambda folder: problems.load("digit_pairs"), 700, 700, 12, True),
    "table": Case(_table, 3000, 1000, 12, True),
    "waves": Case(_waves, 800, 600, 12, False),
    "fashion": Case(_fashion, 400, 500, 12, False),
}
"""By name; those that are tuned on and the others are halves of like kinds."""


@cache
def problem_of(name: str, folder: Path | None) -> Problem:
    """The problem of a case, with the examples that it keeps of each part, at most 1,000 to test on.

    Raises:
        NoFolderError: its files lie in a folder, and none was named.
    """
    case = CASES[name]
    whole = case.make(folder)
    generator = torch.Generator().manual_seed(0)
    parts = {}
    for part, count in (("train", case.train), ("validation", case.validation), ("test", 1000)):
        split = getattr(whole, part)
        parts[part] = split.select(torch.randperm(len(split), generator=generator)[:count])
    return replace(whole, **parts)


def space_of(name: str, signature: Signature) -> Space:
    """The space that the command line searches with a fidelity: a model, and how it is trained."""
    return read_space(None, signature, CASES[name].epochs, pauses=True)
