"""Generated problems of any signature, small enough to train on in a moment."""

from __future__ import annotations

import torch
from torch import Tensor

from search_spaces.signature import (
    Classification,
    Image,
    Regression,
    Sequence,
    Signature,
    TabularRow,
    Tokens,
    Vector,
)
from search_spaces.testing import random_inputs, random_target
from workers.problems.problem import Problem
from workers.problems.split import Split

IMAGE, VECTOR = Image(1, 16, 16), Vector(6)

INPUTS = {
    "cnn": IMAGE,
    "mlp": VECTOR,
    "cell": IMAGE,
    "vit": IMAGE,
    "series": Sequence(length=24, features=3),
    "text": Tokens(length=12, vocabulary=30),
    "table": TabularRow(numbers=3, categories=(2, 9)),
}
"""The kind of input that each space of the catalog for one input is for."""

SEVERAL = Signature({"image": IMAGE, "numbers": VECTOR}, {"a": Classification(4), "b": Regression()})


def generated(signature: Signature, examples: int = 24, missing: bool = False) -> Problem:
    """Returns generated examples, the same in each split; with ``missing`` some lack inputs, some labels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        inputs = random_inputs(signature, examples)
        targets = {name: random_target(signature, name, examples) for name in signature.tasks}
        present: dict[str, Tensor] = {}
        labelled: dict[str, Tensor] = {}
        if missing:
            for masks, names in ((present, list(inputs)[1:]), (labelled, list(targets)[1:])):
                masks |= {name: torch.rand(examples) < 0.6 for name in names}
    for name, mask in present.items():
        inputs[name][~mask] = 0
    split = Split(inputs, targets, present, labelled)
    return Problem("generated", signature, split, split, split)
