"""The optimizer and the learning rate of each step, from a recipe."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from workers.recipe import Recipe

BETAS, EPSILON = (0.9, 0.999), 1e-8


class _Group(NamedTuple):
    """Parameters that move together.

    Attributes:
        indices: their places among all of the optimizer.
        parameters: the parameters.
        columns: what the optimizer keeps of them, a list for each kind of it.
        decay: their weight decay.
    """

    indices: list[int]
    parameters: list[Tensor]
    columns: list[list[Tensor]]
    decay: float


class FusedOptimizer:
    """AdamW, Adam or SGD by torch's fused kernels: all parameters of a type in one call.

    It computes what ``torch.optim`` computes with ``fused=True`` (a test holds that). What it leaves out is
    the bookkeeping around the kernel (hooks, groups, schedulers), which takes as long as a small network's
    backward pass. Where the kernel does not know a type (complex numbers), it is torch's own plain form.

    Args:
        parameters: tensors on one device.
        recipe: which algorithm, and its settings.
        undecayed: further ones, which weight decay leaves alone.
    """

    def __init__(
        self, parameters: Iterable[Tensor], recipe: Recipe, undecayed: Iterable[Tensor] = ()
    ) -> None:
        decayed = list(parameters)
        self.parameters = [*decayed, *undecayed]
        self._decayed = len(decayed)
        self._recipe = recipe
        # Of each group the kernel takes one type; nearly always there is one group.
        self._groups: list[_Group] = []
        self._moved: list[int] = []
        self._state = [kept_of(recipe, parameter) for parameter in self.parameters]

    def state(self) -> dict[str, Tensor]:
        """The tensors it keeps from step to step, by name; to be copied into where a training goes on."""
        return {
            f"{index}.{slot}": tensor
            for index, tensors in enumerate(self._state)
            for slot, tensor in enumerate(tensors)
        }

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float | Tensor) -> None:
        """Move each parameter that has a gradient.

        Args:
            learning_rate: the learning rate; a scalar on the device, where it is to change in a graph.
        """
        gradients = [parameter.grad for parameter in self.parameters]
        moved = [index for index, gradient in enumerate(gradients) if gradient is not None]
        if moved != self._moved:
            self._moved, self._groups = moved, self._grouped(moved)
        for group in self._groups:
            present = [gradient for index in group.indices if (gradient := gradients[index]) is not None]
            step(self._recipe, group.parameters, present, group.columns, learning_rate, group.decay)

    def _grouped(self, moved: list[int]) -> list[_Group]:
        """Returns what moves by weight decay and type."""
        held = bisect_left(moved, self._decayed)
        found = []
        for indices, decay in ((moved[:held], self._recipe.weight_decay), (moved[held:], 0.0)):
            by_type: dict[torch.dtype, list[int]] = {}
            for index in indices:
                by_type.setdefault(self.parameters[index].dtype, []).append(index)
            for same in by_type.values():
                parameters = [self.parameters[index] for index in same]
                columns = [list(column) for column in zip(*(self._state[i] for i in same), strict=True)]
                found.append(_Group(same, parameters, columns, decay))
        return found


def step(
    recipe: Recipe,
    moved: list[Tensor],
    gradients: list[Tensor],
    columns: list[list[Tensor]],
    rate: float | Tensor,
    decay: float,
) -> None:
    """Moves tensors of one type in place: by torch's fused kernel of an optimizer where it takes them.

    Args:
        recipe: the recipe, which says by which algorithm.
        moved: the tensors.
        gradients: their gradients.
        columns: what the optimizer keeps of each, a list for each kind: the running averages, then the
            numbers of steps.
        rate: the learning rate.
        decay: the weight decay.
    """
    one = moved[0]
    kernel = _fused if _is_fused(recipe.optimizer, one.device.type, one.dtype) else _plain
    kernel(recipe, moved, gradients, columns, rate, decay)


def _plain(
    recipe: Recipe,
    moved: list[Tensor],
    gradients: list[Tensor],
    columns: list[list[Tensor]],
    rate: float | Tensor,
    decay: float,
) -> None:
    """The step by torch's own plain form."""
    if recipe.optimizer == "sgd":
        momentum = recipe.momentum
        sgd(
            moved,
            gradients,
            [*columns[0]] if momentum else [None] * len(moved),
            has_sparse_grad=False,
            foreach=False,
            fused=False,
            weight_decay=decay,
            momentum=momentum,
            lr=rate,  # type: ignore[arg-type] # a tensor, too
            dampening=0.0,
            nesterov=momentum > 0,
            maximize=False,
        )
        return
    averages, squares, steps = columns
    (adamw if recipe.optimizer == "adamw" else adam)(
        moved,
        gradients,
        averages,
        squares,
        [],
        steps,
        foreach=False,
        fused=False,
        capturable=moved[0].device.type == "cuda",  # its steps are there, too
        has_complex=moved[0].is_complex(),
        amsgrad=False,
        beta1=BETAS[0],
        beta2=BETAS[1],
        lr=rate,
        weight_decay=decay,
        eps=EPSILON,
        maximize=False,
    )


def _fused(
    recipe: Recipe,
    moved: list[Tensor],
    gradients: list[Tensor],
    columns: list[list[Tensor]],
    rate: float | Tensor,
    decay: float,
) -> None:
    """The step by torch's fused kernel."""
    if recipe.optimizer == "sgd":
        momentum = recipe.momentum
        torch._fused_sgd_(
            moved,
            gradients,
            columns[0] if momentum else [],
            weight_decay=decay,
            momentum=momentum,
            lr=rate,
            dampening=0.0,
            nesterov=momentum > 0,
            maximize=False,
            # A first step would set the buffers; added to their zeros, the gradients come to the same.
            is_first_step=False,
        )
        return
    averages, squares, steps = columns
    torch._foreach_add_(steps, 1)
    kernel = torch._fused_adamw_ if recipe.optimizer == "adamw" else torch._fused_adam_
    kernel(
        moved,
        gradients,
        averages,
        squares,
        [],
        steps,
        amsgrad=False,
        lr=rate,
        beta1=BETAS[0],
        beta2=BETAS[1],
        weight_decay=decay,
        eps=EPSILON,
        maximize=False,
    )


@cache
def _is_fused(optimizer: Literal["adamw", "adam", "sgd"], device: str, dtype: torch.dtype) -> bool:
    """Whether torch's fused kernel takes tensors of this type on such a device, tried on one number."""
    one = torch.ones(1, dtype=dtype, device=device)
    recipe = Recipe(optimizer=optimizer)
    try:
        _fused(recipe, [one], [one.clone()], [[tensor] for tensor in kept_of(recipe, one)], 0.1, 0.0)
    except RuntimeError:  # NotImplementedError is one
        return False
    return True


def kept_of(recipe: Recipe, parameter: Tensor) -> tuple[Tensor, ...]:
    """Returns what an optimizer keeps of a parameter, as it begins: the running averages of its gradients,
    and its number of steps so far."""
    averages = 1 if recipe.optimizer == "sgd" else 2
    return (*(torch.zeros_like(parameter) for _ in range(averages)), torch.zeros((), device=parameter.device))


def learning_rate(recipe: Recipe, epochs: int, steps: int) -> Callable[[int], float]:
    """The learning rate of step 0, 1, ... of a training.

    Computed and not kept in a torch scheduler: that costs more per step than a small network's optimizer.

    Args:
        recipe: the recipe, which has the schedule.
        epochs: the epochs of the training.
        steps: the steps of each epoch.
    """
    peak, last = recipe.learning_rate, steps * epochs
    if recipe.schedule == "constant":
        return lambda step: peak
    if recipe.schedule == "cosine":
        return lambda step: peak * _cosine(step / last)
    if recipe.schedule == "wsd":
        # The rise is of the recipe, not of this training's length: that may be told as late as the decay.
        warm_up = max(1.0, 0.05 * steps * recipe.epochs)
        stable = steps * recipe.stable_epochs(epochs)

        def wsd(step: int) -> float:
            # 1-sqrt, the best of the shapes that Hägele et al. 2024 compare
            decay = math.sqrt(max(0, step - stable) / (last - stable))
            return peak * min(1.0, (step + 1) / warm_up) * (1 - decay)

        return wsd
    rise = max(1.0, 0.3 * last)

    def onecycle(step: int) -> float:
        # from a 25th of the peak up, then down to 0, each along half a cosine (Smith & Topin 2018)
        if step < rise:
            return peak - (peak - peak / 25) * _cosine(step / rise)
        return peak * _cosine((step - rise) / max(1.0, last - rise))

    return onecycle


def _cosine(share: float) -> float:
    """From 1 at share 0 to 0 at share 1."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
