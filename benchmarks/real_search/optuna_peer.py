"""Optuna by ask and tell, as its users run it: over our space, and over networks as in its examples."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from torch import nn

from benchmarks.real_search.ours import space_of
from benchmarks.real_search.trials import Handed, TimeIsOver, Trainer, epochs_within
from benchmarks.real_search.typical import drawn, standardised
from search_spaces import Space
from search_spaces.catalog import recipe_for
from search_spaces.holes import Choice, Hole, Value
from search_spaces.ranges import Integer
from workers.problems import Problem
from workers.recipe import Recipe

Candidate = tuple[Callable[[], nn.Module], Recipe]
"""What builds a network, and how it is trained."""


def optuna_ours(problem: Problem, seconds: float, seed: int) -> Handed:
    """TPE with Hyperband's pruning over our space; it knows nothing of a plain network."""
    return _over_space(problem, seconds, seed, plain_first=False)


def optuna_plain_first(problem: Problem, seconds: float, seed: int) -> Handed:
    """The same, told by `enqueue_trial` to begin with the plain network."""
    return _over_space(problem, seconds, seed, plain_first=True)


def optuna_typical(problem: Problem, seconds: float, seed: int) -> Handed:
    """The same sampler and pruner over a convolutional network, an LSTM or a perceptron, define-by-run."""
    # our networks standardise by themselves, others are given what is standardised
    problem = standardised(problem)

    def suggest(trial: Any, epochs: int) -> Candidate:
        make = drawn(trial, problem.signature)
        recipes = Space({"recipe": recipe_for(problem.signature, epochs, pauses=True)})
        found = recipes.fill(lambda path, hole: suggested(trial, path, hole))
        return make, Recipe.of(found)

    return _optimised(problem, seconds, seed, suggest, None)


def _over_space(problem: Problem, seconds: float, seed: int, *, plain_first: bool) -> Handed:
    space = space_of(problem, pauses=True)

    def suggest(trial: Any, epochs: int) -> Candidate:
        architecture = space.fill(lambda path, hole: suggested(trial, path, hole))
        recipe = Recipe.of(architecture).model_copy(update={"epochs": epochs})
        return lambda: architecture.build(problem.signature), recipe

    return _optimised(problem, seconds, seed, suggest, space if plain_first else None)


def _optimised(
    problem: Problem,
    seconds: float,
    seed: int,
    suggest: Callable[[Any, int], Candidate],
    begin: Space | None,
) -> Handed:
    """A study until the time is over.

    Args:
        problem, seconds, seed: as for every method.
        suggest: makes a candidate of a trial and its epochs.
        begin: the space whose plain network is the first trial; None: the sampler has the first trial.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")  # on what is experimental
    trainer = Trainer(problem, seconds, seed)
    plain = space_of(problem, pauses=True).plain()
    recipe = Recipe.of(plain)
    try:
        epoch = trainer.epoch_seconds(lambda: plain.build(problem.signature), recipe)
        epochs = epochs_within(trainer.left, epoch, recipe.epochs)
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(multivariate=True, group=True, seed=seed),
            pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3),
        )
        if begin is not None:
            study.enqueue_trial(parameters(begin))
        while trainer.left > 0:
            trial = study.ask()
            make, how = suggest(trial, epochs)
            _run(study, trial, trainer, make, how)
    except TimeIsOver:
        pass
    return trainer.handed(f"trials of {epochs} epochs" if trainer.begun else "")


def _run(study: Any, trial: Any, trainer: Trainer, make: Callable[[], nn.Module], recipe: Recipe) -> None:
    from optuna.trial import TrialState

    words = ", ".join(f"{name}={value}" for name, value in trial.params.items())
    value, epoch = None, 0
    for epoch, value in enumerate(trainer.values(make, recipe, words), 1):
        trial.report(value, epoch)
        if epoch < recipe.epochs and trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return
    if value is not None and epoch == recipe.epochs:
        study.tell(trial, value)
    else:
        study.tell(trial, state=TrialState.FAIL)


def suggested(trial: Any, path: str, hole: Hole) -> Value:
    """The value of a hole by a trial of Optuna, of the hole's own kind."""
    value: Value
    if isinstance(hole, Choice):
        value = trial.suggest_categorical(path, hole.labels)
    elif isinstance(hole, Integer):
        value = trial.suggest_int(path, hole.low, hole.high, log=hole.log, step=hole.step)
    else:
        value = trial.suggest_float(path, hole.low, hole.high, log=hole.log)  # type: ignore[attr-defined]
    return value


def parameters(space: Space) -> dict[str, Value]:
    """The plain network of a space as Optuna's parameters."""
    return dict(space.plain().decisions)
