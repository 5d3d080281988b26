"""jacov: how alike the directions are in which examples change the answers.

Mellor, Turner, Storkey and Crowley, Neural Architecture Search without Training, in its first version, 2020
(arXiv:2006.04647v1); as it is measured in Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, 2021.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from workers.training.criterion import adapt
from workers.zero_cost.probe import Probe, undefined

_LEAST = 1e-5
"""Added to eigenvalues."""


def jacov(probe: Probe) -> float:
    """jacov: from the correlations between examples of the gradient of the answers by the input."""
    numeric = [n for n, kind in probe.signature.inputs.items() if kind.scale_shape is not None]
    if not numeric:
        given = ", ".join(f"{name!r}" for name in probe.signature.inputs)
        why = f"the input {given} is of tokens or categories, by which no layer has a gradient"
        raise undefined("jacov", why)
    network, batch = probe.network(), probe.whole_batch()
    inputs = dict(batch.inputs)
    for name in numeric:
        # by what the layers see, whatever the unit of the data
        scale = network.input_standardisation(name)
        inputs[name] = scale(inputs[name]).detach().requires_grad_()
        scale.clear()
    answers = adapt(network, probe.signature)(replace(batch, inputs=inputs))
    torch.stack([answer.sum() for answer in answers.values()]).sum().backward()  # type: ignore[no-untyped-call]
    rows = [gradient.flatten(1) for n in numeric if (gradient := inputs[n].grad) is not None]
    return _of_jacobian(torch.cat(rows, 1).double()) if rows else float("-inf")


def _of_jacobian(jacobian: Tensor) -> float:
    """The score of a Jacobian ``(N, inputs)``; minus infinity where the answers depend on no input."""
    jacobian = jacobian[jacobian.std(1) > 0]
    if len(jacobian) < 2:
        return float("-inf")
    values = torch.linalg.eigvalsh(torch.corrcoef(jacobian)).clamp(min=0) + _LEAST
    return -float((values.log() + 1 / values).sum())
