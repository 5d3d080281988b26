"""Zero-cost scores of an architecture on a problem."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import torch

from search_spaces.architecture import Architecture
from search_spaces.arguments import AtLeast, Seed, checked
from search_spaces.errors import NasError, TrainingFailure, ZeroCostError
from workers.failures import layer_of, message_of, reason_of
from workers.problems.problem import Problem
from workers.training.random_state import IsolatedRandomState
from workers.zero_cost import BATCH_SIZE, LEAST, catalog
from workers.zero_cost.probe import Probe


@checked(ZeroCostError)
def score(
    architecture: Architecture,
    problem: Problem,
    names: Sequence[str],
    *,
    batch_size: Annotated[int, AtLeast(LEAST)] = BATCH_SIZE,
    seed: Seed = 0,
) -> dict[str, float]:
    """Scores an architecture without training it.

    The same arguments lead to the same scores, in whatever order and beside whatever others. Nothing is left
    behind: each score has a network of its own, and the global random states stay.

    Args:
        architecture: the architecture.
        problem: the problem, whose training examples are used where a score needs any.
        names: the names of the scores in the `catalog`.
        batch_size: the number of examples in a batch.
        seed: the seed of the weights and the batches.

    Returns:
        The scores by name, more being better; a score of several parts by ``name.part``. Minus infinity says
        that the network is dead to a score: nothing comes through it, or all examples look the same to it.

    Raises:
        UnknownNameError: there is no score of that name.
        ZeroCostError: a score is not defined for this network; says by which layer, and what to do.
        BuildError: the architecture cannot be built for the problem.
        ProblemError: the problem has too few examples.
        TrainingFailure: the network raised an error, or what it computes is not a number.
    """
    functions = {name: catalog.find(name) for name in names}
    found: dict[str, float] = {}
    with (
        IsolatedRandomState(seed, problem.train.device),
        torch.inference_mode(False),
        torch.enable_grad(),
    ):
        for name, function in functions.items():
            probe = Probe(architecture, problem, batch_size, seed)
            try:
                scored = function(probe)
            except NasError:
                raise
            except Exception as error:  # of a user's module
                layer = "" if probe.built is None else layer_of(error, probe.built)
                where = f"{layer}: " if layer else ""
                raise TrainingFailure(reason_of(error), f"{name}: {where}{message_of(error)}") from error
            if isinstance(scored, int | float):
                found[name] = float(scored)
            else:
                found |= {f"{name}.{part}": float(value) for part, value in scored.items()}
    for name, value in found.items():
        if math.isnan(value):
            raise TrainingFailure("not_finite", f"{name}: the network computes what is not a number")
    return found
