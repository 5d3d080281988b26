"""Single-task runs of what a search has found: which they are, and how they are trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nas.description import Budget, Description, training_seed
from nas.records import Reference, Trial
from nas.search.arguments import executor_of
from nas.store.runs import ReferenceStore
from search_spaces.architecture import Architecture
from workers.executor import run_jobs
from workers.job import Failed, Finished, Job
from workers.recipe import Recipe

if TYPE_CHECKING:
    from workers.executor import Executor
    from workers.problems import Problem

_OF_SEVERAL = frozenset({"balancing", "task_weights"})
"""The settings of a recipe that are without effect where there is one task."""


@dataclass(frozen=True)
class SingleTaskRun:
    """A reference to be trained.

    Attributes:
        reference: what names the run.
        architecture: the network, as for several tasks; built for one it has only what that needs.
    """

    reference: Reference
    architecture: Architecture


def runs_of(
    description: Description, trial: Trial, architecture: Architecture, code: Mapping[str, str]
) -> dict[str, SingleTaskRun]:
    """Returns the single-task run for each task that a trial of a search is compared with.

    The same backbone and the same budget: the trial's decisions, built for the one task (what is shared falls
    away), trained by the same recipe for the same epochs. Many networks of several tasks have the same one.

    Args:
        description: the description of the search.
        trial: the trial of the network.
        architecture: its architecture.
        code: the hashes of the code of the user's own that its space is made with, now: a run with other code
            is another one.

    Raises:
        BuildError: the architecture makes no network for one of the tasks.
    """
    value = architecture.value
    if architecture.recipe is not None:
        recipe = {name: set_to for name, set_to in architecture.recipe.items() if name not in _OF_SEVERAL}
        architecture = Architecture({**value, "recipe": recipe}, architecture.decisions)
    epochs, until = epochs_of(description, trial, architecture)
    runs = {}
    for task in description.signature.tasks:
        signature = description.signature.only(tasks=[task])
        id = architecture.id_for(signature)
        data: list[Any] = [
            description.data,
            description.options,
            signature.to_dict(),
            *([dict(code)] if code else []),
        ]
        if description.standardise:  # those of older versions are known by the rest alone
            data.append("standardise")
        reference = Reference(
            data=hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16],
            task=task,
            architecture_id=id,
            epochs=epochs,
            until=until,
            seed=training_seed(description.seed, id),
        )
        runs[task] = SingleTaskRun(reference, architecture)
    return runs


def epochs_of(description: Description, trial: Trial, architecture: Architecture) -> tuple[int, int]:
    """Returns the epochs that a trial's schedule spans, and those that it was trained for."""
    fidelity = description.fidelity or {"settings": {}}
    spanned = fidelity["settings"].get("max_epochs") or description.budget.epochs
    spanned = int(spanned or Recipe.of(architecture).epochs)
    return spanned, min(spanned, trial.epochs or spanned)


def train(
    runs: Sequence[SingleTaskRun],
    problem: Problem,
    *,
    budget: Budget,
    standardise: bool,
    executor: str | Executor,
    store: ReferenceStore,
    listener: Callable[[Reference], None],
) -> None:
    """Trains references, one task after the other, and keeps each in the store as soon as it has ended.

    Args:
        runs: the runs to be trained.
        problem: the problem of the search; the executor gets what is left of it for each task.
        budget: the budget of the search: its limits on a trial hold for a reference too.
        standardise: whether the networks of the search standardise their inputs and targets.
        executor: where they are trained; it is opened and closed for each task.
        store: the store that keeps them.
        listener: a function that is called with each reference that has ended.

    Raises:
        ExecutorError: nothing can be trained at all.
    """
    for task in dict.fromkeys(run.reference.task for run in runs):
        # as if it had been loaded so: what was dropped from the problem stays dropped
        alone = replace(problem, options={}).only(tasks=[task])
        own = [run for run in runs if run.reference.task == task]
        with executor_of(executor) as opened:
            opened.open(alone)
            work = (_job(number, run, budget, standardise) for number, run in enumerate(own))
            for event in run_jobs(opened, work):
                ended = _ended(own[event.number].reference, event)
                store.keep(ended)
                listener(ended)


def _job(number: int, run: SingleTaskRun, budget: Budget, standardise: bool) -> Job:
    reference = run.reference
    return Job(
        number=number,
        architecture=run.architecture,
        seed=reference.seed,
        epochs=reference.epochs,
        seconds=budget.trial_seconds,
        until=reference.until,
        memory=budget.trial_memory,
        silence=budget.trial_silence,
        standardise=standardise,
    )


def _ended(reference: Reference, event: Finished | Failed) -> Reference:
    if isinstance(event, Failed):
        return replace(
            reference,
            status="failed",
            reason=event.reason,
            message=event.message,
            seconds=event.seconds,
        )
    return replace(
        reference,
        status="complete",
        metrics=event.metrics,
        test_metrics=event.test_metrics,
        seconds=event.seconds,
        ran=event.ran,
    )
