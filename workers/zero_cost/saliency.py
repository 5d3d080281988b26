"""Gradients of the loss at initialisation: their norm, and SNIP.

Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, 2021, section 3; SNIP is of Lee, Ajanthan and Torr,
SNIP: Single-shot Network Pruning based on Connection Sensitivity, 2019. Both are summed over the weights. Of
several tasks the loss is the sum.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from workers.problems.split import Split
from workers.zero_cost.probe import Probe, weights


def grad_norm(probe: Probe) -> float:
    """The norm of the gradient of the loss on a batch, summed over the layers' weights."""
    gradients, _ = loss_gradients(probe, probe.batch())
    return float(sum(gradient.double().norm() for gradient in gradients.values()))


def snip(probe: Probe) -> float:
    """SNIP: how much the loss on a batch depends on each weight, ``|w * dL/dw|``, summed."""
    gradients, network = loss_gradients(probe, probe.batch())
    held = {name: weight.detach().double() for name, weight in weights(network).items()}
    return float(sum((held[name] * gradient).abs().sum() for name, gradient in gradients.items()))


def loss_gradients(probe: Probe, batch: Split) -> tuple[Mapping[str, Tensor], nn.Module]:
    """Returns the gradients of the loss on a batch by the names of the weights; and the network."""
    network = probe.network()
    probe.loss(network, batch).backward()  # type: ignore[no-untyped-call]
    found = {name: weight.grad for name, weight in weights(network).items()}
    return {name: gradient for name, gradient in found.items() if gradient is not None}, network
