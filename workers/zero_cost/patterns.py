"""Which units of a network are on for which example."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from workers.training.criterion import adapt
from workers.zero_cost.probe import Probe, undefined
from workers.zero_cost.watching import OperatorWatch

SWITCHING = frozenset(
    {
        *("relu", "threshold", "hardtanh", "leaky_relu", "rrelu_with_noise", "_prelu_kernel"),
        *("elu", "gelu", "silu", "hardswish", "mish"),
    }
)
"""Activations that switch at zero: ReLU, of which the papers speak, and those that are shaped like it."""


def activation_patterns(probe: Probe, score: str) -> list[Tensor]:
    """Returns for each activation of a network which of its units are on: bool ``(N, units)``.

    Args:
        probe: the network, and the batch of ``N`` examples.
        score: the name of the score, for the message.

    Raises:
        ZeroCostError: no unit of the network switches.
    """
    network, batch = probe.network(), probe.whole_batch()
    found: list[Tensor] = []

    def seen(layer: str, operator: str, values: Tensor | None) -> None:
        # some layers join the positions of a sequence with the batch
        if operator in SWITCHING and values is not None and len(values) % len(batch) == 0:
            found.append((values > 0).reshape(len(batch), -1))

    with torch.no_grad(), OperatorWatch(network, seen):
        adapt(network, probe.signature)(batch)
    if not found:
        layers = ", ".join(_layers(network)) or "none"
        raise undefined(score, f"no unit switches at zero, as those of ReLU do, in the layers {layers}")
    return found


def _layers(network: torch.nn.Module) -> Iterator[str]:
    """Yields the layers that have weights, or a place where weights would be, in words; the first few."""
    names = [
        f"{name} ({type(module).__name__})"
        for name, module in network.named_modules()
        if any(parameter.ndim > 1 for parameter in module.parameters(recurse=False))
    ]
    yield from names[:3]
    if len(names) > 3:
        yield f"and {len(names) - 3} more"
