"""Padding in sequences: positions that are not real stay zero, out of pooling and out of attention.

A mask is a bool tensor ``(N, L)``, True where a position is real; None where all are. Real positions come
first, padding after them.
"""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

POOLINGS = ("none", "max", "average")
"""How a stage may halve the length of its sequence."""


def zero_padding(sequence: Tensor, mask: Tensor | None) -> Tensor:
    """``(N, L, F)`` with zeros at the positions that are not real."""
    return sequence if mask is None else sequence.masked_fill(~mask.unsqueeze(-1), 0.0)


def shortened(mask: Tensor | None, length: int) -> Tensor | None:
    """The mask of a sequence shortened to ``length``: a position is real where anything real went into it."""
    if mask is None or mask.shape[1] == length:
        return mask
    step, real = _step(mask.shape[1], length), mask.unsqueeze(1).float()
    if step is None:
        return F.adaptive_max_pool1d(real, length).squeeze(1) > 0
    return F.max_pool1d(real, step, ceil_mode=True).squeeze(1) > 0


def of_length(sequence: Tensor, length: int) -> Tensor:
    """``(N, L, F)`` as ``(N, length, F)``, each position from the nearest one.

    Where one length is the other halved that is the position it became, or the first that became it.
    """
    came = sequence.shape[1]
    step = _step(max(came, length), min(came, length))
    if came == length:
        return sequence
    if step is None:
        return F.interpolate(sequence.transpose(1, 2), size=length).transpose(1, 2)
    if came > length:
        return sequence[:, ::step]
    return sequence.unsqueeze(2).expand(-1, -1, step, -1).flatten(1, 2)[:, :length]


def _step(length: int, shorter: int) -> int | None:
    """How many positions became one by halving, rounded up, once or more; None if it was something else.

    By these steps it does not matter how much padding follows the real positions.
    """
    step = 1
    while -(-length // step) > shorter:
        step *= 2
    return step if -(-length // step) == shorter else None


def attended(mask: Tensor | None) -> Tensor | None:
    """Which positions attention looks at: those that are real; all in a row where none is, lest it be NaN."""
    return None if mask is None else mask | ~mask.any(1, keepdim=True)


def halved(sequence: Tensor, mask: Tensor | None, pooling: str, kernel_size: int = 2) -> Tensor:
    """``(N, L, F)`` pooled to half its length, rounded up; padding does not count.

    Args:
        sequence, mask: the sequence, and which of its positions are real.
        pooling: a name of `POOLINGS`; ``none`` leaves the sequence as it is.
        kernel_size: the number of positions that go into one, 2 or 3.

    Raises:
        ValueError: another pooling.
    """
    if pooling not in POOLINGS:
        raise ValueError(f"expected pooling from {', '.join(POOLINGS)}, got {pooling!r}")
    if pooling == "none":
        return sequence
    padding = kernel_size // 3  # with either kernel there is then a position for every second one
    if pooling == "max":
        signal = sequence if mask is None else sequence.masked_fill(~mask.unsqueeze(-1), float("-inf"))
        pooled = F.max_pool1d(signal.transpose(1, 2), kernel_size, 2, padding, ceil_mode=padding == 0)
        pooled = pooled if mask is None else pooled.masked_fill(pooled.isneginf(), 0.0)
    else:
        signal = zero_padding(sequence, mask).transpose(1, 2)
        there = torch.ones_like(signal[:, :1]) if mask is None else mask.unsqueeze(1).to(signal.dtype)
        total, count = (
            F.avg_pool1d(part, kernel_size, 2, padding, ceil_mode=padding == 0) for part in (signal, there)
        )
        pooled = total / count.clamp(min=torch.finfo(count.dtype).tiny)
    return pooled.transpose(1, 2)


def reversal(sequence: Tensor, mask: Tensor | None) -> Tensor:
    """For ``(N, L, F)``, the position ``(N, L, 1)`` that each takes when real ones are read backwards.

    Padding keeps its place, so that the first position read is the last real one. To reverse twice is to do
    nothing.
    """
    length = sequence.shape[1]
    positions = torch.arange(length, device=sequence.device).expand(sequence.shape[0], length)
    if mask is None:
        return (length - 1 - positions).unsqueeze(-1)
    last = (mask * positions).amax(1, keepdim=True)
    return torch.where(positions <= last, last - positions, positions).unsqueeze(-1)


def mask_of(value: Tensor) -> Tensor | None:
    """The mask of an input: where tokens ``(N, L)`` are no padding (0); None for numbers."""
    return None if value.is_floating_point() or value.dim() != 2 else value != 0


def takes(module: nn.Module, option: str) -> bool:
    """Whether a module's ``forward`` has a parameter of that name (torch's own mean other things by it)."""
    factory: Any = getattr(module, "stands_for", type(module))
    return option in _options(factory)


@lru_cache(maxsize=4096)
def _options(factory: Any) -> frozenset[str]:
    if factory.__module__.startswith("torch."):
        return frozenset()
    return frozenset(inspect.signature(factory.forward).parameters)


def call(module: nn.Module, value: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """What a module answers to a tensor, with the mask of the answer.

    The module sees the mask where its ``forward`` has a parameter ``mask``. Of a tuple, as recurrent layers
    answer, the first item goes on.

    Args:
        module: the module that answers.
        value: the tensor, ``(N, ...)``.
        mask: the real positions, bool ``(N, L)``; None: there are no others.
    """
    answer: Any = module(value, mask=mask) if mask is not None and takes(module, "mask") else module(value)
    answer = answer[0] if isinstance(answer, tuple) else answer
    return answer, None if mask is None else along(mask, answer)


def along(mask: Tensor | None, value: Any) -> Tensor | None:
    """The mask of what was made of a masked sequence; None where it is no sequence any more."""
    return shortened(mask, value.shape[1]) if isinstance(value, Tensor) and value.dim() == 3 else None


def mean(value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Vectors ``(N, F)``: the mean over the positions of a sequence ``(N, L, F)`` or a map ``(N, C, H, W)``.

    Args:
        value: a sequence, a map, or vectors already.
        mask: the positions of a sequence that count; the mean over none is zeros.
    """
    if value.dim() == 2:
        return value
    if value.dim() > 3:
        return value.flatten(2).mean(2)
    if mask is None:
        return value.mean(1)
    weights = mask.unsqueeze(2).to(value.dtype)
    return (value * weights).sum(1) / weights.sum(1).clamp(min=1)
