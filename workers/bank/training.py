"""Trains a bank: step by step, by the networks of a group at a time."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import torch

from search_spaces.architecture import Architecture
from search_spaces.errors import TrainingFailure
from workers.acceleration import PLAIN, Acceleration
from workers.bank.bank import Bank
from workers.bank.optimizer import move
from workers.bank.paths import in_turn
from workers.bank.view import View
from workers.problems.problem import Problem
from workers.recipe import Recipe
from workers.training.averaging import recalibrate
from workers.training.balancing import loss_balance
from workers.training.batches import Feed
from workers.training.deadline import Deadline
from workers.training.mean_losses import MeanLosses
from workers.training.metrics import evaluate
from workers.training.modality_dropout import drop_modalities
from workers.training.optimization import learning_rate
from workers.training.random_state import IsolatedRandomState, isolated, seed_all
from workers.training.standardisation import grounds, target_scales
from workers.training.training import seed_of

HELD = 1024
"""Views that are kept, so that a network which comes again need not be built again."""


def train(
    bank: Bank,
    groups: Sequence[Sequence[Architecture]],
    problem: Problem,
    recipe: Recipe,
    *,
    epochs: int,
    seed: int,
    device: torch.device | str | None = None,
    check: Callable[[], None] = lambda: None,
    acceleration: Acceleration = PLAIN,
) -> Iterator[float]:
    """Trains a bank for some epochs; yields the mean training loss after each.

    In each step the networks of one group are run on one batch, and the bank moves once by the sum of their
    gradients. The learning rate falls to 0 in the end, as the recipe's schedule has it: before it has, the
    bank ranks networks hardly better than chance. With a single group of a single network this is the
    training of that network, to the last bit.

    Args:
        bank: the bank, which is changed in place.
        groups: the groups (`workers.bank.paths.paths`).
        problem: the problem.
        recipe: how it is trained: optimizer, learning rate and its schedule, batches, augmentation, balance of
            the tasks. Averages of weights are not taken.
        epochs: the epochs of this training.
        seed: the seed of order, augmentation, dropout and of the initial weights of what is new.
        device: the device; None: where the data are.
        check: the function that is called between steps; what it raises ends the training.
        acceleration: how the training makes use of the device.

    Raises:
        BuildError: a network does not fit the problem.
        TrainingFailure: the loss is no longer finite.
    """
    device = problem.train.device if device is None else torch.device(device)
    training = _Training(bank, groups, problem, recipe, epochs, seed, device, acceleration)
    steps = training.epochs(Deadline(None, check))
    return isolated(steps, IsolatedRandomState(seed, device))


class _Training:
    def __init__(
        self,
        bank: Bank,
        groups: Sequence[Sequence[Architecture]],
        problem: Problem,
        recipe: Recipe,
        epochs: int,
        seed: int,
        device: torch.device,
        acceleration: Acceleration,
    ) -> None:
        self._bank, self._problem, self._recipe, self._seed = bank, problem, recipe, seed
        self._epochs, self._device, self._acceleration = epochs, device, acceleration
        self._groups = in_turn([list(group) for group in groups], seed)
        self._balance = loss_balance(recipe, problem.signature.tasks).to(device)
        self._views: OrderedDict[str, View] = OrderedDict()
        channels_last = self._view(groups[0][0]).channels_last
        self._feed = Feed(
            problem.train,
            problem.signature,
            batch_size=recipe.batch_size,
            augmentation=recipe.augmentation,
            channels_last=channels_last,
            sampling=recipe.sampling,
            device=device,
            grounds=grounds(problem, recipe),
        )
        self._rate = learning_rate(recipe, epochs, self._feed.steps)
        self._means = MeanLosses(problem.signature.tasks, device)

    def _view(self, architecture: Architecture) -> View:
        view = self._views.get(architecture.id)
        if view is None:
            view = self._views[architecture.id] = View(
                self._bank,
                architecture,
                self._problem,
                self._recipe,
                seed=self._seed,
                device=self._device,
                balance=self._balance,
                acceleration=self._acceleration,
            )
            if len(self._views) > HELD:
                self._views.popitem(last=False)
        self._views.move_to_end(architecture.id)
        return view

    def epochs(self, deadline: Deadline) -> Iterator[float]:
        for epoch in range(1, self._epochs + 1):
            epoch_seed = seed_of(self._seed, epoch)
            seed_all(epoch_seed, self._device)
            generator = torch.Generator().manual_seed(epoch_seed)
            self._balance.begin_epoch(epoch_seed)
            self._means.reset()
            for step, fed in enumerate(self._feed.epoch(epoch, generator), (epoch - 1) * self._feed.steps):
                deadline.check()
                recipe, signature = self._recipe, self._problem.signature
                batch = drop_modalities(fed, signature, recipe.modality_dropout, generator)
                self._balance.begin_step(batch.targets)
                # all views first: with a new one the bank may grow, and no gradient is to be on its way then
                for view in [self._view(architecture) for architecture in next(self._groups)]:
                    view.network.train()
                    view.take()
                    losses = view.losses(batch)
                    view.learn(losses)
                    self._means.add(losses.tasks, batch)
                    self._means.count(losses.tasks, batch)
                move(self._bank.tensors.values(), recipe, self._rate(step))
                self._bank.version += 1
            by_task = self._means.read()
            loss = sum(by_task.values())
            if not math.isfinite(loss):
                raise TrainingFailure("not_finite", f"training loss of the bank became {loss} in epoch {epoch}")
            self._balance.end_epoch(by_task)
            yield loss


def inherited_metrics(
    bank: Bank,
    architecture: Architecture,
    problem: Problem,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device | str | None = None,
    check: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Returns the metrics of a network on the validation split with the weights of a bank, by name.

    The statistics of its batch normalisation are measured anew, on training examples: those of a network are
    of no use to another one (Guo et al. 2020, section 3.4).

    Args:
        bank: the bank, which was trained; what it lacks is initialised by ``seed``.
        architecture: the network.
        problem: the problem.
        recipe: how the bank was trained.
        seed: the seed of the examples.
        device: the device; None: where the data are.
        check: the function that is called between batches; it raises to stop early.

    Raises:
        BuildError: the network does not fit the problem.
    """
    device = problem.train.device if device is None else torch.device(device)
    with IsolatedRandomState(seed, device):
        view = View(bank, architecture, problem, recipe, seed=seed, device=device)
        view.take()
        generator = torch.Generator().manual_seed(seed)
        network = view.network
        recalibrate(network, view.forward, problem.train, generator, check=check, device=device)
        return evaluate(
            view.forward,
            network,
            problem.validation,
            problem.signature.tasks,
            check=check,
            device=device,
            scales=target_scales(network),
        )
