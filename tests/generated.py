"""Generated problems of any signature, small enough to train on in a moment."""

from __future__ import annotations

import torch
from torch import Tensor

from search_spaces.signature import (
    Classification,
    DenseMap,
    Generation,
    Image,
    Regression,
    Retrieval,
    Sequence,
    Signature,
    Tagging,
    Task,
    Tokens,
    Vector,
)
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
}
"""The kind of input that each space of the catalog for one input is for."""

SEVERAL = Signature({"image": IMAGE, "numbers": VECTOR}, {"a": Classification(4), "b": Regression()})


def generated(signature: Signature, examples: int = 24, missing: bool = False) -> Problem:
    """Returns generated examples, the same in each split; with ``missing`` some lack inputs, some labels."""
    generator = torch.Generator().manual_seed(0)
    inputs: dict[str, Tensor] = {}
    for name, kind in signature.inputs.items():
        shape = (examples, *kind.shape)
        if isinstance(kind, Tokens):
            inputs[name] = torch.randint(1, kind.vocabulary, shape, generator=generator)
        else:
            inputs[name] = torch.rand(shape, generator=generator)
    targets = {name: _targets(task, examples, generator) for name, task in signature.tasks.items()}
    present: dict[str, Tensor] = {}
    labelled: dict[str, Tensor] = {}
    if missing:
        for masks, names in ((present, list(inputs)[1:]), (labelled, list(targets)[1:])):
            masks |= {name: torch.rand(examples, generator=generator) < 0.6 for name in names}
        for name, mask in present.items():
            inputs[name][~mask] = 0
    split = Split(inputs, targets, present, labelled)
    return Problem("generated", signature, split, split, split)


def _targets(task: Task, examples: int, generator: torch.Generator) -> Tensor:
    def whole(high: int, *shape: int) -> Tensor:
        return torch.randint(high, (examples, *shape), generator=generator)

    match task:
        case Classification():
            return whole(task.classes)
        case Regression():
            return torch.rand((examples, task.outputs), generator=generator)
        case Tagging():
            return whole(task.tags, 12)
        case Retrieval():
            return torch.arange(examples)
        case Generation():
            return whole(task.vocabulary - 1, task.length) + 1
        case DenseMap():
            size = (task.height, task.width)
            return (
                whole(task.outputs, *size) if task.discrete else torch.rand((examples, task.outputs, *size))
            )
    raise AssertionError(task)
