"""Heads: from a body's features to the answer of one task.

A head is made as ``head(task, shape, **options)``, its options being what a space may search, and answers
``head(features, mask)``. A head whose loss needs more than its answer has a method
``loss(features, target, mask)`` too; for the others see `workers.training.metrics.task_loss`.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.arguments import checked
from search_spaces.blocks.heads.generation import GenerationHead
from search_spaces.blocks.heads.links import linked
from search_spaces.blocks.heads.retrieval import RetrievalHead
from search_spaces.blocks.pooling import Pooling, before_last, num_features, to_length
from search_spaces.errors import BuildError, SpaceError
from search_spaces.tasks import DenseMap, Generation, Retrieval, Tagging, Task


class Head(nn.Module):
    """A linear map from features to the outputs of a task of classes, of numbers or of tags.

    What such a task cannot have for an answer is kept out by a link after it (see
    `search_spaces.blocks.heads.links`): counts below 0, quantiles that cross, classes that have no order.

    Features may be a vector ``(N, F)``, a sequence ``(N, L, F)`` or a map ``(N, C, H, W)``, even in three
    dimensions. Sequences and maps are pooled over their positions first, except for tagging, which answers
    every position of a sequence.

    Args:
        task: the task to answer.
        shape: the shape of one example's features, without the batch axis.
        pooling: ``mean``, ``max`` or ``attention``; see `Pooling`.
        hidden: the number of units of a layer before the last; 0: no such layer.
        dropout: the probability that a feature is left out before the last layer in training.
        length: the number of positions that tagging answers, from the nearest ones where features have fewer;
            with None as many as the features have.

    Raises:
        BuildError: features of no such shape, or a task of another kind.
        ValueError: an option out of range.
    """

    def __init__(
        self,
        task: Task,
        shape: tuple[int, ...],
        pooling: str = "mean",
        hidden: int = 0,
        dropout: float = 0.0,
        length: int | None = None,
    ) -> None:
        super().__init__()
        kind = type(task).__name__.lower()
        if isinstance(task, DenseMap | Generation | Retrieval):
            raise BuildError(f"Head answers in classes, numbers and tags, got a {kind} task")
        self.tagging, self.length = isinstance(task, Tagging), length
        if not (len(shape) == 2 if self.tagging else 1 <= len(shape) <= 4):
            expected = "(length, features)" if self.tagging else "a vector, a sequence or a map"
            raise BuildError(f"the head of a {kind} task: expected {expected}, got features {shape}")
        if not self.tagging:
            self.pool = Pooling(shape, pooling)
        self.before, features = before_last(num_features(shape), hidden, dropout)
        self.linear, self.link = linked(task, features)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features to ``(N, outputs)``, or ``(N, L, outputs)`` when tagging."""
        if self.tagging:
            return to_length(self.linear(self.before(features)), self.length)
        answer: Tensor = self.linear(self.before(self.pool(features, mask)))
        return answer if self.link is None else self.link(answer)


class DenseHead(nn.Module):
    """Convolutions of one pixel, then bilinear interpolation: from a map to an answer for each point.

    Args:
        task: a `DenseMap`.
        shape: the shape of one example's features, ``(C, H, W)``.
        hidden: the number of channels of a layer before the last; 0: no such layer.
        dropout: the probability that a whole channel is left out before the last layer in training.

    Raises:
        BuildError: features of another shape, or a task of another kind.
    """

    def __init__(self, task: Task, shape: tuple[int, ...], hidden: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        if not isinstance(task, DenseMap) or len(shape) != 3:
            raise BuildError(f"DenseHead: expected a DenseMap task and a map (C, H, W), got {task}, {shape}")
        self.size = (task.height, task.width)
        layers: list[nn.Module] = [nn.Conv2d(shape[0], hidden, 1), nn.ReLU()] if hidden else []
        self.before = nn.Sequential(*layers, *([nn.Dropout2d(dropout)] if dropout else []))
        self.last = nn.Conv2d(hidden or shape[0], task.outputs, 1)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(N, C, H', W')`` to ``(N, outputs, height, width)``."""
        answer: Tensor = self.last(self.before(features))
        if answer.shape[2:] == self.size:
            return answer
        return F.interpolate(answer, self.size, mode="bilinear", align_corners=False)


@checked(SpaceError)
def default_head(task: Task) -> type[nn.Module]:
    """The head of a task for which a space names none."""
    if isinstance(task, Retrieval):
        return RetrievalHead
    if isinstance(task, Generation):
        return GenerationHead
    return DenseHead if isinstance(task, DenseMap) else Head
