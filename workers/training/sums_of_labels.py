"""The metrics of tasks of several labels at once, and of classes that have an order."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from search_spaces.tasks import reached
from workers.training.losses import rank_loss
from workers.training.sums import MetricSums, check_shape


class LabelSums(MetricSums):
    """Loss, F1 and mean average precision of several labels: logits ``(N, classes)``.

    F1 is that of all labels of all examples together (micro), by probabilities of at least one half; 0 where
    there are none. The mean of the average precision is over the classes that some example has (macro).

    Args:
        classes: the number of classes.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.answers: list[Tensor] = []
        self.targets: list[Tensor] = []

    def add(self, output: Tensor, target: Tensor) -> None:
        check_shape(output, (len(target), self.classes))
        self.answers.append(output)
        self.targets.append(target)

    def result(self) -> dict[str, float]:
        if not self.targets:
            return {}
        output, target = torch.cat(self.answers), torch.cat(self.targets)
        loss = F.binary_cross_entropy_with_logits(output.double(), target.double())
        wanted, answered = target > 0, output >= 0
        hits, errors = int((wanted & answered).sum()), int((wanted ^ answered).sum())
        precisions, there = average_precisions(output, wanted), wanted.any(0)
        return {
            "loss": float(loss),
            "f1": 2 * hits / (2 * hits + errors) if hits else 0.0,
            "mean_average_precision": float(precisions.sum() / there.sum().clamp(min=1)),
        }


def average_precisions(scores: Tensor, wanted: Tensor) -> Tensor:
    """Returns for each class the mean, over the examples that have it, of the precision among all examples
    of at least their score.

    Args:
        scores: the scores ``(N, classes)``; examples of equal score are found together.
        wanted: which examples have which class, bool ``(N, classes)``.

    Returns:
        float64 ``(classes,)``; 0 for a class that none has.
    """
    scores, wanted = scores.T.contiguous(), wanted.T
    ascending, order = scores.sort(1)
    lower = torch.searchsorted(ascending, scores)  # how many examples have a lower score
    hits = F.pad(wanted.gather(1, order).cumsum(1), (1, 0))  # and how many of the wanted ones, by that number
    total = hits[:, -1:]
    precision = (total - hits.gather(1, lower)).double() / (scores.shape[1] - lower)
    return (precision * wanted).sum(1) / total.squeeze(1).clamp(min=1)


class RankSums(MetricSums):
    """Loss, accuracy and mean absolute error in classes of classes with an order: ``(N, classes - 1)``.

    Args:
        classes: the number of classes.
        device: the device of the answers.
    """

    def __init__(self, classes: int, device: torch.device) -> None:
        self.classes = classes
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.hits, self.errors = torch.zeros(2, dtype=torch.int64, device=device)
        self.count = 0

    def add(self, output: Tensor, target: Tensor) -> None:
        check_shape(output, (len(target), self.classes - 1))
        away = (reached(output) - target).abs()
        self.loss += rank_loss(output, target).sum()
        self.hits += (away == 0).sum()
        self.errors += away.sum()
        self.count += len(target)

    def result(self) -> dict[str, float]:
        count = self.count
        if not count:
            return {}
        return {
            "loss": float(self.loss) / count,
            "accuracy": int(self.hits) / count,
            "mae": int(self.errors) / count,
        }
