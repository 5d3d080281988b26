"""Links: from the outputs of a head's linear map to answers that its task can have."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from search_spaces.tasks import CountRegression, Ordinal, QuantileRegression, Task


class PositiveLink(nn.Module):
    """Positive numbers from any: the inverse of the logarithmic link of a Poisson regression.

    McCullagh & Nelder, Generalized Linear Models, 1989, section 6.2.
    """

    def forward(self, outputs: Tensor) -> Tensor:
        """``(N, outputs)`` to the same shape, in float32: others would soon be infinite."""
        return outputs.float().exp()


class AscendingLink(nn.Module):
    """Ascending numbers from any, so that quantiles never cross: the outputs, sorted.

    Chernozhukov, Fernandez-Val & Galichon, Quantile and probability curves without crossing, 2010, who show
    that sorting never brings quantiles further from the true ones.
    """

    def forward(self, outputs: Tensor) -> Tensor:
        """``(N, quantiles)`` to the same shape."""
        return outputs.sort(1).values


class ThresholdLink(nn.Module):
    """The logits of being above each class but the highest, from one score: a bias for each threshold.

    Cao, Mirjalili & Raschka 2020, section 3.3. At first all classes are equally likely where the score is 0.

    Args:
        classes: the number of classes.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        above = [(classes - place) / place for place in range(1, classes)]
        self.biases = nn.Parameter(torch.tensor([math.log(ratio) for ratio in above]))

    def forward(self, outputs: Tensor) -> Tensor:
        """``(N, 1)`` to ``(N, classes - 1)``."""
        return outputs + self.biases


def linked(task: Task, features: int) -> tuple[nn.Linear, nn.Module | None]:
    """Returns the linear map of a head from so many features, and the link after it; None: there is none."""
    if isinstance(task, Ordinal):
        return nn.Linear(features, 1, bias=False), ThresholdLink(task.classes)
    linear = nn.Linear(features, task.outputs)
    if isinstance(task, CountRegression):
        return linear, PositiveLink()
    return linear, AscendingLink() if isinstance(task, QuantileRegression) else None
