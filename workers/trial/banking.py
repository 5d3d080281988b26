"""Jobs on a bank of shared weights: a lesson of it, and a network that is scored with its weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from search_spaces.architecture import Architecture
from search_spaces.errors import BuildError, ExecutorError
from workers.acceleration import Acceleration
from workers.bank.bank import Bank
from workers.bank.inheriting import heir
from workers.bank.paths import group_size, paths
from workers.bank.training import BankTraining
from workers.job import Checkpoint, Event, Finished, HeldWeights, Job, Lesson, Reported, SharedWeights
from workers.problems.problem import Problem
from workers.recipe import Recipe
from workers.training.batches import steps_per_epoch

OFTEN = 20
"""So many steps or more each network of a bank makes,"""

FEWEST = 20
"""but so many networks there are at the least."""

FEWEST_NEW = 2
"""So many of the new networks that a lesson is given train it at the least."""

SCORED = 1000
"""On so many validation examples or fewer the new networks of a lesson are scored."""


@dataclass
class _Held:
    """What this process knows of banks: the one that it has read, and the one that it has trained, last."""

    read: tuple[str, Bank] | None = None
    trained: tuple[str, Lesson, Problem, BankTraining] | None = None


_held = _Held()


def bank_of(shared: SharedWeights) -> Bank:
    """Returns a bank, which is not to be changed: the next job may be given the same one.

    Raises:
        ExecutorError: its weights are no longer there.
        FormatError: they are none.
    """
    if _held.read is None or _held.read[0] != shared.id:
        _held.read = shared.id, Bank.from_safetensors(shared.weights.read())
    return _held.read[1]


def teach(
    job: Job,
    lesson: Lesson,
    data: Problem,
    recipe: Recipe,
    device: torch.device,
    check: Callable[[], None],
    acceleration: Acceleration,
) -> Iterator[Event]:
    """Trains a bank for a lesson; yields a report for each epoch, then the end, whose weights are the bank.

    Args:
        job: the job, whose bank is what the lesson goes on from.
        lesson: its lesson.
        data: the problem.
        recipe: how it is trained, but for the schedule: its learning rate comes down in the last sixth, which
            may be told as late as that.
        device: the device.
        check: the function that is called between steps; what it raises ends the lesson.
        acceleration: how the device is made use of.

    Raises:
        BuildError: hardly a network of the space can be built.
        TrainingFailure: the loss is no longer finite.
        ExecutorError: a lesson that is not the first has no bank.
    """
    # before its rate comes down a bank says little, and a training by one cycle cannot be ended sooner
    recipe = recipe.model_copy(update={"schedule": "wsd"})
    training = _training(job, lesson, data, recipe, device, acceleration)
    if lesson.workers > 1:
        training.sow(check)
    loss = 0.0
    for report in training.run(lesson.epochs, lesson.begun, lesson.until, check, lesson.worker):
        loss = report.train_loss
        yield Reported(job.number, report)
    scored: tuple[dict[str, float] | None, ...] = ()
    if lesson.until < lesson.epochs:
        networks = _given(lesson, data, recipe)[len(lesson.given) - lesson.new :]
        scored = tuple(_scored(training.bank, one, job, data, recipe, device, check) for one in networks)
    shared = SharedWeights.of(training.bank.to_safetensors())
    if lesson.until < lesson.epochs and device.type == "cpu":
        # the next lesson mostly comes here, too, and to build all networks again takes longer than an epoch;
        # on a card other trials need the memory
        _held.trained = shared.id, lesson, data, training
    costs = {"num_params": float(training.bank.num_params)}
    yield Finished(job.number, {"loss": loss}, {}, 0.0, shared.weights, costs, scored=scored)


def _given(lesson: Lesson, data: Problem, recipe: Recipe) -> list[Architecture]:
    """The networks that a lesson is given, as many of them as it has time for."""
    steps = (lesson.until - lesson.begun) * steps_per_epoch(len(data.train), recipe.batch_size)
    earlier = len(lesson.given) - lesson.new
    some = lesson.given[: earlier + max(FEWEST_NEW, steps // OFTEN)]
    return [lesson.space.architecture(decisions) for decisions in some]


def _scored(
    bank: Bank,
    architecture: Architecture,
    job: Job,
    data: Problem,
    recipe: Recipe,
    device: torch.device,
    check: Callable[[], None],
) -> dict[str, float] | None:
    """A network's metrics with a bank, on some validation examples, and costs; None: it cannot be built."""
    validation = data.validation
    if len(validation) > SCORED:
        rows = torch.randperm(len(validation), generator=torch.Generator().manual_seed(job.seed))[:SCORED]
        validation = validation.select(rows.sort().values.to(validation.device))
    try:
        found = heir(bank, architecture, data, recipe, seed=job.seed, device=device, check=check)
        return architecture.cost(data.signature).to_dict() | found.metrics(validation, check)
    except BuildError:
        return None


def _training(
    job: Job,
    lesson: Lesson,
    data: Problem,
    recipe: Recipe,
    device: torch.device,
    acceleration: Acceleration,
) -> BankTraining:
    held, _held.trained = _held.trained, None  # one that is cut off is of no use any more
    if held is not None and job.bank is not None and held[2] is data:
        same = _as_any(held[1]) == _as_any(lesson)
        # the average of several workers' banks has the tensors of each of them
        averaged = same and lesson.workers > 1 and held[3].go_on_from(_read(job.bank))
        if averaged or (same and held[0] == job.bank.id):
            if lesson.given:
                held[3].train_by(_groups(job, lesson, data, recipe))
            return held[3]
    del held
    if job.bank is None and lesson.begun:
        raise ExecutorError(
            f"job {job.number}: expected the bank that epoch {lesson.begun} has left, got none"
        )
    bank = Bank() if job.bank is None else _read(job.bank)
    return BankTraining(
        bank,
        _groups(job, lesson, data, recipe),
        data,
        recipe,
        seed=job.seed,
        device=device,
        acceleration=acceleration,
        taught=lesson.sampling == "sandwich",
    )


def _read(shared: SharedWeights) -> Bank:
    return Bank.from_safetensors(shared.weights.read())


def _as_any(lesson: Lesson) -> Lesson:
    """A lesson as any other one of the same training is, whichever worker it is for."""
    return dataclasses.replace(lesson, begun=0, until=1, given=(), new=0, worker=0)


def _groups(job: Job, lesson: Lesson, data: Problem, recipe: Recipe) -> list[list[Architecture]]:
    """The groups of networks that train a bank."""
    if lesson.sampling == "controller":
        return [[one] for one in _given(lesson, data, recipe)]
    steps = lesson.epochs * steps_per_epoch(len(data.train), recipe.batch_size)
    steps *= group_size(lesson.space, lesson.sampling)
    # to build a network, and to find what its tensors mean, takes as long as some steps of it
    networks = max(FEWEST, min(lesson.networks, steps // OFTEN))
    return paths(lesson.space, lesson.sampling, networks, job.seed)


def score_inherited(
    job: Job,
    data: Problem,
    recipe: Recipe,
    device: torch.device,
    check: Callable[[], None],
    acceleration: Acceleration,
) -> Finished:
    """Returns the end of a job that scores a network with the weights of its bank: a pause before epoch 1."""
    assert job.bank is not None
    found = heir(
        bank_of(job.bank),
        job.architecture,
        data,
        recipe,
        seed=job.seed,
        device=device,
        check=check,
        acceleration=acceleration,
    )
    nothing, costs = HeldWeights(b""), {"inherited_share": found.share}
    metrics = found.metrics(data.validation, check)
    return Finished(job.number, metrics, {}, 0.0, nothing, costs, checkpoint=Checkpoint(0, nothing))
