"""The optimizer and the learning rate of each step, from a recipe."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from workers.recipe import Recipe


def make_optimizer(parameters: Iterable[Tensor], recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer, in its fused form where there is one for these parameters."""
    chosen = list(parameters)
    kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "adamw": torch.optim.AdamW,
        "adam": torch.optim.Adam,
        "sgd": torch.optim.SGD,
    }
    options = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    if recipe.optimizer == "sgd":
        options |= {"momentum": recipe.momentum, "nesterov": recipe.momentum > 0}
    try:
        return kinds[recipe.optimizer](chosen, fused=True, **options)
    except RuntimeError:  # parameters of a dtype or device that has no fused form
        return kinds[recipe.optimizer](chosen, **options)


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
