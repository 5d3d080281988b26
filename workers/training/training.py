"""Training one network on one problem, with a report per epoch."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import nullcontext, suppress
from functools import partial, wraps
from typing import ParamSpec

import torch
from torch import nn

from search_spaces.arguments import Count, Positive, Seed, checked
from search_spaces.errors import ExecutorError, TrainingFailure
from search_spaces.signature import Image
from workers.acceleration import PLAIN, Acceleration, Ran
from workers.failures import layer_of, message_of, reason_of
from workers.job import Pace, Report, TrialStopped
from workers.problems.devices import check_device
from workers.problems.problem import Problem
from workers.recipe import Recipe
from workers.training.averaging import AveragedWeights, recalibrate
from workers.training.batches import Feed
from workers.training.class_losses import class_weights
from workers.training.criterion import Criterion, Forward, Precision, TrainingLoss, adapt
from workers.training.deadline import Deadline
from workers.training.gradient_balancing import METHODS, GradientBalance
from workers.training.learning import Keeper, Learning
from workers.training.metrics import evaluate
from workers.training.modality_dropout import drop_modalities
from workers.training.optimization import FusedOptimizer, learning_rate
from workers.training.placement import Glance, SideStream
from workers.training.process_group import Group, SingleProcess
from workers.training.random_state import IsolatedRandomState, isolated, seed_all
from workers.training.standardisation import grounds, standardise, target_scales
from workers.training.steps import Stepper

CHECK_STEPS = 50
"""How often the loss is looked at within an epoch: reading it back makes a GPU wait."""

LONG = 2.0
"""Seconds: of epochs that are longer the pace is told."""

P = ParamSpec("P")


def progress(
    network: nn.Module,
    problem: Problem,
    recipe: Recipe,
    *,
    seed: Seed,
    device: torch.device | str | None = None,
    seconds: Positive | None = None,
    check: Callable[[], None] = lambda: None,
    begin: Callable[[Learning], int] = lambda learning: 0,
    epochs: Count | None = None,
    until: Count | None = None,
    group: Group | None = None,
    acceleration: Acceleration = PLAIN,
    ran: Ran | None = None,
) -> Iterator[Pace | Report]:
    """Trains a network, epoch by epoch; the caller may leave off after any report.

    The same network, problem, recipe and seed lead to the same reports. What is random in an epoch depends on
    the seed and the epoch alone, so a training may go on elsewhere with the network's and the optimizer's
    state. The caller's random states stay.

    Args:
        network: the network, which answers by task (`Network`), or any module where there is one input and
            one task. It is moved to the device, and is in evaluation mode at each report.
        problem: the problem, with its data on the device or not (see `workers.training.placement.place`).
        recipe: how to train.
        seed: the seed of order, augmentation and what is random in the network (dropout); not of the initial
            weights.
        device: the device to train on; None: where the data are.
        seconds: the time limit on training and validation together.
        check: the function that is called between steps; what it raises ends the training.
        begin: the function that is called once with what is kept beside the network, when all is where it
            trains; it may bring both to an earlier training's state. It returns the epochs that they have
            been trained for.
        epochs: the epochs of the training, which the learning rate's schedule spans; None: the recipe's.
        until: the epoch to leave off after; None: the last.
        group: the processes that train it together; None: this one alone. The first one calls ``begin``,
            validates and yields the reports; the others do their share and yield none.
        acceleration: how the training makes use of the device.
        ran: where it is noted what became of that; None: nobody wants to know.

    Yields:
        A report after each epoch, with the metrics on the validation split; before the first one the pace,
        where its steps say that an epoch takes more than `LONG` seconds.

    Raises:
        TrainingFailure: the network raised an error (``exception``, ``out_of_memory``; the cause is
            attached), its loss is no longer finite (``not_finite``), or the time is over (``timeout``).
        TrialStopped: another process of the group has ended the training.
        ExecutorError: an argument is not what it should be, or there is no such device.
    """
    if device is not None:
        check_device(device, ExecutorError)
    device = problem.train.device if device is None else torch.device(device)
    deadline = Deadline(seconds, check)
    group = group or SingleProcess()
    ran = Ran() if ran is None else ran
    ran.device = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    epochs = epochs or recipe.epochs
    training = partial(_Training, network, problem, recipe, epochs, device, group, acceleration, ran)
    steps = _train(training, seed, deadline, begin, until or epochs, group)
    steps = isolated(_mapped(steps, network), IsolatedRandomState(seed, device))
    return isolated(steps, SideStream(device))


def _reports(progress: Callable[P, Iterator[Pace | Report]]) -> Callable[P, Iterator[Report]]:
    """The same training, which tells no pace."""

    @wraps(progress, assigned=("__module__", "__doc__", "__annotations__"))
    def train(*arguments: P.args, **options: P.kwargs) -> Iterator[Report]:
        return (said for said in progress(*arguments, **options) if isinstance(said, Report))

    return train


train = checked(ExecutorError)(_reports(progress))


def _mapped(steps: Iterator[Pace | Report], network: nn.Module) -> Iterator[Pace | Report]:
    """``steps``, with what the network raises as a `TrainingFailure`, which names the layer that did."""
    try:
        yield from steps
    except (TrainingFailure, TrialStopped):
        raise
    except (Exception, SystemExit) as error:
        layer = layer_of(error, network)
        where = f"{layer}: " if layer else ""
        raise TrainingFailure(reason_of(error), f"{where}{message_of(error)}") from error


def _train(
    make: Callable[[], _Training],
    seed: int,
    deadline: Deadline,
    begin: Callable[[Learning], int],
    until: int,
    group: Group,
) -> Iterator[Pace | Report]:
    training = make()
    with group.agreement():
        begun = begin(training.learning) if group.leads else 0
    begun = group.begin(begun, training.learning)
    stepper = training.stepper(until - begun)
    try:
        for epoch in range(begun + 1, until + 1):
            yield from training.epoch(epoch, seed, stepper, deadline)
    finally:
        stepper.end()


class _Training:
    """A network on its device, with all that it is trained with.

    Args:
        network: the network, which is moved to the device.
        problem: the problem, with its data there or not.
        recipe: how to train.
        epochs: the epochs of the training.
        device: the device.
        group: the processes that train it together.
        acceleration: how the training makes use of the device.
        ran: where it is noted what became of that.

    Attributes:
        learning: what is kept beside the network.
    """

    def __init__(
        self,
        network: nn.Module,
        problem: Problem,
        recipe: Recipe,
        epochs: int,
        device: torch.device,
        group: Group,
        acceleration: Acceleration,
        ran: Ran,
    ) -> None:
        self._network, self._problem, self._recipe = network, problem, recipe
        self._device, self._group, self._acceleration, self._ran = device, group, acceleration, ran
        self._signature = signature = problem.signature
        standardise(network, problem, recipe)
        network.to(device)
        precision = precision_of(recipe, device, acceleration)
        ran.precision = "bfloat16" if precision is not nullcontext else _float32(device)
        self._forward = adapt(network, signature, precision)
        channels_last = lay_out(network, self._forward, problem, device)
        weights = class_weights(problem, recipe)
        domains = problem.train.num_domains
        self._criterion = Criterion(network, signature, recipe, domains, weights).to(device)
        self._loss_of = TrainingLoss(network, self._criterion, signature, precision)
        balance = self._criterion.balance
        self._optimizer = FusedOptimizer(self._loss_of.trained(), recipe, undecayed=balance.parameters())
        self._gradients: GradientBalance | None = None
        if recipe.balancing in METHODS and len(signature.tasks) > 1:
            self._gradients = GradientBalance(recipe.balancing, self._optimizer.parameters)
        self._feed = Feed(
            problem.train,
            signature,
            batch_size=recipe.batch_size,
            augmentation=recipe.augmentation,
            channels_last=channels_last,
            sampling=recipe.sampling,
            device=device,
            grounds=grounds(problem, recipe),
        )
        self._rate = learning_rate(recipe, epochs, self._feed.steps)
        self._glance = Glance()
        self._untold = group.leads
        keepers: dict[str, Keeper] = {"optimizer": self._optimizer, "feed": self._feed}
        self._average: AveragedWeights | None = None
        if recipe.ema_decay and any(parameter.requires_grad for parameter in network.parameters()):
            keepers["average"] = self._average = AveragedWeights(network, recipe.ema_decay)
        self.learning = Learning(keepers, self._criterion)

    def stepper(self, epochs: int) -> Stepper:
        """Returns what makes the steps of so many epochs."""
        return Stepper(
            self._loss_of,
            self._signature.tasks,
            self._optimizer,
            self._gradients,
            self._group,
            self._acceleration,
            self._feed.steps * epochs,
            self._recipe.batch_size,
            self._ran,
            self._device,
        )

    def epoch(self, epoch: int, seed: int, stepper: Stepper, deadline: Deadline) -> Iterator[Pace | Report]:
        """Trains an epoch; yields the pace of a first long one, then the report, in the first process."""
        group, network, balance = self._group, self._network, self._criterion.balance
        if self._average is not None:
            self._average.exchange()  # since `_show_averages`; at first both are the same
        group.align(network)
        # Order and augmentation are the same in all processes, dropout and the like are not.
        epoch_seed = seed_of(seed, epoch)
        seed_all(epoch_seed if group.leads else seed_of(epoch_seed, group.rank), self._device)
        generator = torch.Generator().manual_seed(epoch_seed)
        balance.begin_epoch(epoch_seed)
        if self._gradients is not None:
            self._gradients.begin_epoch(epoch_seed)
        network.train()
        started = time.perf_counter()
        seen, away = yield from self._steps(epoch, generator, stepper, deadline)
        by_task = stepper.means.read(group.mean)
        train_loss = sum(by_task.values())
        with group.agreement():
            _check_finite("training loss", train_loss, epoch)
            balance.end_epoch(by_task)
            elapsed = time.perf_counter() - started - away
            self._show_averages(epoch_seed, deadline)
            if group.leads:
                metrics = evaluate(
                    self._forward,
                    network,
                    self._problem.validation,
                    self._signature.tasks,
                    check=deadline.check,
                    device=self._device,
                    scales=target_scales(network),
                )
                _check_finite("validation loss", metrics["loss"], epoch)
        stepper.note()
        if group.leads:
            yield Report(epoch, metrics, train_loss, elapsed, seen / elapsed)

    def _show_averages(self, seed: int, deadline: Deadline) -> None:
        """Puts the averages of the weights, if there are any, into the network until it is trained again.

        In all processes: where they share the statistics of a batch, they wait for one another.
        """
        if self._average is None:
            return
        self._average.exchange()
        generator = torch.Generator().manual_seed(seed)
        train, device = self._problem.train, self._device
        recalibrate(self._network, self._forward, train, generator, check=deadline.check, device=device)

    def _steps(
        self, epoch: int, generator: torch.Generator, stepper: Stepper, deadline: Deadline
    ) -> Generator[Pace, None, tuple[int, float]]:
        """Makes the steps of an epoch; returns the examples in them, and the seconds that the caller took."""
        recipe, feed, group, balance = self._recipe, self._feed, self._group, self._criterion.balance

        def check(step: int) -> None:
            if step and step % CHECK_STEPS == 0:
                total = self._glance.at(stepper.means.total)
                if total is not None:
                    _check_finite("training loss", total, epoch)
            deadline.check()

        stepper.begin_epoch()
        seen, away, before = 0, 0.0, (epoch - 1) * feed.steps
        for step, fed in enumerate(feed.epoch(epoch, generator)):
            batch = drop_modalities(fed, self._signature, recipe.modality_dropout, generator)
            balance.begin_step(batch.targets)
            losses = stepper.step(batch, self._rate(before + step), partial(check, step))
            if self._average is not None:
                self._average.update(before + step + 1)
            if recipe.sampling == "uncertainty" and losses.tasks:
                feed.told(group.mean(torch.stack(list(losses.tasks.values())).detach().sum()))
            seen += len(batch)
            if self._untold and stepper.pace is not None:
                self._untold = False
                if stepper.pace * feed.steps > LONG:
                    left = time.perf_counter()
                    yield Pace(stepper.pace * feed.steps)
                    away = time.perf_counter() - left
        self._untold = False  # from now on there are reports
        return seen, away


def seed_of(seed: int, epoch: int) -> int:
    """Returns the seed of all that is random in an epoch of a training."""
    return int.from_bytes(hashlib.sha256(f"{seed} {epoch}".encode()).digest()[:4])


def _check_finite(what: str, value: float, epoch: int) -> None:
    if not math.isfinite(value):
        raise TrainingFailure("not_finite", f"{what} became {value} in epoch {epoch}")


def precision_of(recipe: Recipe, device: torch.device, acceleration: Acceleration) -> Precision:
    """Returns the context in which a network computes: bfloat16 where it is asked for and the card has it."""
    wanted = recipe.precision == "bfloat16" or acceleration.autocast == "auto"
    if not wanted or device.type != "cuda" or not torch.cuda.is_bf16_supported(including_emulation=False):
        return nullcontext
    return lambda: torch.autocast(device.type, torch.bfloat16)


def _float32(device: torch.device) -> str:
    """What float32 comes to on a device; see `workers.acceleration.Ran`."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 0):
        return "float32"
    try:
        rounds = torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
    except RuntimeError:  # somebody has used torch's newer settings, after which it refuses the older ones
        settings = torch.backends.cudnn.conv, torch.backends.cuda.matmul  # type: ignore[attr-defined]
        rounds = any(one.fp32_precision == "tf32" for one in settings)
    return "float32, TF32" if rounds else "float32"


def lay_out(network: nn.Module, forward: Forward, problem: Problem, device: torch.device) -> bool:
    """Lays a convolutional network out channels last where it runs so; returns whether it does.

    This alone makes small convolutions on a CPU 1.4 times as fast. But a user's module may ``view`` what a
    convolution returns, which works in the ordinary layout only: tried on two examples, in evaluation mode,
        so
    that no running statistics move.
    """
    if not any(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in network.modules()):
        return False
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    sample = problem.train.take(slice(2)).map(lambda tensor: tensor.clone()).to(device)
    for name, kind in problem.signature.inputs.items():
        if isinstance(kind, Image):
            sample.inputs[name] = sample.inputs[name].contiguous(memory_format=torch.channels_last)
    network.eval()
    with suppress(Exception), torch.inference_mode():
        forward(sample)
        return True
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return False
