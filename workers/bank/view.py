"""A network of a space whose weights are those of a bank."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from search_spaces.architecture import Architecture
from search_spaces.meanings.labels import Index, unlike
from search_spaces.meanings.meaning import meanings
from search_spaces.signature import Image
from search_spaces.tasks import Classification, CountRegression, MultiLabel, Regression
from workers.acceleration import PLAIN, Acceleration
from workers.bank.bank import Bank
from workers.bank.shared_tensor import Grid, SharedTensor
from workers.problems.problem import Problem
from workers.problems.split import Split
from workers.recipe import Recipe
from workers.training.balancing import LossBalance
from workers.training.class_losses import class_weights
from workers.training.criterion import Criterion, Losses, TrainingLoss, adapt
from workers.training.gradient_balancing import METHODS, GradientBalance
from workers.training.random_state import IsolatedRandomState
from workers.training.standardisation import standardise
from workers.training.training import lay_out, precision_of

Axes = tuple[tuple[Index, ...], ...]
"""What the indices along each axis of a tensor stand for."""


@dataclass
class _Part:
    """A parameter of a network, and the part of a shared tensor that it is."""

    parameter: nn.Parameter
    shared: SharedTensor
    axes: Axes
    grid: Grid
    version: int


class View:
    """A network that is run on the weights of a bank, as they are at that moment.

    Its parameters are views of the bank's tensors wherever the numbers of a part lie at regular distances,
    and copies of them elsewhere. What is no parameter (the statistics of normalisations) is its own.

    Args:
        bank: the bank, which grows by what the network has and no other one had.
        architecture: the network, as its space has filled it.
        problem: the problem, with its data on the device or not.
        recipe: how the bank is trained.
        seed: the seed of the initial weights of what is new.
        device: where it is run.
        balance: what balances the tasks' losses, the same in all views.
        acceleration: how the training makes use of the device.

    Attributes:
        network: the network.
        channels_last: whether it is laid out so.

    Raises:
        BuildError: the architecture does not fit the problem.
    """

    def __init__(
        self,
        bank: Bank,
        architecture: Architecture,
        problem: Problem,
        recipe: Recipe,
        *,
        seed: int,
        device: torch.device,
        balance: LossBalance,
        acceleration: Acceleration = PLAIN,
    ) -> None:
        signature = problem.signature
        known = meanings(architecture, signature)
        with IsolatedRandomState(seed, device):
            self.network = network = architecture.build(signature)
            standardise(network, problem, recipe)
            network.to(device)
            precision = precision_of(recipe, device, acceleration)
            self._forward = adapt(network, signature, precision)
            self.channels_last = lay_out(network, self._forward, problem, device)
            weights = class_weights(problem, recipe)
            domains = problem.train.num_domains
            criterion = Criterion(network, signature, recipe, domains, weights).to(device)
        self._images = [name for name, kind in signature.inputs.items() if isinstance(kind, Image)]
        self._tasks = signature.tasks
        self._loss_of = TrainingLoss(network, criterion, signature, precision)
        self._parts: list[_Part] = []
        self._keys: Counter[str] = Counter()
        for name, parameter in network.named_parameters():
            self._add(bank, known[name].key, known[name].axes, parameter)
        criterion.balance = balance
        for name, parameter in criterion.named_parameters():
            # what looks at features by their number is another one for another number
            shape = "x".join(map(str, parameter.shape))
            axes = tuple(tuple(range(size)) for size in parameter.shape)
            decays = not name.startswith("balance.")
            self._add(bank, f"criterion {name} {shape}", axes, parameter, decays=decays)
        self._gradients: GradientBalance | None = None
        self._epoch_seed: int | None = None
        if recipe.balancing in METHODS and len(signature.tasks) > 1:
            trained = [one.parameter for one in self._parts if one.parameter.requires_grad]
            self._gradients = GradientBalance(recipe.balancing, trained, seed)

    def _add(
        self,
        bank: Bank,
        key: str,
        axes: Axes,
        parameter: nn.Parameter,
        *,
        decays: bool = True,
    ) -> None:
        key, axes = unequivocal(self._keys, key, axes, parameter.shape)
        shared, grid = bank.part(key, axes, parameter, decays=decays)
        self._parts.append(_Part(parameter, shared, axes, grid, shared.version))

    def take(self) -> None:
        """Takes the weights as the bank has them now."""
        for one in self._parts:
            if one.version != one.shared.version:
                one.grid, one.version = one.shared.grid(one.axes), one.shared.version
            one.parameter.data = one.shared.value[one.grid]

    def begin_epoch(self, seed: int) -> None:
        """Seeds what balances the tasks' gradients for an epoch, once."""
        if self._gradients is not None and self._epoch_seed != seed:
            self._epoch_seed = seed
            self._gradients.begin_epoch(seed)

    def learn(self, batch: Split) -> Losses:
        """Runs the network on a batch with the weights of now, and adds its gradients to those of the bank.

        Returns:
            The losses of the batch.
        """
        self.network.train()
        self.take()
        if not self.channels_last:
            inputs = {name: batch.inputs[name].contiguous() for name in self._images}
            batch = replace(batch, inputs={**batch.inputs, **inputs})
        losses: Losses = self._loss_of(batch)
        if losses.total is None or not losses.total.requires_grad:
            return losses
        if self._gradients is None:
            torch.autograd.backward(losses.total)
        else:
            self._gradients.backward(losses.tasks, losses.auxiliary)
        for one in self._parts:
            if one.parameter.grad is not None:
                one.shared.add_gradient(one.grid, one.parameter.grad)
                one.parameter.grad = None
        return losses

    def taught(self, batch: Split) -> Split:
        """Returns a batch whose targets are what the network answers, where others can learn that.

        Those of classes are probabilities, which cross entropy takes as it takes labels; numbers are in the
        units of the data. Of quantiles and of classes with an order the targets stay.
        """
        with torch.no_grad():
            answers = self._forward(batch)
        targets = dict(batch.targets)
        for name, task in self._tasks.items():
            if name not in targets:
                continue
            if isinstance(task, Classification):
                targets[name] = answers[name].softmax(1)
            elif isinstance(task, MultiLabel):
                targets[name] = answers[name].sigmoid()
            elif isinstance(task, Regression | CountRegression):
                targets[name] = answers[name].view_as(targets[name])
        return replace(batch, targets=targets)

    def places(self) -> list[tuple[SharedTensor, Grid]]:
        """Returns the shared tensors that its parameters are parts of, and where in them."""
        return [(one.shared, one.grid) for one in self._parts]


def unequivocal(met: Counter[str], key: str, axes: Axes, shape: Sequence[int]) -> tuple[str, Axes]:
    """Returns a key, and what the indices of a tensor stand for, that no other tensor or index of it has.

    Two tensors of one network are never one, nor two numbers of a tensor, whatever is said of them.

    Args:
        met: how many tensors of the network had each key so far; it is counted there.
        key: the key of the tensor.
        axes: what its indices along each axis stand for.
        shape: its shape.
    """
    met[key] += 1
    if met[key] > 1:
        key = f"{key} #{met[key]}"
    return key, tuple(
        own if len(set(own)) == size else tuple(unlike(size, place) for place in range(size))
        for own, size in zip(axes, shape, strict=True)
    )
