"""The metrics of one task, summed over batches on the device and read out once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from search_spaces.blocks.heads.generation import written
from search_spaces.blocks.heads.retrieval import TEMPERATURE, contrastive_loss
from search_spaces.tasks import (
    IGNORED,
    Classification,
    CountRegression,
    DenseMap,
    Generation,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Retrieval,
    Tagging,
    Task,
)
from workers.problems.measures import RANKS
from workers.training.entities import EntityCounts
from workers.training.sums import MetricSums, check_shape
from workers.training.sums_of_labels import LabelSums, RankSums
from workers.training.sums_of_numbers import PinballSums, PoissonSums, SquaredErrorSums

_QUERIES = 1024
"""Compared with the whole gallery at once."""
_CONTRASTED = 256
"""Items of one contrastive loss: of a fixed number, for it grows with them."""


def metric_sums_of(task: Task, device: torch.device, scale: Tensor | None = None) -> MetricSums:
    """Returns sums of nothing yet for a task, on the device of its answers.

    Args:
        task: the task.
        device: the device.
        scale: the unit of the loss for each output, where the task is one of numbers; None: 1.
    """
    if isinstance(task, Tagging) and task.labels:
        return _EntityF1(task, device)
    if isinstance(task, Classification | Tagging):
        return _Accuracy(device)
    if isinstance(task, Retrieval):
        return _Recall()
    if isinstance(task, Generation):
        return _TextAccuracy(device)
    if isinstance(task, DenseMap) and task.discrete:
        return _IntersectionOverUnion(task.outputs, device)
    if isinstance(task, MultiLabel):
        return LabelSums(task.classes)
    if isinstance(task, Ordinal):
        return RankSums(task.classes, device)
    if isinstance(task, CountRegression):
        return PoissonSums(scale)
    if isinstance(task, QuantileRegression):
        return PinballSums(task.quantiles, scale)
    return SquaredErrorSums(scale)


class _Accuracy(MetricSums):
    """Loss and accuracy of classification ``(N, classes)`` and tagging ``(N, L, tags)``."""

    def __init__(self, device: torch.device) -> None:
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.hits = torch.zeros((), dtype=torch.int64, device=device)
        self.count = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, output: Tensor, target: Tensor) -> None:
        check_shape(output, (*target.shape, output.shape[-1]))
        logits, classes = output.reshape(-1, output.shape[-1]), target.reshape(-1)
        self.loss += F.cross_entropy(logits, classes, ignore_index=IGNORED, reduction="sum")
        self.hits += (logits.argmax(1) == classes).sum()
        self.count += (classes != IGNORED).sum()

    def result(self) -> dict[str, float]:
        count = int(self.count)
        return {"loss": float(self.loss) / count, "accuracy": int(self.hits) / count} if count else {}


class _EntityF1(_Accuracy):
    """Loss, accuracy and the F1 of entities of tagging ``(N, L, tags)`` whose tags have names."""

    def __init__(self, task: Tagging, device: torch.device) -> None:
        super().__init__(device)
        self.entities = EntityCounts(task.labels, device)

    def add(self, output: Tensor, target: Tensor) -> None:
        super().add(output, target)
        self.entities.add(output.argmax(2), target)

    def result(self) -> dict[str, float]:
        values = super().result()
        if not values:
            return {}
        return {"loss": values["loss"], "f1": self.entities.f1(), "accuracy": values["accuracy"]}


class _Recall(MetricSums):
    """Loss and recall of retrieval ``(N, 2, features)``: for what part of the queries a match is found.

    The gallery is all that was counted. A query's match is among the first k where fewer than k of the
    gallery that do not match are as near to it as its nearest match. The loss is that of items in the order
    in which they came, `_CONTRASTED` at once, at the temperature where learning begins.
    """

    def __init__(self) -> None:
        self.embeddings: list[Tensor] = []
        self.items: list[Tensor] = []

    def add(self, output: Tensor, target: Tensor) -> None:
        check_shape(output, (len(target), 2, output.shape[-1]))
        self.embeddings.append(output)
        self.items.append(target)

    def result(self) -> dict[str, float]:
        if not self.items:
            return {}
        (query, gallery), items = torch.cat(self.embeddings).unbind(1), torch.cat(self.items)
        loss = torch.zeros((), dtype=torch.float64, device=query.device)
        for part in _slices(len(items), _CONTRASTED):
            mean = contrastive_loss(query[part], gallery[part], items[part], 1 / TEMPERATURE)
            loss += mean * (part.stop - part.start)
        found = torch.zeros(len(RANKS), dtype=torch.int64, device=query.device)
        ranks = torch.tensor(RANKS, device=query.device)
        for part in _slices(len(items), _QUERIES):
            nearness = query[part] @ gallery.T
            matches = items[part].unsqueeze(1) == items
            best = nearness.masked_fill(~matches, float("-inf")).amax(1, keepdim=True)
            before = ((nearness >= best) & ~matches).sum(1)
            found += (before.unsqueeze(1) < ranks).sum(0)
        recalls = (found.double() / len(items)).tolist()
        names = (f"recall_at_{rank}" for rank in RANKS)
        return {"loss": float(loss) / len(items), **dict(zip(names, recalls, strict=True))}


class _TextAccuracy(MetricSums):
    """Loss and accuracy of the tokens of texts ``(N, length, vocabulary)``, each up to the target's end, and
    the part of the texts that are right as a whole."""

    def __init__(self, device: torch.device) -> None:
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.hits, self.count, self.whole = torch.zeros(3, dtype=torch.int64, device=device)
        self.texts = 0

    def add(self, output: Tensor, target: Tensor) -> None:
        check_shape(output, (*target.shape, output.shape[-1]))
        counts = written(target)
        losses = F.cross_entropy(output.flatten(0, 1), target.flatten(), reduction="none")
        right = output.argmax(2) == target
        self.loss += (losses * counts.flatten()).sum()
        self.hits += (right & counts).sum()
        self.count += counts.sum()
        self.whole += (right | ~counts).all(1).sum()
        self.texts += len(target)

    def result(self) -> dict[str, float]:
        if not self.texts:
            return {}
        count = int(self.count)
        return {
            "loss": float(self.loss) / count,
            "accuracy": int(self.hits) / count,
            "exact": int(self.whole) / self.texts,
        }


class _IntersectionOverUnion(MetricSums):
    """Loss, mean intersection over union and accuracy of maps of classes ``(N, classes, H, W)``.

    The mean is over the classes that are in targets or in answers.
    """

    def __init__(self, classes: int, device: torch.device) -> None:
        self.classes = classes
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.confusion = torch.zeros((classes, classes), dtype=torch.int64, device=device)

    def add(self, output: Tensor, target: Tensor) -> None:
        check_shape(output, (len(target), self.classes, *target.shape[1:]))
        self.loss += F.cross_entropy(output, target, ignore_index=IGNORED, reduction="sum")
        pairs = target * self.classes + output.argmax(1)
        # one more place, for points that are ignored
        pairs = pairs.masked_fill(target == IGNORED, self.classes**2).flatten()
        # not bincount, which waits for the device to know its largest number
        counts = pairs.new_zeros(self.classes**2 + 1).index_add_(0, pairs, torch.ones_like(pairs))
        self.confusion += counts[:-1].view(self.classes, self.classes)

    def result(self) -> dict[str, float]:
        confusion = self.confusion.double().cpu()
        count, right = float(confusion.sum()), confusion.diagonal()
        if not count:
            return {}
        union = confusion.sum(0) + confusion.sum(1) - right
        return {
            "loss": float(self.loss) / count,
            "miou": float((right / union)[union > 0].mean()),
            "accuracy": float(right.sum()) / count,
        }


def _slices(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
