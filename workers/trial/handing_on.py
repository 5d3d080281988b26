"""How normalisations that are new in a network are set so that they hand on what they get."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from workers.problems.problem import Problem
from workers.training.batches import in_order
from workers.training.criterion import adapt

EXAMPLES = 256
"""How many training examples they look at."""


@torch.no_grad()
def hand_on(network: nn.Module, norms: Collection[str], data: Problem, seed: int) -> None:
    """Sets normalisations so that their answers on examples are their inputs, as far as that can be had.

    Batch normalisation gets the examples' own means and deviations for its shift and scale, so that it hands
    on what it gets in training, too (T. Chen, I. Goodfellow and J. Shlens, "Net2Net", ICLR 2016, section
    2.4), and for its running statistics. Layer normalisation has other statistics at each position: of each
    feature it gets the shift and scale that come nearest by least squares.

    Args:
        network: the network, on the CPU; it is left in the mode that it is in.
        norms: their names among its modules.
        data: the problem, of whose training split some examples are drawn.
        seed: draws them.
    """
    rows = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))[:EXAMPLES]
    examples = data.train.select(rows.to(data.train.device))
    hooks = [
        network.get_submodule(name).register_forward_pre_hook(partial(_set, set())) for name in sorted(norms)
    ]
    training = network.training
    try:
        for batch in in_order(examples, EXAMPLES, torch.device("cpu")):
            adapt(network.eval(), data.signature)(batch)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()


def _set(done: set[int], norm: nn.Module, given: tuple[Any, ...]) -> None:
    """Sets a normalisation by its first input, before it sees it."""
    if id(norm) in done:  # called again: what it got first counts
        return
    done.add(id(norm))
    if isinstance(norm, _BatchNorm):
        _set_batch(norm, given[0])
    elif isinstance(norm, nn.LayerNorm):
        _set_layer(norm, given[0])


def _set_batch(norm: _BatchNorm, input: Tensor) -> None:
    features = input.movedim(1, -1).flatten(0, -2)
    variance, mean = torch.var_mean(features, 0, correction=0)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(mean)
    if norm.running_mean is not None and norm.running_var is not None:
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)


def _set_layer(norm: nn.LayerNorm, input: Tensor) -> None:
    features = input.reshape(-1, *norm.normalized_shape).flatten(1)
    variance, mean = torch.var_mean(features, 1, keepdim=True, correction=0)
    real = (variance > 0).flatten()  # not the zeros of padding
    if int(real.sum()) < 2:
        return
    features, deviation = features[real], (variance[real] + norm.eps).sqrt()
    normalised = (features - mean[real]) / deviation
    spread, center = torch.var_mean(normalised, 0, correction=0)
    level = features.mean(0) if norm.bias is not None else torch.zeros_like(center)
    center = center if norm.bias is not None else torch.zeros_like(center)
    along = ((normalised - center) * (features - level)).mean(0)
    scale = torch.where(spread > 1e-6, along / spread.clamp(min=1e-6), deviation.mean())
    norm.weight.copy_(scale.view(norm.normalized_shape))
    if norm.bias is not None:
        norm.bias.copy_((level - scale * center).view(norm.normalized_shape))
