"""Adversarial training: features whose source a discriminator, behind reversed gradients, cannot tell."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HIDDEN = 64
"""The units of a discriminator's only hidden layer."""


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, features: Tensor, strength: float) -> Tensor:
        context.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -context.strength * gradients[0], None  # Ganin et al. 2016: the gradient reversal layer


class Discriminator(nn.Module):
    """A classifier that learns to tell the source of features, while these learn not to show it.

    Ganin et al., Domain-Adversarial Training of Neural Networks, JMLR 2016: the gradient of its loss changes
    its sign on the way back into the features.

    Args:
        features: the size of a feature vector.
        sources: the number of sources to be told apart.
        strength: the factor of the reversed gradient; the classifier's own gradient is in full.
    """

    def __init__(self, features: int, sources: int, strength: float) -> None:
        super().__init__()
        self._strength = strength
        self.classifier = nn.Sequential(nn.Linear(features, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, sources))

    def forward(self, features: Tensor, source: Tensor) -> Tensor:
        """Returns the cross entropy, a scalar.

        Args:
            features: the features ``(N, F)``.
            source: the source of each example, int64 ``(N,)``.
        """
        reversed_features: Tensor = _Reversed.apply(features, self._strength)  # type: ignore[no-untyped-call]
        return F.cross_entropy(self.classifier(reversed_features), source)
