"""The digit_pairs problem: two handwritten digits side by side, three questions about them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from search_spaces.arguments import Seed, Share, checked
from search_spaces.errors import ProblemError
from search_spaces.signature import Classification, Image, Regression, Signature
from workers.problems.digits import digits

if TYPE_CHECKING:
    from workers.problems.problem import Problem
    from workers.problems.split import Split

PAIRS = {"train": 4000, "validation": 1000, "test": 1000}
SEED = 0
SUM_MEAN, SUM_SCALE = 9, 4


@checked(ProblemError)
def digit_pairs(
    tasks: Iterable[str] | None = None, label_dropout: Share = 0.0, dropout_seed: Seed = 0
) -> Problem:
    """Two handwritten digits in one picture: left, right and their sum (4,000 / 1,000 / 1,000); embedded.

    Input ``image`` (1, 8, 16) in [0, 1]; tasks ``left`` and ``right`` (10 classes) and ``sum``, a regression
    of (left + right - 9) / 4, which has mean 0 and a standard deviation of about 1. Pairs are drawn at random
    within each split of the ``digits`` problem, whose data and licence they have: no digit is in two splits.

    Args:
        tasks: the names of the tasks that stay; left out, all (`Problem.only`).
        label_dropout: the share of each task's training labels to drop (`Problem.drop`).
        dropout_seed: the seed of what is dropped.

    Raises:
        ProblemError: an argument is not what it should be, or a share would leave examples nothing.
    """
    from workers.problems.problem import Problem

    single = digits()
    problem = Problem(
        "digit_pairs",
        Signature(
            {"image": Image(1, 8, 16)},
            {"left": Classification(10), "right": Classification(10), "sum": Regression()},
        ),
        _pairs(single.train, PAIRS["train"]),
        _pairs(single.validation, PAIRS["validation"]),
        _pairs(single.splits["test"], PAIRS["test"]),
        description="Two handwritten digits side by side and their sum (UCI, by way of scikit-learn)",
        copy=False,
    )
    return problem.only(tasks=tasks).drop(labels=label_dropout, seed=dropout_seed)


def _pairs(single: Split, count: int) -> Split:
    import torch

    from workers.problems.split import Split

    generator = torch.Generator().manual_seed(SEED)
    chosen = torch.randint(len(single), (2, count), generator=generator)
    left, right = single.targets["digit"][chosen]
    images = single.inputs["image"]
    total = (left + right - SUM_MEAN).float().unsqueeze(1) / SUM_SCALE
    return Split(
        {"image": torch.cat([images[chosen[0]], images[chosen[1]]], dim=3)},
        {"left": left, "right": right, "sum": total},
    )
