"""The optimizer and the learning rate of each step, from a recipe."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from workers.recipe import Recipe

BETAS, EPSILON = (0.9, 0.999), 1e-8


class FusedOptimizer:
    """AdamW, Adam or SGD by torch's fused kernels: all parameters in one call.

    It computes what ``torch.optim`` computes with ``fused=True`` (a test holds that). What it leaves out is
    the bookkeeping around the kernel (hooks, groups, schedulers), which takes as long as a small network's
    backward pass.

    Args:
        parameters: float tensors on one device.
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
        # For each parameter the running averages of its gradients, and its number of steps so far.
        averages = 1 if recipe.optimizer == "sgd" else 2
        self._state = [
            (*(torch.zeros_like(p) for _ in range(averages)), torch.zeros((), device=p.device))
            for p in self.parameters
        ]

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
        held = bisect_left(moved, self._decayed)
        for indices, decay in ((moved[:held], self._recipe.weight_decay), (moved[held:], 0.0)):
            if not indices:
                continue
            parameters = [self.parameters[index] for index in indices]
            columns = [list(column) for column in zip(*(self._state[i] for i in indices), strict=True)]
            present = [gradient for index in indices if (gradient := gradients[index]) is not None]
            if self._recipe.optimizer == "sgd":
                self._sgd(parameters, present, columns[0], learning_rate, decay)
            else:
                self._adam(parameters, present, columns, learning_rate, decay)

    def _adam(
        self,
        moved: list[Tensor],
        gradients: list[Tensor],
        columns: list[list[Tensor]],
        rate: float | Tensor,
        decay: float,
    ) -> None:
        averages, squares, steps = columns
        torch._foreach_add_(steps, 1)
        kernel = torch._fused_adamw_ if self._recipe.optimizer == "adamw" else torch._fused_adam_
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

    def _sgd(
        self,
        moved: list[Tensor],
        gradients: list[Tensor],
        buffers: list[Tensor],
        rate: float | Tensor,
        decay: float,
    ) -> None:
        momentum = self._recipe.momentum
        torch._fused_sgd_(
            moved,
            gradients,
            buffers if momentum else [],
            weight_decay=decay,
            momentum=momentum,
            lr=rate,
            dampening=0.0,
            nesterov=momentum > 0,
            maximize=False,
            # A first step would set the buffers; added to their zeros, the gradients come to the same.
            is_first_step=False,
        )


def learning_rate(recipe: Recipe, steps: int) -> Callable[[int], float]:
    """The learning rate of step 0, 1, ... of ``steps``.

    Computed and not kept in a torch scheduler: that costs more per step than a small network's optimizer.
    """
    peak = recipe.learning_rate
    if recipe.schedule == "constant":
        return lambda step: peak
    if recipe.schedule == "cosine":
        return lambda step: peak * _cosine(step / steps)
    rise = max(1.0, 0.3 * steps)

    def onecycle(step: int) -> float:
        # from a 25th of the peak up, then down to 0, each along half a cosine (Smith & Topin 2018)
        if step < rise:
            return peak - (peak - peak / 25) * _cosine(step / rise)
        return peak * _cosine((step - rise) / max(1.0, steps - rise))

    return onecycle


def _cosine(share: float) -> float:
    """From 1 at share 0 to 0 at share 1."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
