"""What can be counted of a network without any weight: parameters, multiply-adds, layers.

The baseline of all others, many of which rank no better: Ning et al., Evaluating Efficient Performance
Estimators of Neural Architectures, 2021.
"""

from __future__ import annotations

from torch.nn.parameter import Parameter

from workers.zero_cost.probe import Probe


def num_params(probe: Probe) -> float:
    """The number of trainable parameters."""
    return float(probe.architecture.cost(probe.signature).num_params)


def num_macs(probe: Probe) -> float:
    """The number of multiply-adds for one example."""
    return float(probe.architecture.cost(probe.signature).num_macs)


def num_layers(probe: Probe) -> float:
    """The number of layers with weights: modules that own a matrix or a kernel, heads included."""
    modules = probe.network(standardised=False).modules()
    owned = (module._parameters.values() for module in modules)
    return float(sum(any(isinstance(p, Parameter) and p.ndim > 1 for p in own) for own in owned))
