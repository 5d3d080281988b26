"""naswot: whether a network sees examples as different before it has learnt anything.

Mellor, Turner, Storkey and Crowley, Neural Architecture Search without Training, 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workers.zero_cost.patterns import activation_patterns
from workers.zero_cost.probe import Probe


def naswot(probe: Probe) -> float:
    """naswot: the log-determinant of a kernel, of how many units any two examples agree in."""
    kernel = sum(map(agreement, activation_patterns(probe, "naswot")))
    assert isinstance(kernel, Tensor)
    return float(torch.linalg.slogdet(kernel).logabsdet)


def agreement(on: Tensor) -> Tensor:
    """The number of units in which any two examples agree, float64 ``(N, N)``; for bool ``(N, units)``."""
    signs = on.float() * 2 - 1
    # agreeing units less those that differ, and all of them: float32 is exact up to 2**24 units
    return ((signs @ signs.T).double() + on.shape[1]) / 2
