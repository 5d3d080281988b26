"""SWAP: how many units of a network tell the examples apart in another way than all others.

Peng, Song, Fayek, Ciesielski and Chang, SWAP-NAS: Sample-Wise Activation Patterns for Ultra-fast NAS, 2024.
Without its regularisation, which holds a search to a size that somebody wishes for: a limit says that better.
With more examples fewer patterns are alike, until all units are counted.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workers.zero_cost.patterns import activation_patterns
from workers.zero_cost.probe import Probe

_BITS = 64


def swap(probe: Probe) -> float:
    """SWAP: the number of different sample-wise patterns: for which examples a unit is on."""
    return float(
        len(_distinct(torch.cat([_distinct(packed(on)) for on in activation_patterns(probe, "swap")])))
    )


def packed(on: Tensor) -> Tensor:
    """Bool ``(N, units)`` as the pattern of each unit over the examples, in int64 ``(units, words)``."""
    words = []
    for start in range(0, len(on), _BITS):
        part = on[start : start + _BITS]
        # the last bit is the sign: sums are exact modulo 2**64
        places = torch.ones((), dtype=torch.int64, device=on.device) << torch.arange(
            len(part), device=on.device
        )
        words.append((part * places.unsqueeze(1)).sum(0))
    return torch.stack(words, 1)


def _distinct(rows: Tensor) -> Tensor:
    """The different rows of a matrix of whole numbers."""
    lone = rows.shape[1] == 1  # much faster as numbers than as rows
    found: Tensor = torch.unique(rows.squeeze(1)).unsqueeze(1) if lone else torch.unique(rows, dim=0)
    return found
