"""NePS (`neural-pipeline-search`) by ask and tell: PriorBand over our space, around its plain network.

Its requirements exclude ours (pandas below 3), and name torchvision, which only its tutorials import.
So it has an interpreter of its own, named by ``--python neps=PATH``: in a new environment ``pip install -e .
'pandas<3' gpytorch==1.13.0 botorch ifbo pymoo networkx matplotlib more-itertools portalocker seaborn pyyaml
tensorboard``, then ``pip install --no-deps neural-pipeline-search``. Tried with its version 0.17.
"""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Iterator
from typing import Any

import neps
import numpy as np
import torch

from benchmarks.real_search.ours import space_of
from benchmarks.real_search.trials import Handed, TimeIsOver, Trainer, epochs_within
from search_spaces import Space
from search_spaces.holes import Choice, Hole, Value
from search_spaces.ranges import Integer
from workers.problems import Problem
from workers.recipe import Recipe

FIDELITY = "epochs of the trial"


def neps_priorband(problem: Problem, seconds: float, seed: int) -> Handed:
    """PriorBand, what NePS is known for, with the plain network as its prior.

    All decisions that there may be are its parameters, those of parts that a network does not have included.
    A configuration that is to have more epochs goes on where it was.
    """
    logging.getLogger("neps").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    for own in (random.seed, np.random.seed, torch.manual_seed):  # it has no seed of its own
        own(seed)
    trainer = Trainer(problem, seconds, seed)
    space = space_of(problem, pauses=True)
    plain = space.plain()
    recipe = Recipe.of(plain)
    running: dict[str, Iterator[float]] = {}
    epochs = 0
    try:
        epoch = trainer.epoch_seconds(lambda: plain.build(problem.signature), recipe)
        epochs = max(2, epochs_within(trainer.left, epoch, recipe.epochs))
        optimizer = neps.AskAndTell(neps.algorithms.priorband(parameters(space, epochs)))
        while trainer.left > 0:
            trial = optimizer.ask()
            before = trial.metadata.previous_trial_id
            values = running.pop(before, None) or _begun(trainer, space, trial.config, epochs)
            until, done = (
                trial.config[FIDELITY],
                0 if before is None else optimizer.trials[before].config[FIDELITY],
            )
            running[trial.metadata.id] = values
            told = [value for _, value in zip(range(until - done), values, strict=False)]
            optimizer.tell(trial, 1 - told[-1] if len(told) == until - done else float("inf"))
    except TimeIsOver:
        pass
    return trainer.handed(f"trials of {epochs} epochs" if trainer.begun else "")


def _begun(trainer: Trainer, space: Space, config: dict[str, Any], epochs: int) -> Iterator[float]:
    architecture = space.fill(lambda path, hole: value_of(hole, config.get(path)))
    recipe = Recipe.of(architecture).model_copy(update={"epochs": epochs})
    return trainer.values(lambda: architecture.build(trainer.problem.signature), recipe, architecture.id)


def parameters(space: Space, epochs: int) -> Any:
    """All holes of a space as parameters of NePS by path, and the epochs as its fidelity."""
    found: dict[str, Any] = {FIDELITY: neps.HPOInteger(1, epochs, is_fidelity=True)}
    plain = space.plain().decisions
    for path, hole in space.holes().items():
        prior: Any = plain.get(path, hole.plainest)
        if isinstance(hole, Choice):
            if len(hole.labels) > 1:
                places = [*range(len(hole.labels))]  # a label may be None
                place = hole.labels.index(prior)
                found[path] = neps.HPOCategorical(places, prior=place, prior_confidence="medium")
        else:
            kind = neps.HPOInteger if isinstance(hole, Integer) else neps.HPOFloat
            low, high = hole.low, hole.high  # type: ignore[attr-defined]
            if low < high:
                log = hole.log  # type: ignore[attr-defined]
                found[path] = kind(low, high, log=log, prior=prior, prior_confidence="medium")
    return neps.SearchSpace(found)


def value_of(hole: Hole, value: Any) -> Value:
    """The value of a hole from NePS's; None: it is no parameter there, for there is one value only."""
    if value is None:
        return hole.plainest
    if isinstance(hole, Choice):
        return hole.value_at(int(value))
    if isinstance(hole, Integer):
        return hole.low + hole.step * round((value - hole.low) / hole.step)
    return hole.coerce(float(value))
