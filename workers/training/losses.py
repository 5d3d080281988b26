"""The losses of single answers that torch has not: of counts, of quantiles, of classes with an order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_LEAST = 1e-8
"""The least count that is expected, as far as its logarithm goes."""


def poisson_deviance(output: Tensor, target: Tensor) -> Tensor:
    """Returns the Poisson deviance of each answer: twice what its log likelihood lacks of the highest.

    ``2 (y log(y / m) - y + m)``, McCullagh & Nelder, Generalized Linear Models, 1989, section 2.3.

    Args:
        output: the expected counts ``m``, above 0.
        target: the counts ``y``, of the same shape.
    """
    fit = torch.xlogy(target, target) - target * output.clamp(min=_LEAST).log()
    return 2 * (fit - target + output)


def pinball(output: Tensor, target: Tensor, quantiles: Sequence[float]) -> Tensor:
    """Returns the pinball loss of each quantile of each example (Koenker & Bassett 1978, equation 3.1).

    Args:
        output: the answers ``(N, quantiles)``.
        target: the targets ``(N, 1)``.
        quantiles: the share of the targets that are to lie below each.

    Returns:
        ``(N, quantiles)``, in the unit of the targets.
    """
    short = target - output
    return torch.stack(
        [torch.maximum(q * one, (q - 1) * one) for q, one in zip(quantiles, short.unbind(1), strict=True)], 1
    )


def rank_loss(output: Tensor, target: Tensor) -> Tensor:
    """Returns the loss of each example of an `Ordinal`: the mean over classes of the binary cross entropy of
    being above them (Cao, Mirjalili & Raschka 2020, equation 4, all tasks of importance ``1 / (K - 1)``).

    Args:
        output: the logits ``(N, K - 1)``.
        target: the classes, int64 ``(N,)``.
    """
    above = target.unsqueeze(1) > torch.arange(output.shape[1], device=output.device)
    return F.binary_cross_entropy_with_logits(output, above.to(output.dtype), reduction="none").mean(1)
