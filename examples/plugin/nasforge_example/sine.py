"""Networks with sines for activations (Sitzmann et al., "Implicit Neural Representations", 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from search_spaces import Space, choice, integer, layer, repeat, sequential


class Sine(nn.Module):
    """``sin(frequency * x)`` of every number.

    Args:
        frequency: The frequency that the layer begins with; it is learnt.
    """

    def __init__(self, frequency: float = 3.0) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.tensor(float(frequency)))

    def forward(self, value: Tensor) -> Tensor:
        return torch.sin(self.frequency * value)


def sine_mlp(depth: tuple[int, int] = (1, 3)) -> Space:
    """Linear layers with sines between them.

    Args:
        depth: The least and the largest number of layers.
    """
    block = sequential(
        layer(nn.Linear, out_features=integer(16, 64, step=16)),
        layer(Sine, frequency=choice(1.0, 3.0, 10.0)),
    )
    return Space(sequential(layer(nn.Flatten), repeat(block, depth)))
