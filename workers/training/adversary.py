"""Learning features from which something cannot be told: a discriminator behind reversed gradients."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HIDDEN = 64
"""Units of a discriminator's only hidden layer."""


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
        features: size of a feature vector.
        sources: to be told apart.
        strength: what the reversed gradient is multiplied by; the classifier has its own in full.
    """

    def __init__(self, features: int, sources: int, strength: float) -> None:
        super().__init__()
        self._strength = strength
        self.classifier = nn.Sequential(nn.Linear(features, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, sources))

    def forward(self, features: Tensor, source: Tensor) -> Tensor:
        """The cross entropy, a scalar.

        Args:
            features: ``(N, F)``.
            source: int64 ``(N,)``.
        """
        reversed_features: Tensor = _Reversed.apply(features, self._strength)  # type: ignore[no-untyped-call]
        return F.cross_entropy(self.classifier(reversed_features), source)
