"""Trains a bank: step by step, by the networks of a group at a time."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import torch

from search_spaces.architecture import Architecture
from search_spaces.errors import BuildError, TrainingFailure
from workers.acceleration import PLAIN, Acceleration
from workers.bank.bank import Bank
from workers.bank.optimizer import move
from workers.bank.paths import in_turn
from workers.bank.view import View
from workers.job import Report
from workers.problems.problem import Problem
from workers.recipe import Recipe
from workers.training.balancing import loss_balance
from workers.training.batches import Feed
from workers.training.learning import Learning
from workers.training.mean_losses import MeanLosses
from workers.training.modality_dropout import drop_modalities
from workers.training.optimization import learning_rate
from workers.training.random_state import IsolatedRandomState, isolated, seed_all
from workers.training.standardisation import grounds
from workers.training.training import seed_of

HELD = 1024
"""Views that are kept, so that a network which comes again need not be built again."""


class BankTraining:
    """The training of a bank.

    In each step the networks of one group are run on one batch, and the bank moves once by the sum of their
    gradients. The learning rate has to come down before a bank is of use: at its full height it ranks
    networks hardly better than chance. With a single group of a single network this is the training of that
    network, to the last bit.

    Args:
        bank: the bank, which is changed in place.
        groups: the groups (`workers.bank.paths.paths`); networks that cannot be built are left out.
        problem: the problem.
        recipe: how it is trained: optimizer, learning rate and its schedule, batches, augmentation, balance
            of the tasks. Averages of weights are not taken.
        seed: the seed of order, augmentation, dropout and of the initial weights of what is new.
        device: the device; None: where the data are.
        acceleration: how the training makes use of the device.
        taught: whether the others of a group learn what the first one answers in place of the labels, where a
            task is a classification or of numbers (in-place distillation; Yu & Huang, "Universally Slimmable
            Networks", ICCV 2019, section 3.3).

    Raises:
        BuildError: no network can be built.
    """

    def __init__(
        self,
        bank: Bank,
        groups: Sequence[Sequence[Architecture]],
        problem: Problem,
        recipe: Recipe,
        *,
        seed: int,
        device: torch.device | str | None = None,
        acceleration: Acceleration = PLAIN,
        taught: bool = False,
    ) -> None:
        self._taught = taught
        self.bank, self._problem, self._recipe, self._seed = bank, problem, recipe, seed
        self._device = device = problem.train.device if device is None else torch.device(device)
        self._acceleration = acceleration
        bank.to(device)
        self._groups = [list(group) for group in groups]
        self._balance = loss_balance(recipe, problem.signature.tasks).to(device)
        self._views: OrderedDict[str, View | None] = OrderedDict()
        self._feed = Feed(
            problem.train,
            problem.signature,
            batch_size=recipe.batch_size,
            augmentation=recipe.augmentation,
            channels_last=self._first().channels_last,
            sampling=recipe.sampling,
            device=device,
            grounds=grounds(problem, recipe),
        )
        self._means = MeanLosses(problem.signature.tasks, device)
        self._learning = Learning({"feed": self._feed}, self._balance)
        self._recall()

    def _recall(self) -> None:
        for name, tensor in self._learning.state().items():
            if name in self.bank.beside:
                tensor.copy_(self.bank.beside[name])

    def train_by(self, groups: Sequence[Sequence[Architecture]]) -> None:
        """Goes on by other groups, the first of which has the same network first."""
        self._groups = [list(group) for group in groups]

    def sow(self, check: Callable[[], None] = lambda: None) -> None:
        """Lets the bank have all that its networks have, in their order, before the first step.

        Workers that begin a bank by themselves begin with the same numbers then, whatever they train first:
        else there would be no sense in averages of them.

        Args:
            check: the function that is called between networks; it raises to stop early.
        """
        for architecture in chain.from_iterable(self._groups):
            check()
            self._view(architecture)

    def go_on_from(self, bank: Bank) -> bool:
        """Takes the numbers of another bank over, if that has the tensors of this one; returns whether.

        Args:
            bank: the other bank, which must not be used by anybody else.
        """
        bank.to(self._device)
        if bank.tensors.keys() != self.bank.tensors.keys() or any(
            one.places != bank.tensors[key].places for key, one in self.bank.tensors.items()
        ):
            return False
        for key, one in self.bank.tensors.items():
            one.become(bank.tensors[key])
        self.bank.version, self.bank.beside = bank.version, bank.beside
        self._recall()
        return True

    def _first(self) -> View:
        """The view of the first network that can be built.

        Raises:
            BuildError: none can be.
        """
        error: BuildError | None = None
        for architecture in chain.from_iterable(self._groups):
            try:
                return self._made(architecture)
            except BuildError as found:
                error = found
        assert error is not None
        raise error

    def _made(self, architecture: Architecture) -> View:
        return View(
            self.bank,
            architecture,
            self._problem,
            self._recipe,
            seed=self._seed,
            device=self._device,
            balance=self._balance,
            acceleration=self._acceleration,
        )

    def _view(self, architecture: Architecture) -> View | None:
        """The view of a network; None where it cannot be built."""
        if architecture.id not in self._views:
            try:
                self._views[architecture.id] = self._made(architecture)
            except BuildError:
                self._views[architecture.id] = None
            if len(self._views) > HELD:
                self._views.popitem(last=False)
        self._views.move_to_end(architecture.id)
        return self._views[architecture.id]

    def run(
        self,
        epochs: int,
        begun: int = 0,
        until: int | None = None,
        check: Callable[[], None] = lambda: None,
        worker: int = 0,
    ) -> Iterator[Report]:
        """Trains the bank; yields a report after each epoch, without metrics.

        Args:
            epochs: the epochs of the whole training, which the schedule of the learning rate spans.
            begun: how many of them the bank had already.
            until: the epoch to leave off after; None: the last.
            check: the function that is called between steps; what it raises ends the training.
            worker: which of several workers this is, from 0, that each train a bank for a while: all but the
                first one have batches and orders of networks of their own.

        Raises:
            TrainingFailure: the loss is no longer finite.
        """
        seed = self._seed if worker == 0 else seed_of(self._seed, -worker)
        steps = self._epochs(epochs, begun, until or epochs, check, seed, shuffled=worker > 0)
        return isolated(steps, IsolatedRandomState(seed, self._device))

    def _epochs(
        self,
        epochs: int,
        begun: int,
        until: int,
        check: Callable[[], None],
        seed: int,
        *,
        shuffled: bool,
    ) -> Iterator[Report]:
        rate = learning_rate(self._recipe, epochs, self._feed.steps)
        groups = in_turn(self._groups, seed, begun * self._feed.steps, shuffled=shuffled)
        for epoch in range(begun + 1, until + 1):
            started = time.perf_counter()
            epoch_seed = seed_of(seed, epoch)
            seed_all(epoch_seed, self._device)
            generator = torch.Generator().manual_seed(epoch_seed)
            self._balance.begin_epoch(epoch_seed)
            self._means.reset()
            seen = 0
            for step, fed in enumerate(self._feed.epoch(epoch, generator), (epoch - 1) * self._feed.steps):
                check()
                batch = drop_modalities(
                    fed, self._problem.signature, self._recipe.modality_dropout, generator
                )
                self._balance.begin_step(batch.targets)
                lesson, losses = batch, None
                # all views first: with a new one the bank may grow, and no gradient is to be on its way then
                for view in [self._view(architecture) for architecture in next(groups)]:
                    if view is None:
                        continue
                    check()
                    view.begin_epoch(epoch_seed)
                    losses = view.learn(lesson)
                    if self._taught and lesson is batch:
                        lesson = view.taught(batch)
                    self._means.add(losses.tasks, batch)
                    self._means.count(losses.tasks, batch)
                    seen += len(batch)
                if self._recipe.sampling == "uncertainty" and losses is not None and losses.tasks:
                    self._feed.told(torch.stack(list(losses.tasks.values())).detach().sum())
                move(self.bank.tensors.values(), self._recipe, rate(step))
                self.bank.version += 1
            by_task = self._means.read()
            loss = sum(by_task.values())
            if not math.isfinite(loss):
                raise TrainingFailure(
                    "not_finite", f"training loss of the bank became {loss} in epoch {epoch}"
                )
            self._balance.end_epoch(by_task)
            self.bank.beside = {name: tensor.clone() for name, tensor in self._learning.state().items()}
            took = time.perf_counter() - started
            yield Report(epoch, {}, loss, took, seen / took)
