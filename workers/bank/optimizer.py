"""Moves the tensors of a bank by the gradients of those networks that were run since the last step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from workers.bank.shared_tensor import SharedTensor
from workers.recipe import Recipe
from workers.training.optimization import BETAS, EPSILON, kept_of, step

Tensors = list[Tensor] | tuple[Tensor, ...]
"""As torch's operations on several tensors take and return them."""

_Part = tuple[SharedTensor, Tensor, Any]
"""A shared tensor, its gradient, and where in it numbers have one."""


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
    parts: dict[bool, list[_Part]] = {True: [], False: []}
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
            parts[one.decays].append((one, gradient, ... if moved is None else moved))
    for (decays, _), group in whole.items():
        tensors = [one for one, _ in group]
        columns = [list(column) for column in zip(*(one.state for one in tensors), strict=True)]
        columns.append([one.steps for one in tensors])
        decay = recipe.weight_decay if decays else 0.0
        values, gradients = [one.value for one in tensors], [gradient for _, gradient in group]
        step(recipe, values, gradients, columns, rate, decay)
    for decays, some in parts.items():
        _move_parts(some, recipe, rate, recipe.weight_decay if decays else 0.0)


def _move_parts(parts: list[_Part], recipe: Recipe, rate: float, decay: float) -> None:
    """The same step, number by number, for the numbers of each tensor that have a gradient.

    Each operation is for all tensors together: one after another they are too small to be worth a call.
    """
    if not parts:
        return
    gradients: Tensors = [whole[where] for _, whole, where in parts]
    values: Tensors = [one.value[where] for one, _, where in parts]
    steps = [one.steps[where] + 1 for one, _, where in parts]
    slots = range(len(parts[0][0].state))
    kept: list[Tensors] = [[one.state[slot][where] for one, _, where in parts] for slot in slots]
    if recipe.optimizer == "adamw":
        values = torch._foreach_mul(values, 1 - rate * decay)
    else:
        gradients = torch._foreach_add(gradients, values, alpha=decay)
    if recipe.optimizer == "sgd":
        if recipe.momentum:
            kept = [torch._foreach_add(torch._foreach_mul(kept[0], recipe.momentum), gradients)]
            gradients = torch._foreach_add(gradients, kept[0], alpha=recipe.momentum)  # Nesterov's
        moves = gradients
    else:
        averages = torch._foreach_lerp(kept[0], gradients, 1 - BETAS[0])
        squares = torch._foreach_mul(kept[1], BETAS[1])
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - BETAS[1])
        kept = [averages, squares]
        scales = torch._foreach_sqrt(torch._foreach_div(squares, _left_of(BETAS[1], steps)))
        torch._foreach_add_(scales, EPSILON)
        moves = torch._foreach_div(torch._foreach_div(averages, _left_of(BETAS[0], steps)), scales)
    values = torch._foreach_add(values, moves, alpha=-rate)
    for place, (one, _, where) in enumerate(parts):
        one.value[where], one.steps[where] = values[place], steps[place]
        for state, tensors in zip(one.state, kept, strict=True):
            state[where] = tensors[place]


def _left_of(beta: float, steps: Tensors) -> Tensors:
    """What is left of 1 by a running average after so many steps: Adam's correction of its beginning."""
    left = torch._foreach_neg(torch._foreach_pow(beta, steps))
    return torch._foreach_add(left, 1.0)
