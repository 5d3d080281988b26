"""What heads have in common: pooling over positions, a hidden layer, a change of length, full precision."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from search_spaces.blocks.masks import of_length

POOLINGS = ("mean", "max", "attention")
"""How positions become one vector."""


def num_features(shape: Sequence[int]) -> int:
    """Features of a vector ``(F,)``, a sequence ``(L, F)`` or a map ``(C, H, W)``."""
    return shape[0] if len(shape) > 2 else shape[-1]


def as_positions(features: Tensor) -> Tensor:
    """A sequence ``(N, L, F)`` as it is; a vector, or a map in two or three dimensions, as ``(N, P, F)``."""
    if features.dim() == 2:
        return features.unsqueeze(1)
    return features if features.dim() == 3 else features.flatten(2).transpose(1, 2)


def attention(scores: Tensor, mask: Tensor | None, dim: int) -> Tensor:
    """Weights that sum to 1 over the real positions in ``dim``; 0 where none is real, and never NaN."""
    if mask is None:
        return scores.softmax(dim)
    weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim)
    return weights.masked_fill(~mask, 0)


class Pooling(nn.Module):
    """Sequences and maps to vectors; a vector stays.

    Padding does not count, and where no position is real the answer is zeros.

    Args:
        shape: the shape of one example's features.
        pooling: ``mean``, ``max``, or ``attention``, the mean weighted by a learned score of each position.

    Raises:
        ValueError: another pooling.
    """

    def __init__(self, shape: Sequence[int], pooling: str = "mean") -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"expected pooling from {', '.join(POOLINGS)}, got {pooling!r}")
        self.pooling = pooling
        self.axes = {1: (), 2: (1,)}.get(len(shape), tuple(range(2, len(shape) + 1)))
        if self.axes and pooling == "attention":
            # without a bias, which would not change a softmax
            self.score = nn.Linear(num_features(shape), 1, bias=False)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(N, F)``, ``(N, L, F)`` with mask ``(N, L)``, or ``(N, F, H, W)`` to ``(N, F)``."""
        if not self.axes:
            return features
        if self.pooling == "mean" and mask is None:
            return features.mean(self.axes)
        positions = as_positions(features)
        real = None if mask is None else mask.flatten(1).unsqueeze(-1)
        if self.pooling == "attention":
            return (attention(self.score(positions), real, 1) * positions).sum(1)
        if real is None:
            return positions.amax(1)
        if self.pooling == "mean":
            return positions.masked_fill(~real, 0).sum(1) / real.sum(1).clamp(min=1)
        largest = positions.masked_fill(~real, torch.finfo(positions.dtype).min).amax(1)
        return largest.masked_fill(~real.any(1), 0)


def before_last(features: int, hidden: int, dropout: float) -> tuple[nn.Module, int]:
    """Returns what stands before the last linear map of a head, and the number of features after it.

    Args:
        features: the number of features before it.
        hidden: the number of units of a layer with ReLU; 0: no such layer.
        dropout: the probability that a feature is left out in training.

    Raises:
        ValueError: fewer than 0 units.
    """
    if hidden < 0:
        raise ValueError(f"expected hidden units >= 0, got {hidden}")
    layers: list[nn.Module] = [nn.Linear(features, hidden), nn.ReLU()] if hidden else []
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers), hidden or features


def to_length(sequence: Tensor, length: int | None) -> Tensor:
    """``(N, L', F)`` as ``(N, length, F)``, each position from the nearest one; None: as it is."""
    return sequence if length is None else of_length(sequence, length)


def mask_to_length(mask: Tensor | None, length: int | None) -> Tensor | None:
    """The mask ``(N, L')`` of a sequence that went through `to_length`."""
    if mask is None or length is None or mask.shape[1] == length:
        return mask
    return to_length(mask.unsqueeze(-1).float(), length).squeeze(-1) > 0


def full_precision(like: Tensor) -> AbstractContextManager[object]:
    """Where autocast has no say, on the device of ``like``."""
    return nullcontext() if like.is_meta else torch.autocast(like.device.type, enabled=False)
