"""What a trial does on a problem, in amounts: its time is their sum, each times what one of it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from search_spaces.errors import NasError
from workers.recipe import GradientMethod, Recipe
from workers.training.batches import steps_per_epoch
from workers.training.metrics import EVALUATED

if TYPE_CHECKING:
    from search_spaces.architecture import Architecture
    from search_spaces.building.work import Work
    from workers.problems.problem import Problem

AMOUNTS = ("operators", "numbers", "macs", "batched_macs", "parameters", "trials")
"""What is counted of a trial, in this order.

``operators``: operators called; ``numbers``: what they write, and what a network is fed; ``macs``,
``batched_macs``: multiply-adds, see `search_spaces.building.work.Work`; ``parameters``: parameters that an
optimizer moves; ``trials``: what every trial does once (to be built, counted, handed over).
"""

Amounts = NDArray[np.float64]
"""One number for each of `AMOUNTS`, of steps: what one of it takes is meant forward and backward."""

FORWARD = 0.34
"""The share of a forward pass in the time of a step."""

_AROUND_STEP, _AROUND_EVALUATION = 2, 10
"""Operators around those of the network: in a step for each task, and with each batch evaluated."""


@dataclass(frozen=True)
class TrialWork:
    """What a trial does.

    Attributes:
        epoch: the work of one epoch's training.
        validation: that of the validation after it.
        once: that of building and testing the network.
    """

    epoch: Amounts
    validation: Amounts
    once: Amounts


class TrialWorks:
    """Counts what trials do on one problem.

    Args:
        problem: the problem.
        device: the kind of device that they run on, ``cpu`` or ``cuda``.
    """

    def __init__(self, problem: Problem, device: str = "cpu") -> None:
        self._signature = problem.signature
        domain = problem.train.domain
        self._domains = [len(problem.train)] if domain is None else torch.bincount(domain.cpu()).tolist()
        self._examples = {"test": 0} | {part: len(split) for part, split in problem.splits.items()}
        split = problem.train
        self._fed = sum(tensor[0].numel() for tensor in split.inputs.values()) if len(split) else 0
        self._evaluated = EVALUATED[device]

    def of(self, architecture: Architecture) -> TrialWork | None:
        """Returns what a trial of a network does; None where it cannot be counted.

        The dry run that counts is the one that a search makes anyway.
        """
        try:
            work, recipe = architecture.work(self._signature), Recipe.of(architecture)
        except NasError:  # a network that cannot be built takes no time
            return None
        steps = sum(steps_per_epoch(count, recipe.batch_size) for count in self._domains)
        around = _AROUND_STEP * len(self._signature.tasks)
        epoch = self._passes(work, around, steps, self._examples["train"]) * self._backward(recipe)
        epoch[AMOUNTS.index("parameters")] = work.num_params * steps
        validation, test = (self._forward(work, self._examples[part]) for part in ("validation", "test"))
        test[AMOUNTS.index("trials")] = 1
        return TrialWork(epoch, validation, test)

    def _passes(self, work: Work, around: int, calls: int, examples: int) -> Amounts:
        operators = (work.num_operators + around) * calls
        per_example = (work.num_written + self._fed, work.num_macs, work.num_batched_macs)
        return np.array([operators, *(one * examples for one in per_example), 0, 0], float)

    def _forward(self, work: Work, examples: int) -> Amounts:
        batches = -(-examples // self._evaluated)
        return FORWARD * self._passes(work, _AROUND_EVALUATION, batches, examples)

    def _backward(self, recipe: Recipe) -> float:
        """How much more a step does than one with a single backward pass."""
        tasks = len(self._signature.tasks)
        balanced = tasks > 1 and recipe.balancing in get_args(GradientMethod)
        return FORWARD + (1 - FORWARD) * tasks if balanced else 1.0
