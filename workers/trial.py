"""One trial, from its job to its last event: the same code in every executor."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch

from search_spaces.errors import BuildError, ExecutorError
from workers import checkpoint
from workers.failures import message_of, reason_of, traceback_of
from workers.isolation import OwnChance
from workers.job import Checkpoint, Event, Failed, Finished, HeldWeights, Job, Reported
from workers.metrics import evaluate
from workers.recipe import Recipe
from workers.training import Deadline, adapt, train
from workers.weights import to_safetensors

if TYPE_CHECKING:
    from torch import nn

    from workers.optimization import FusedOptimizer
    from workers.problems.problem import Problem


def run(
    job: Job, data: Problem, *, device: torch.device | str = "cpu", check: Callable[[], None] = lambda: None
) -> Iterator[Event]:
    """Build, train, validate and test the network of a job, as far as the job goes.

    Never raises for what the network does: that is its last event. The caller's random states are untouched.

    Args:
        job: what to do.
        data: the problem, on ``device``.
        device: to train on.
        check: called between steps; raises `TrialStopped` to end the trial.

    Yields:
        `Reported` for each epoch, then one `Finished` or `Failed`.
    """
    started = time.perf_counter()
    failure: Failed | None = None
    try:
        yield from _run(job, data, torch.device(device), check, started)
    except (Exception, SystemExit) as error:
        # SystemExit too: a candidate may not end the worker.
        failure = Failed(
            number=job.number,
            reason=reason_of(error),
            message=message_of(error),
            traceback=traceback_of(error),
            infrastructure=False,
            seconds=time.perf_counter() - started,
        )
    if failure is not None:
        # Here the exception is gone, and with it the frames that held the network's tensors.
        gc.collect()
        if torch.device(device).type == "cuda":
            torch.cuda.empty_cache()
        yield failure


def _run(
    job: Job, data: Problem, device: torch.device, check: Callable[[], None], started: float
) -> Iterator[Event]:
    deadline = Deadline(job.seconds, check)
    deadline.check()
    recipe = Recipe.of(job.architecture)
    if job.epochs is not None:
        recipe = recipe.model_copy(update={"epochs": job.epochs})
    chance = OwnChance(job.seed, device)
    with chance:
        network = _build(job, data)
    kept = _read(job)
    optimizers: list[FusedOptimizer] = []

    def begin(optimizer: FusedOptimizer) -> int:
        optimizers.append(optimizer)
        return 0 if kept is None else checkpoint.restore(kept, job, network, optimizer)

    metrics: dict[str, float] = {}
    paused = None
    for report in train(network, data, recipe, seed=job.seed, check=deadline.check, begin=begin):
        metrics = report.metrics
        yield Reported(job.number, report)
        if report.epoch == job.until and job.until < recipe.epochs:
            state = checkpoint.save(job, network, optimizers[0], report.epoch)
            paused = Checkpoint(report.epoch, HeldWeights(state))
            break
    with chance:
        # The only place that touches the test split: when training ends or pauses, for reporting (law 6).
        test_metrics = evaluate(
            adapt(network, data.signature),
            network,
            data.test.inputs,
            data.test.targets,
            data.signature.tasks,
            check=deadline.check,
        )
        weights = to_safetensors(network)
    costs = job.architecture.cost(data.signature).to_dict()
    seconds = time.perf_counter() - started
    yield Finished(job.number, metrics, test_metrics, seconds, HeldWeights(weights), costs, checkpoint=paused)


def _read(job: Job) -> bytes | None:
    """The state to go on from; None: from the beginning, also where the state was lost with its node."""
    if job.checkpoint is None:
        return None
    try:
        return job.checkpoint.state.read()
    except ExecutorError:
        return None


def _build(job: Job, data: Problem) -> nn.Module:
    try:
        return job.architecture.build(data.signature)
    except (Exception, SystemExit) as error:
        if isinstance(error, BuildError) or reason_of(error) == "out_of_memory":
            raise
        # A user's module may raise anything from its __init__.
        raise BuildError(message_of(error)) from error
