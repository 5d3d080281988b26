"""Moves the tensors of a bank by the gradients of those networks that were run since the last step."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from workers.bank.shared_tensor import Grid, SharedTensor
from workers.recipe import Recipe
from workers.training.optimization import BETAS, EPSILON, fused, is_fused, kept_of, plain


@torch.no_grad()
def move(shared: Iterable[SharedTensor], recipe: Recipe, rate: float) -> None:
    """Makes a step of AdamW, Adam or SGD with all numbers that have a gradient; the others stay as they are.

    A number that few networks have is moved as in a training of its own: its running averages, and the count
    of steps by which Adam corrects them, are those of the steps that it had. Where all numbers of a tensor
    have moved together ever since, that is torch's own step, to the last bit.

    Args:
        shared: the tensors of the bank.
        recipe: the recipe, which says by which algorithm.
        rate: the learning rate.
    """
    whole: dict[tuple[bool, torch.dtype], list[tuple[SharedTensor, Tensor]]] = {}
    parts: list[tuple[SharedTensor, Tensor, Grid | Tensor | None]] = []
    for one in shared:
        taken = one.take_gradient()
        if taken is None:
            continue
        gradient, moved = taken
        if not one.state:
            one.state = list(kept_of(recipe, one.value)[:-1])
        if moved is None and not one.steps.dim():
            whole.setdefault((one.decays, one.value.dtype), []).append((one, gradient))
        else:
            one.spread_steps()
            parts.append((one, gradient, moved))
    for (decays, dtype), group in whole.items():
        kernel = fused if is_fused(recipe.optimizer, group[0][1].device.type, dtype) else plain
        tensors = [one for one, _ in group]
        columns = [list(column) for column in zip(*(one.state for one in tensors), strict=True)]
        columns.append([one.steps for one in tensors])
        decay = recipe.weight_decay if decays else 0.0
        kernel(
            recipe, [one.value for one in tensors], [gradient for _, gradient in group], columns, rate, decay
        )
    _move_parts(parts, recipe, rate)


def _move_parts(
    parts: list[tuple[SharedTensor, Tensor, Grid | Tensor | None]], recipe: Recipe, rate: float
) -> None:
    """The same step, number by number, for the numbers of each tensor that have a gradient."""
    for one, whole, moved in parts:
        where = ... if moved is None else moved
        value, gradient = one.value[where], whole[where]
        decay = recipe.weight_decay if one.decays else 0.0
        steps = one.steps[where] + 1
        one.steps[where] = steps
        if recipe.optimizer == "adamw":
            value = value * (1 - rate * decay)
        else:
            gradient = gradient + decay * value
        if recipe.optimizer == "sgd":
            if recipe.momentum:
                average = recipe.momentum * one.state[0][where] + gradient
                one.state[0][where] = average
                gradient = gradient + recipe.momentum * average  # Nesterov's
            one.value[where] = value - rate * gradient
            continue
        average = one.state[0][where].lerp(gradient, 1 - BETAS[0])
        square = BETAS[1] * one.state[1][where] + (1 - BETAS[1]) * gradient * gradient
        one.state[0][where], one.state[1][where] = average, square
        scale = (square / (1 - BETAS[1] ** steps)).sqrt() + EPSILON
        one.value[where] = value - rate / (1 - BETAS[0] ** steps) * average / scale
