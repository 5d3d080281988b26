"""The metrics of tasks of numbers: squared errors, the deviance of counts, the pinball loss of quantiles."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from workers.training.losses import pinball, poisson_deviance
from workers.training.sums import MetricSums, check_shape


class _SumsByOutput(MetricSums):
    """What is summed for each output of ``(N, outputs, ...)``, in float64: variances are differences of large
    sums.

    Args:
        scale: the unit of the loss for each output; None: 1.
    """

    def __init__(self, scale: Tensor | None = None) -> None:
        self.scale = None if scale is None else scale.double().flatten()
        self.sums: Tensor | None = None
        self.count = 0

    def add(self, output: Tensor, target: Tensor) -> None:
        check_shape(output, tuple(target.shape))
        axes = [axis for axis in range(target.ndim) if axis != 1]
        sums = torch.stack([one.sum(axes) for one in self._summed(output.double(), target.double())])
        self.sums = sums if self.sums is None else self.sums + sums
        self.count += target[:, 0].numel()

    def result(self) -> dict[str, float]:
        return {} if self.sums is None else self._result(self.sums)

    @abstractmethod
    def _summed(self, output: Tensor, target: Tensor) -> Sequence[Tensor]:
        """What is summed over all axes but that of the outputs, each of the shape of the targets."""

    @abstractmethod
    def _result(self, sums: Tensor) -> dict[str, float]:
        """The metrics that follow from sums ``(what is summed, outputs)``."""


class SquaredErrorSums(_SumsByOutput):
    """Loss, root mean squared error and R2 (its mean over outputs) of numbers ``(N, outputs, ...)``."""

    def _summed(self, output: Tensor, target: Tensor) -> Sequence[Tensor]:
        return (output - target).square(), target, target.square()

    def _result(self, sums: Tensor) -> dict[str, float]:
        errors, total, squares = sums
        mean = float(errors.mean()) / self.count
        loss = mean
        if self.scale is not None:
            loss = float((errors / self.scale.square()).mean()) / self.count
        variation = squares - total.square() / self.count
        # What does not vary cannot be explained, as in scikit-learn: 1 if it is answered rightly, else 0.
        constant = variation <= 1e-12 * squares
        explained = torch.where(constant, (errors == 0).double(), 1 - errors / variation.clamp(min=1e-300))
        return {"loss": loss, "rmse": mean**0.5, "r2": float(explained.mean())}


class PoissonSums(_SumsByOutput):
    """Loss, root mean squared error, mean Poisson deviance and D2 of counts ``(N, outputs)``.

    D2 is the share of the deviance from the mean count that is explained (Hastie, Tibshirani & Wainwright,
    Statistical Learning with Sparsity, 2015, section 3.6), and like R2 a mean over outputs.
    """

    def _summed(self, output: Tensor, target: Tensor) -> Sequence[Tensor]:
        deviance = poisson_deviance(output, target)
        return (output - target).square(), deviance, target, torch.xlogy(target, target)

    def _result(self, sums: Tensor) -> dict[str, float]:
        errors, deviances, total, logarithms = sums
        mean = total / self.count
        constant = 2 * (logarithms - torch.xlogy(total, mean))
        scale = 1.0 if self.scale is None else self.scale
        return {
            "loss": float((deviances / 2 / scale).mean()) / self.count,
            "rmse": (float(errors.mean()) / self.count) ** 0.5,
            "poisson_deviance": float(deviances.mean()) / self.count,
            "d2": float(_explained(deviances, constant, 1e-12 * logarithms.abs()).mean()),
        }


class PinballSums(MetricSums):
    """Loss, mean pinball loss, coverage and D2 of quantiles: answers ``(N, quantiles)``, targets ``(N, 1)``.

    Coverage is the share of the targets from the lowest to the highest answer; of a lone quantile, that of
    those up to it. D2 is the share of the pinball loss that is explained of what the targets' own quantiles
    have (Koenker & Machado, Goodness of Fit and Related Inference Processes for Quantile Regression, 1999),
    and a mean over quantiles.

    Args:
        quantiles: the quantiles.
        scale: the unit of the loss; None: 1.
    """

    def __init__(self, quantiles: Sequence[float], scale: Tensor | None = None) -> None:
        self.quantiles = tuple(quantiles)
        self.scale = None if scale is None else scale.double()
        self.losses: list[Tensor] = []
        self.covered: list[Tensor] = []
        self.targets: list[Tensor] = []

    def add(self, output: Tensor, target: Tensor) -> None:
        check_shape(output, (len(target), len(self.quantiles)))
        output, target = output.double(), target.double()
        self.losses.append(pinball(output, target, self.quantiles).sum(0))
        covered = target <= output[:, -1:]
        if len(self.quantiles) > 1:
            covered &= target >= output[:, :1]
        self.covered.append(covered.sum())
        self.targets.append(target)

    def result(self) -> dict[str, float]:
        if not self.targets:
            return {}
        losses, targets = torch.stack(self.losses).sum(0), torch.cat(self.targets)
        places = [max(0, math.ceil(share * len(targets)) - 1) for share in self.quantiles]
        own = targets.flatten().sort().values[places]  # no constant has a lower loss
        constant = pinball(own.expand(len(targets), -1), targets, self.quantiles).sum(0)
        mean = float(losses.mean()) / len(targets)
        return {
            "loss": mean if self.scale is None else mean / float(self.scale),
            "pinball": mean,
            "coverage": int(torch.stack(self.covered).sum()) / len(targets),
            "d2": float(_explained(losses, constant, 1e-12 * targets.abs().sum()).mean()),
        }


def _explained(errors: Tensor, constant: Tensor, nothing: Tensor) -> Tensor:
    """The share of what a constant answer leaves that is explained. What leaves nothing cannot be: 1 if it is
    answered rightly, else 0."""
    share = 1 - errors / constant.clamp(min=1e-300)
    return torch.where(constant <= nothing, (errors <= nothing).double(), share)
