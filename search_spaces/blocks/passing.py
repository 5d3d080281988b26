"""Passing a tensor on with its mask: to modules that ask for masks, through all others."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any

from torch import Tensor, nn

from search_spaces.blocks.masks import shortened


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
        module: any.
        value: ``(N, ...)``.
        mask: bool ``(N, L)``, true at real positions; None: there are no others.
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
        value: one of these, or vectors already.
        mask: of a sequence: the positions that count; the mean over none is zeros.
    """
    if value.dim() == 2:
        return value
    if value.dim() > 3:
        return value.flatten(2).mean(2)
    if mask is None:
        return value.mean(1)
    weights = mask.unsqueeze(2).to(value.dtype)
    return (value * weights).sum(1) / weights.sum(1).clamp(min=1)
