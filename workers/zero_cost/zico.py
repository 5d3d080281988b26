"""ZiCo: gradients that are large, and agree from batch to batch.

Li, Yang, Bhardwaj and Marculescu, ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients,
2023.
"""

from __future__ import annotations

import math

import torch

from workers.zero_cost.probe import Probe
from workers.zero_cost.saliency import loss_gradients

BATCHES = 2
"""As many as the paper takes."""


def zico(probe: Probe) -> float:
    """ZiCo: over the layers, the log of the sum over weights of mean over deviation of their gradients."""
    every = [loss_gradients(probe, probe.batch(number, BATCHES))[0] for number in range(BATCHES)]
    total = 0.0
    for name in every[0].keys() & every[1].keys():
        gradients = torch.stack([one[name].double() for one in every])
        # The paper has the deviation of |g|; what its authors measured with has that of g, and so has this.
        mean, deviation = gradients.abs().mean(0), gradients.std(0, correction=0)
        there = deviation > 0
        ratio = (mean[there] / deviation[there]).sum().item()
        total += math.log(ratio) if ratio > 0 else 0.0
    return total
