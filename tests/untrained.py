"""Small networks that nobody trains, and problems of random numbers to score them on."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from search_spaces import Architecture, Classification, Signature, Space, Tokens, Vector, layer, sequential
from search_spaces.testing import random_inputs
from workers.problems.problem import Problem
from workers.zero_cost.probe import Probe

VECTORS = Signature({"vector": Vector(3)}, {"kind": Classification(2)})


def row(*layers: Any) -> Architecture:
    """Layers in a row; a number stands for a linear layer with so many features."""
    parts = [layer(nn.Linear, out_features=one) if isinstance(one, int) else one for one in layers]
    return Space({"model": sequential(*parts)}).plain()


def random_problem(signature: Signature = VECTORS, examples: int = 100) -> Problem:
    """A problem for a signature whose tasks are of classes or numbers."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        inputs = random_inputs(signature, examples)
        for name, kind in signature.inputs.items():
            if isinstance(kind, Tokens):
                inputs[name] = torch.randint(1, kind.vocabulary, (examples, *kind.shape))
        targets = {
            name: torch.arange(examples) % task.outputs
            if isinstance(task, Classification)
            else torch.randn(examples, task.outputs)
            for name, task in signature.tasks.items()
        }
    return Problem.from_tensors("random", (inputs, targets), signature=signature)


def probe(*layers: Any, batch_size: int = 8) -> Probe:
    """A probe of layers in a row, see `row`, on vectors of 3 numbers and 2 classes."""
    return Probe(row(*layers), random_problem(), batch_size, seed=0)
