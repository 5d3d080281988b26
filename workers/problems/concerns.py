"""What may make the results on a problem say less than they seem to."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from search_spaces.signature import Signature
from search_spaces.tasks import (
    IGNORED,
    Classification,
    DenseMap,
    MultiLabel,
    Ordinal,
    Regression,
    Tagging,
)
from workers.problems.describing import listed
from workers.problems.split import Split

FEW_EXAMPLES = 30
"""The number of examples below which a part says little."""

COMMON_CLASS = 0.9
"""The share of the commonest class from which accuracy hardly tells a network from a constant answer."""

SCALES_APART = 10.0
"""The ratio of standard deviations from which the error of one output drowns another's."""


def concerns(signature: Signature, splits: Mapping[str, Split]) -> list[str]:
    """Returns what a person should know of a problem's data before trusting results on them, a sentence each.

    Args:
        signature: the problem's signature.
        splits: its parts by name, ``train`` among them.
    """
    found = [
        f"{part} has {len(split)} examples: with fewer than {FEW_EXAMPLES}, what is measured there is chance"
        for part, split in splits.items()
        if len(split) < FEW_EXAMPLES
    ]
    for name, task in signature.tasks.items():
        if isinstance(task, Classification | Ordinal | Tagging) or (
            isinstance(task, DenseMap) and task.discrete
        ):
            found += _unseen(name, task, splits)
        if isinstance(task, Classification | Ordinal):
            found += _common(name, task, splits["validation"])
        if isinstance(task, MultiLabel):
            found += _alike(name, task, splits["train"])
        if isinstance(task, Regression):
            found += _scales(name, task, splits["train"])
    return found


def _unseen(
    name: str, task: Classification | Ordinal | Tagging | DenseMap, splits: Mapping[str, Split]
) -> list[str]:
    known = _classes_of(splits["train"], name)[0]
    found = []
    for part in [name for name in splits if name != "train"]:
        classes, counts = _classes_of(splits[part], name)
        unseen = ~torch.isin(classes, known)
        if bool(unseen.any()):
            share = int(counts[unseen].sum()) / int(counts.sum())
            found.append(
                f"task {name!r}: {share:.1%} of the labels in {part} are of classes that training never sees "
                f"({listed(classes[unseen], task)}): no network can answer them"
            )
    return found


def _classes_of(split: Split, name: str) -> tuple[Tensor, Tensor]:
    """The classes that occur in a split, and how often."""
    labels = split.labels(name).reshape(-1)
    found: tuple[Tensor, Tensor] = torch.unique(labels[labels != IGNORED], return_counts=True)
    return found


def _alike(name: str, task: MultiLabel, train: Split) -> list[str]:
    """Labels that all examples of training have, or none."""
    shares = train.labels(name).mean(0)
    places = ((shares == 0) | (shares == 1)).nonzero().squeeze(1)
    if not len(places):
        return []
    return [
        f"task {name!r}: all examples in training have the labels {listed(places, task)}, or none has: there "
        "is nothing to be learnt of them"
    ]


def _common(name: str, task: Classification | Ordinal, split: Split) -> list[str]:
    classes, counts = _classes_of(split, name)
    share = float(counts.max() / counts.sum())
    if share < COMMON_CLASS or task.classes < 2:
        return []
    return [
        f"task {name!r}: {share:.1%} of the labels in validation are of class "
        f"{listed(classes[counts.argmax()].view(1), task)}: a constant answer has that accuracy; "
        f"minimize('loss') tells networks apart better"
    ]


def _scales(name: str, task: Regression, train: Split) -> list[str]:
    """Outputs that differ so much in scale that the error of one hides that of another."""
    deviations = torch.std(train.labels(name).double(), 0, correction=0).tolist()
    varying = {output: deviation for output, deviation in enumerate(deviations) if deviation > 0}
    if len(varying) < 2:
        return []
    low, high = min(varying, key=lambda one: varying[one]), max(varying, key=lambda one: varying[one])
    if varying[high] < SCALES_APART * varying[low]:
        return []
    return [
        f"task {name!r}: its outputs have very different scales, from a standard deviation of "
        f"{varying[low]:.3g} (output {low}) to {varying[high]:.3g} (output {high}): rmse is that of the "
        "larger; maximize('r2') weighs them alike"
    ]
