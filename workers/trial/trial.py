"""One trial, from its job to its last event: the same code in every executor."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch

from search_spaces.errors import BuildError, FormatError
from search_spaces.meanings.meaning import kinship
from workers.acceleration import PLAIN, Acceleration, Ran
from workers.bank.inheriting import inherit_from
from workers.failures import breaks_the_gpu, message_of, reason_of, traceback_of
from workers.job import Event, Failed, Finished, HeldWeights, Job, Last, Pace, Paced, Reported
from workers.recipe import Recipe
from workers.training.criterion import adapt
from workers.training.deadline import Deadline
from workers.training.metrics import evaluate
from workers.training.process_group import Group, SingleProcess
from workers.training.random_state import IsolatedRandomState, isolated
from workers.training.standardisation import standardise, target_scales
from workers.training.training import precision_of, progress
from workers.trial import residue as aftermath
from workers.trial.banking import bank_of, score_inherited, teach
from workers.trial.handing_on import hand_on
from workers.trial.inheritance import Inheritance, inherit
from workers.trial.memory import MemoryLimit, PeakMemory
from workers.trial.resumption import TrialProgress
from workers.trial.round_trip import Kept, check_answers
from workers.trial.scores import check_bounds, take_scores
from workers.trial.torch_modes import IsolatedModes, be_deterministic
from workers.trial.trial_log import TrialLog
from workers.weights import to_safetensors

if TYPE_CHECKING:
    from torch import nn

    from workers.problems.problem import Problem


def run(
    job: Job,
    data: Problem,
    *,
    device: torch.device | str = "cpu",
    check: Callable[[], None] = lambda: None,
    enough: Callable[[], bool] = lambda: False,
    group: Group | None = None,
    acceleration: Acceleration = PLAIN,
) -> Iterator[Event]:
    """Builds, trains, validates and tests the network of a job, as far as the job goes.

    Never raises for what the network does: that is its last event. The caller's random states, streams and
    torch's modes are untouched. With ``job.folder`` it goes on from the latest state there, if that is newer
    than the job's checkpoint, and saves there; who takes the last event removes the folder.

    Args:
        job: what to do.
        data: the problem, on ``device`` or not (see `workers.training.placement.place`).
        device: the device to train on.
        check: the function that is called between steps; it raises `TrialStopped` to end the trial.
        enough: the function that is asked after each epoch that was trained; where it says so the trial
            pauses there, as with `Job.until`. Not for several processes.
        group: the processes that run the trial together; None: this one alone.
        acceleration: how the training makes use of the device.

    Yields:
        `Reported` for each epoch of the job, those of an earlier attempt included, and `Paced` before the
        first one that is trained now, where it is long; then one `Finished` or `Failed`. In a group the first
        process yields them. The others yield the last alone: a `Finished` without metrics, or a `Failed` that
        is ``stopped`` where it failed in another one.
    """
    device = torch.device(device)
    aftermath.begin(device)
    log, modes = TrialLog(), IsolatedModes()
    limit, peak = MemoryLimit(job.memory), PeakMemory(device)

    def look() -> None:
        check()
        limit.check()

    deadline = Deadline(job.seconds, look)
    end: Finished | Failed | None = None
    ran = Ran()
    scores: dict[str, float] = {}
    usable = True
    steps = _run(
        job,
        data,
        device,
        deadline,
        limit,
        peak,
        log,
        enough,
        group or SingleProcess(),
        acceleration,
        ran,
        scores,
    )
    try:
        for event in isolated(isolated(steps, modes), log):
            if isinstance(event, Last):
                end = event
            else:
                yield event
    except (Exception, SystemExit) as error:
        # SystemExit too: a candidate may not end the worker.
        usable = not breaks_the_gpu(error)
        reason = reason_of(error)
        end = Failed(
            number=job.number,
            reason=reason,
            message=message_of(error),
            traceback=traceback_of(error),
            infrastructure=reason == "worker_lost",
            seconds=deadline.spent,
            costs=scores,
        )
    assert end is not None  # `_run` ends with an event or an error
    # Here the frames that held the network's tensors are gone.
    fit = aftermath.is_fit(device, kept=_size(end), limit=job.memory) and usable and modes.restored
    yield dataclasses.replace(end, log=log.text(), fit=fit)


def _run(
    job: Job,
    data: Problem,
    device: torch.device,
    deadline: Deadline,
    limit: MemoryLimit,
    peak: PeakMemory,
    log: TrialLog,
    enough: Callable[[], bool],
    group: Group,
    acceleration: Acceleration,
    ran: Ran,
    scores: dict[str, float],
) -> Iterator[Event]:
    with group.agreement():
        deadline.check()
        if job.scores and job.checkpoint is None and group.leads:
            scores |= take_scores(job, data, log)
            check_bounds(job, scores)
            deadline.check()
            peak = PeakMemory(device)  # of the training
        if acceleration.deterministic:
            be_deterministic()
            ran.deterministic = "yes"
        recipe = Recipe.of(job.architecture)
        recipe = recipe.model_copy(update={"standardise": recipe.standardise and job.standardise})
    if job.lesson is not None or (job.bank is not None and job.until == 0):
        yield from _with_bank(job, data, recipe, device, deadline, group, acceleration, scores, ran)
        return
    with group.agreement():
        epochs = job.epochs or recipe.epochs
        until = min(job.until or epochs, epochs)
        random_state = IsolatedRandomState(job.seed, device)
        with random_state:
            network = _build(job, data, counted=group.leads)
            standardise(network, data, recipe)
            kept = Kept(network)
            inherited = _inherit(network, job, data, log)
    state = TrialProgress(job, network, until, deadline, log, data.signature.tasks)
    trained = progress(
        network,
        data,
        recipe,
        seed=job.seed,
        device=device,
        check=deadline.check,
        begin=state.begin,
        epochs=epochs,
        until=until,
        group=group,
        acceleration=acceleration,
        ran=ran,
    )
    for said in state.reports(trained, enough):
        yield Paced(job.number, said) if isinstance(said, Pace) else Reported(job.number, said)
    with group.agreement():
        weights = HeldWeights(b"")
        end = Finished(job.number, {}, {}, 0.0, weights)
        if group.leads:
            paused = state.pause() if state.epoch < epochs else None
            with random_state:
                # The only place that touches the test split: when training ends or pauses, for reporting
                # (law 6).
                test_metrics = evaluate(
                    adapt(network, data.signature, precision_of(recipe, device, acceleration)),
                    network,
                    data.test,
                    data.signature.tasks,
                    check=deadline.check,
                    device=device,
                    scales=target_scales(network),
                )
                kept.check(network)
                weights = HeldWeights(to_safetensors(network))
            end = Finished(job.number, state.metrics, test_metrics, 0.0, weights, checkpoint=paused)
        limit.check(now=True)
        measured = {"peak_memory_bytes": float(peak.bytes())} if group.leads else {}
        if group.leads and job.round_trip:  # measured before: a second network is no part of the training
            with random_state:
                precision = precision_of(recipe, device, acceleration)
                check_answers(job.architecture, data, network, weights.data, device, precision)
    costs = job.architecture.cost(data.signature).to_dict() if group.leads else {}
    yield dataclasses.replace(
        end, seconds=deadline.spent, costs={**costs, **scores, **measured, **inherited}, ran=ran.to_dict()
    )


def _size(event: Finished | Failed) -> int:
    """Bytes of this process that go on with an event."""
    if isinstance(event, Failed):
        return 0
    held = [event.weights, None if event.checkpoint is None else event.checkpoint.state]
    return sum(len(weights.data) for weights in held if isinstance(weights, HeldWeights))


def _with_bank(
    job: Job,
    data: Problem,
    recipe: Recipe,
    device: torch.device,
    deadline: Deadline,
    group: Group,
    acceleration: Acceleration,
    scores: dict[str, float],
    ran: Ran,
) -> Iterator[Event]:
    """What a job on a bank does: of several processes the first one alone."""
    end = Finished(job.number, {}, {}, 0.0, HeldWeights(b""))
    costs: dict[str, float] = {}
    with group.agreement():
        if group.leads and job.lesson is not None:
            for event in teach(job, job.lesson, data, recipe, device, deadline.check, acceleration):
                if isinstance(event, Finished):
                    end, costs = event, event.costs
                else:
                    yield event
        elif group.leads:
            end = score_inherited(job, data, recipe, device, deadline.check, acceleration)
            costs = job.architecture.cost(data.signature).to_dict() | end.costs
    ran.device = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    yield dataclasses.replace(end, seconds=deadline.spent, costs={**costs, **scores}, ran=ran.to_dict())


def _inherit(network: nn.Module, job: Job, data: Problem, log: TrialLog) -> dict[str, float]:
    """Lets a network begin from its parent or a bank; returns how much of it did, for `Finished.costs`."""
    if job.bank is not None:
        taken, whole = inherit_from(bank_of(job.bank), network, job.architecture, data.signature)
        log.write(f"begins with {taken:,} of {whole:,} numbers of the bank\n")
        return {"inherited_share": taken / max(1, whole)}
    if job.parent is None:
        return {}
    got = Inheritance()
    try:
        kin = kinship(job.architecture, job.parent.architecture, data.signature)
        got = inherit(network, kin, job.parent.weights)
    except (FormatError, BuildError) as error:
        log.write(f"begins from nothing: {error}\n")
    else:
        if got.tensors and kin.beginning.norms:
            try:
                hand_on(network, kin.beginning.norms, data, job.seed)
            except Exception as error:  # a user's module may need its device; they begin as ever then
                log.write(f"new normalisations begin as ever: {message_of(error)}\n")
        log.write(
            f"begins with numbers of its parent in {got.tensors} of {len(kin.own)} tensors, "
            f"{got.share:.0%} of its numbers; of the others {len(kin.beginning)} hand on what they get\n"
        )
    return {"inherited_tensors": float(got.tensors), "inherited_share": got.share}


def _build(job: Job, data: Problem, *, counted: bool) -> nn.Module:
    """Returns the network of a job; where its costs are wanted, one dry run serves them and the network."""
    try:
        if counted:
            job.architecture.cost(data.signature)
        return job.architecture.build(data.signature)
    except (Exception, SystemExit) as error:
        if isinstance(error, BuildError) or reason_of(error) == "out_of_memory":
            raise
        # A user's module may raise anything from its __init__.
        raise BuildError(message_of(error)) from error
