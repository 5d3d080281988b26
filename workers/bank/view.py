"""A network of a space whose weights are those of a bank."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from search_spaces.architecture import Architecture
from search_spaces.meanings.labels import Index, unlike
from search_spaces.meanings.meaning import meanings
from search_spaces.signature import Image
from workers.acceleration import PLAIN, Acceleration
from workers.bank.bank import Bank
from workers.bank.shared_tensor import Grid, SharedTensor
from workers.problems.problem import Problem
from workers.problems.split import Split
from workers.recipe import Recipe
from workers.training.balancing import LossBalance
from workers.training.criterion import Criterion, Losses, TrainingLoss, adapt
from workers.training.gradient_balancing import METHODS, GradientBalance
from workers.training.random_state import IsolatedRandomState
from workers.training.standardisation import standardise
from workers.training.training import lay_out, precision_of


@dataclass
class _Part:
    """A parameter of a network, and the part of a shared tensor that it is."""

    parameter: nn.Parameter
    shared: SharedTensor
    axes: tuple[tuple[Index, ...], ...]
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
        balance: what balances the tasks' losses, of all views; None: the view is not trained.
        acceleration: how the training makes use of the device.

    Attributes:
        network: the network.
        forward: the function that asks it.
        channels_last: whether it is laid out so.
        num_steps: the number of steps that it was run for.

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
        balance: LossBalance | None = None,
        acceleration: Acceleration = PLAIN,
    ) -> None:
        signature = problem.signature
        known = meanings(architecture, signature)
        with IsolatedRandomState(seed, device):
            self.network = network = architecture.build(signature)
            standardise(network, problem, recipe)
            network.to(device)
            precision = precision_of(recipe, device, acceleration)
            self.forward = adapt(network, signature, precision)
            self.channels_last = lay_out(network, self.forward, problem, device)
            criterion = Criterion(network, signature, recipe, problem.train.num_domains).to(device)
        self._images = [name for name, kind in signature.inputs.items() if isinstance(kind, Image)]
        self._loss_of = TrainingLoss(network, criterion, signature, precision)
        self._parts: list[_Part] = []
        self._keys: Counter[str] = Counter()
        for name, parameter in network.named_parameters():
            self._add(bank, known[name].key, known[name].axes, parameter)
        if balance is not None:
            criterion.balance = balance  # one for all
            for name, parameter in criterion.named_parameters():
                # what looks at features by their number is another one for another number
                shape = "x".join(map(str, parameter.shape))
                axes = tuple(tuple(range(size)) for size in parameter.shape)
                decays = not name.startswith("balance.")
                self._add(bank, f"criterion {name} {shape}", axes, parameter, decays=decays)
        self._gradients: GradientBalance | None = None
        if recipe.balancing in METHODS and len(signature.tasks) > 1:
            trained = [one.parameter for one in self._parts if one.parameter.requires_grad]
            self._gradients = GradientBalance(recipe.balancing, trained, seed)
        self.num_steps = 0

    def _add(
        self,
        bank: Bank,
        key: str,
        axes: tuple[tuple[Index, ...], ...],
        parameter: nn.Parameter,
        *,
        decays: bool = True,
    ) -> None:
        self._keys[key] += 1
        if self._keys[key] > 1:  # two tensors of one network are never one
            key = f"{key} #{self._keys[key]}"
        axes = tuple(
            own if len(set(own)) == size else tuple(unlike(size, place) for place in range(size))
            for own, size in zip(axes, parameter.shape, strict=True)
        )
        shared, grid = bank.part(key, axes, parameter, decays=decays)
        self._parts.append(_Part(parameter, shared, axes, grid, shared.version))

    def take(self) -> None:
        """Takes the weights as the bank has them now."""
        for one in self._parts:
            if one.version != one.shared.version:
                one.grid, one.version = one.shared.grid(one.axes), one.shared.version
            one.parameter.data = one.shared.value[one.grid]

    def losses(self, batch: Split) -> Losses:
        """Returns the losses of a batch with the weights that it took last."""
        if not self.channels_last:
            inputs = {name: batch.inputs[name].contiguous() for name in self._images}
            batch = replace(batch, inputs={**batch.inputs, **inputs})
        return self._loss_of(batch)  # type: ignore[no-any-return]

    def learn(self, losses: Losses) -> None:
        """Adds the gradients of a batch's losses to those of the bank."""
        if losses.total is None:
            return
        if self._gradients is None:
            torch.autograd.backward(losses.total)
        else:
            self._gradients.backward(losses.tasks, losses.auxiliary)
        for one in self._parts:
            if one.parameter.grad is not None:
                one.shared.add_gradient(one.grid, one.parameter.grad)
                one.parameter.grad = None
        self.num_steps += 1

    def parts(self) -> Iterator[tuple[Tensor, SharedTensor, Grid]]:
        """Yields each parameter, with the shared tensor that it is a part of, and where in it."""
        self.take()
        for one in self._parts:
            yield one.parameter, one.shared, one.grid

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """With the network in training mode, and in evaluation mode after that."""
        self.network.train()
        try:
            yield
        finally:
            self.network.eval()
