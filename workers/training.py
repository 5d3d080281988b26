"""Training one network on one problem, with a report per epoch."""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from search_spaces.errors import TrainingFailure
from search_spaces.signature import Image, Signature
from workers.batches import Feed
from workers.failures import message_of, reason_of
from workers.isolation import OwnChance, isolated, seed_all
from workers.job import Report
from workers.metrics import evaluate, training_loss
from workers.optimization import FusedOptimizer, learning_rate
from workers.problems.problem import Problem
from workers.process_group import Alone
from workers.recipe import Recipe
from workers.stopping import TrialStopped

Forward = Callable[[dict[str, Tensor]], Mapping[str, Tensor]]

CHECK_STEPS = 50
"""How often the loss is looked at within an epoch: reading it back makes a GPU wait."""


def train(
    network: nn.Module,
    problem: Problem,
    recipe: Recipe,
    *,
    seed: int,
    seconds: float | None = None,
    check: Callable[[], None] = lambda: None,
    begin: Callable[[FusedOptimizer], int] = lambda optimizer: 0,
    until: int | None = None,
    group: Alone | None = None,
) -> Iterator[Report]:
    """Train a network, epoch by epoch; the caller may leave off after any report.

    The same network, problem, recipe and seed give the same reports. The chance of an epoch comes from the
    seed and the epoch alone, so a training may go on elsewhere with the network's and the optimizer's state.
    The caller's random states stay.

    Args:
        network: answers by task (`Network`), or any module where there is one input and one task. It is
            moved to the problem's device, and is in evaluation mode at each report.
        problem: its data on the device to train on (`Problem.to`).
        recipe: how.
        seed: of order, augmentation and the network's own chance (dropout); not of the initial weights.
        seconds: limit on training and validation together.
        check: called between steps; what it raises ends the training.
        begin: called once with the optimizer, when network and optimizer are where they train; may bring both
            to an earlier training's state. Gives the epochs that they have been trained for.
        until: leave off after this epoch; the learning rate's schedule spans all of the recipe's.
        group: the processes that train it together; None: this one alone. The first one calls ``begin``,
            validates and gives the reports; the others do their share and give none.

    Yields:
        A report after each epoch, with the metrics on the validation split.

    Raises:
        TrainingFailure: the network raised (``exception``, ``out_of_memory``; the cause is attached), its
            loss is no longer finite (``not_finite``), or the time is over (``timeout``).
        TrialStopped: another process of the group has ended the training.
    """
    device = next(iter(problem.train.inputs.values())).device
    deadline = Deadline(seconds, check)
    group = group or Alone()
    steps = _train(network, problem, recipe, seed, device, deadline, begin, until or recipe.epochs, group)
    return isolated(_mapped(steps), OwnChance(seed, device))


class Deadline:
    """A trial's time and its end, asked between steps.

    Args:
        seconds: from now; None: no limit.
        check: asked first; raises to end the trial for a reason of its own.
    """

    def __init__(self, seconds: float | None, check: Callable[[], None] = lambda: None) -> None:
        self.seconds, self._check = seconds, check
        self._limit = math.inf if seconds is None else seconds
        self._started = time.perf_counter()

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._started

    def add(self, seconds: float) -> None:
        """Count what was spent before, by an earlier attempt."""
        self._started -= seconds

    def check(self) -> None:
        """Raise what the caller's check raises, or a `TrainingFailure` when the time is over."""
        self._check()
        if time.perf_counter() - self._started > self._limit:
            raise TrainingFailure("timeout", f"not finished within its {self.seconds:g} seconds")


def adapt(network: nn.Module, signature: Signature) -> Forward:
    """How a network is asked: a batch of inputs by name to answers by task.

    One input and one task go without names, so that any plain module will do.
    """
    if len(signature.inputs) == 1 and len(signature.tasks) == 1:
        (source,), (task,) = signature.inputs, signature.tasks
        return lambda inputs: {task: network(inputs[source])}
    return network


def _mapped(steps: Iterator[Report]) -> Iterator[Report]:
    """``steps``, with what the network raises as a `TrainingFailure`."""
    try:
        yield from steps
    except (TrainingFailure, TrialStopped):
        raise
    except (Exception, SystemExit) as error:
        raise TrainingFailure(reason_of(error), message_of(error)) from error


def _train(
    network: nn.Module,
    problem: Problem,
    recipe: Recipe,
    seed: int,
    device: torch.device,
    deadline: Deadline,
    begin: Callable[[FusedOptimizer], int],
    until: int,
    group: Alone,
) -> Iterator[Report]:
    tasks = problem.signature.tasks
    network.to(device)
    forward = _autocast(adapt(network, problem.signature), recipe, device)
    channels_last = _lay_out(network, forward, problem)
    optimizer = FusedOptimizer((p for p in network.parameters() if p.requires_grad), recipe)
    learns = bool(optimizer.parameters)
    feed = Feed(
        problem.train,
        problem.signature,
        batch_size=recipe.batch_size,
        augmentation=recipe.augmentation,
        channels_last=channels_last,
    )
    rate = learning_rate(recipe, feed.steps * recipe.epochs)
    with group.agreement():
        begun = begin(optimizer) if group.leads else 0

    def loss_of(
        inputs: dict[str, Tensor],
        targets: dict[str, Tensor],
        weights: Mapping[str, Tensor | float] | None = None,
    ) -> Tensor:
        return training_loss(tasks, forward(inputs), targets, weights)

    begun = group.begin(begun, optimizer)
    shared_loss = group.parallel(network, loss_of, tasks, learns=learns)
    for epoch in range(begun + 1, until + 1):
        group.align(network)
        # Order and augmentation are the same in all processes, the network's own chance (dropout) is not.
        chance = _seed_of(seed, epoch)
        seed_all(chance if group.leads else _seed_of(chance, group.rank), device)
        generator = torch.Generator().manual_seed(chance)
        network.train()
        started = time.perf_counter()
        total, seen = torch.zeros((), device=device), 0
        for step, batch in enumerate(feed.epoch(epoch, generator)):
            size = len(batch)
            optimizer.zero_grad()
            with group.agreement():
                loss = shared_loss(batch.inputs, batch.targets)
                # After the loss: in its computing, processes may already wait for one another.
                if step and step % CHECK_STEPS == 0:
                    _check_finite("training loss", float(total), epoch)
                deadline.check()
            if learns:
                torch.autograd.backward(loss)
                optimizer.step(rate((epoch - 1) * feed.steps + step))
            total.add_(loss.detach(), alpha=size)
            seen += size
        train_loss = float(group.mean(total)) / seen
        with group.agreement():
            _check_finite("training loss", train_loss, epoch)
            elapsed = time.perf_counter() - started
            if group.leads:
                held = problem.validation
                metrics = evaluate(forward, network, held.inputs, held.targets, tasks, check=deadline.check)
                _check_finite("validation loss", metrics["loss"], epoch)
        if group.leads:
            yield Report(epoch, metrics, train_loss, elapsed, seen / elapsed)


def _seed_of(seed: int, epoch: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {epoch}".encode()).digest()[:4])


def _check_finite(what: str, value: float, epoch: int) -> None:
    if not math.isfinite(value):
        raise TrainingFailure("not_finite", f"{what} became {value} in epoch {epoch}")


def _autocast(forward: Forward, recipe: Recipe, device: torch.device) -> Forward:
    """``forward`` in the recipe's precision, where the device has a use for it."""
    if recipe.precision != "bfloat16" or device.type == "cpu":
        return forward

    def cast(inputs: dict[str, Tensor]) -> Mapping[str, Tensor]:
        with torch.autocast(device.type, torch.bfloat16):
            outputs = forward(inputs)
        return {name: output.float() for name, output in outputs.items()}

    return cast


def _lay_out(network: nn.Module, forward: Forward, problem: Problem) -> bool:
    """Lay a convolutional network out channels last where it runs so; returns whether it does.

    This alone makes small convolutions on a CPU 1.4 times as fast. But a user's module may ``view`` what a
    convolution gives, which works in the ordinary layout only: tried on two examples, in evaluation mode, so
    that no running statistics move.
    """
    if not any(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in network.modules()):
        return False
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    sample = {name: tensor[:2].clone() for name, tensor in problem.train.inputs.items()}
    for name, kind in problem.signature.inputs.items():
        if isinstance(kind, Image):
            sample[name] = sample[name].contiguous(memory_format=torch.channels_last)
    network.eval()
    with contextlib.suppress(Exception), torch.inference_mode():
        forward(sample)
        return True
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return False
