"""What joins the streams of several tasks: cross-stitch, attention masks, routes, task attention."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.blocks import masks
from search_spaces.blocks.backbone.links import Masks, resized
from search_spaces.blocks.parallel import concatenate
from search_spaces.blocks.pooling import num_features


def _over_features(vector: Tensor, like: Tensor) -> Tensor:
    """``(F,)`` or ``(N, F)`` laid along the features of a vector, a sequence or a map."""
    if like.dim() == 3 and vector.dim() == 2:
        return vector.unsqueeze(1)
    return vector if like.dim() < 4 else vector.reshape(*vector.shape, *[1] * (like.dim() - 2))


class Stitch(nn.Module):
    """One row of a cross-stitch unit: a task's own stream and a share of the others', for each feature.

    Misra et al., Cross-stitch Networks for Multi-task Learning, 2016, equation 1; its initial values.

    Args:
        in_shapes: the shape of one example of each task's stream, all equal, the own first.
        own: the share of the own stream to begin with; the others share the rest.
    """

    def __init__(self, in_shapes: Sequence[Sequence[int]], own: float = 0.9) -> None:
        super().__init__()
        weights = torch.full(
            (len(in_shapes), num_features(in_shapes[0])), (1 - own) / max(1, len(in_shapes) - 1)
        )
        weights[0] = own
        self.weights = nn.Parameter(weights)

    def forward(self, *values: Tensor) -> Tensor:
        """Streams of equal shape ``(N, ...)`` to one of that shape."""
        total = values[0] * _over_features(self.weights[0], values[0])
        for weight, value in zip(self.weights[1:], values[1:], strict=True):
            total = total + value * _over_features(weight, value)
        return total


class TaskMask(nn.Module):
    """A task's soft attention mask on a shared feature, given what it has attended to before.

    Liu et al., End-to-End Multi-Task Learning with Attention (MTAN), 2019, equation 1: two pointwise maps
    with a normalisation and ReLU between, then a sigmoid, times the shared feature.

    Args:
        in_shapes: the shapes of one example of the shared feature, and of the task's feature one stage before
            if there is one.
    """

    def __init__(self, in_shapes: Sequence[Sequence[int]]) -> None:
        super().__init__()
        features = num_features(in_shapes[0])
        hidden = max(8, features // 2)
        self.inner = nn.Linear(sum(map(num_features, in_shapes)), hidden)
        self.norm = nn.LayerNorm(hidden)
        self.outer = nn.Linear(hidden, features)

    def forward(self, *values: Tensor) -> Tensor:
        """The shared feature ``(N, ...)`` and the earlier one, to one of the shared feature's shape."""
        last = [self._last(value, values[0]) for value in values]
        inner = F.relu(self.norm(self.inner(torch.cat(last, -1))))
        mask = torch.sigmoid(self.outer(inner))
        return values[0] * (mask.movedim(-1, 1) if values[0].dim() > 3 else mask)

    def _last(self, value: Tensor, shared: Tensor) -> Tensor:
        """With the positions of the shared feature, and features on the last axis."""
        if value.dim() > 2:
            value = resized(value, shared.shape[1:])
        return value.movedim(1, -1) if value.dim() > 3 else value


class Route(nn.Module):
    """A task's mixture of experts: how much of each, its input decides.

    Ma et al., Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts, 2018,
    equations 6 and 7; here at every stage, as in routing networks.

    Args:
        in_shapes: the shapes of one example of the stage's input and of each expert's answer, the latter all
            equal.
    """

    def __init__(self, in_shapes: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.gate = nn.Linear(num_features(in_shapes[0]), len(in_shapes) - 1)

    def forward(self, input: Tensor, *answers: Tensor, masks: Masks = None) -> Tensor:
        """The input and the experts' answers ``(N, ...)`` to one of the answers' shape."""
        shares = self.gate(mean_of(input, masks)).softmax(-1)
        total = answers[0] * _over_features(shares[:, :1], answers[0])
        for i, answer in enumerate(answers[1:], start=1):
            total = total + answer * _over_features(shares[:, i : i + 1], answer)
        return total


class TaskAttention(nn.Module):
    """Task-level attention: to a task's feature is added what it finds in those of all tasks.

    Args:
        in_shapes: the shape of one example of each task's feature, the own first.
    """

    def __init__(self, in_shapes: Sequence[Sequence[int]]) -> None:
        super().__init__()
        sizes = [num_features(shape) for shape in in_shapes]
        self.width = sizes[0]
        self.query = nn.Linear(self.width, self.width)
        self.keys = nn.ModuleList(nn.Linear(size, 2 * self.width) for size in sizes)

    def forward(self, *values: Tensor, masks: Masks = None) -> Tensor:
        """Features ``(N, ...)`` to one of the first's shape."""
        vectors = [mean_of(value, masks, i) for i, value in enumerate(values)]
        pairs = torch.stack([embed(vector) for embed, vector in zip(self.keys, vectors, strict=True)], 1)
        key, content = pairs.chunk(2, 2)
        scores = (self.query(vectors[0]).unsqueeze(1) * key).sum(2) / self.width**0.5
        found = (scores.softmax(1).unsqueeze(2) * content).sum(1)
        return values[0] + _over_features(found, values[0])


class Beside(nn.Module):
    """Features side by side, as a shared and a private stream (Liu et al. 2017, equation 8)."""

    def forward(self, *values: Tensor) -> Tensor:
        """Tensors ``(N, ...)`` of equal positions to one with the features of all."""
        return concatenate(values)


class Average(nn.Module):
    """The mean of several vectors: what the streams of several tasks say together."""

    def forward(self, *values: Tensor) -> Tensor:
        """Vectors ``(N, F)`` to one."""
        return torch.stack(values).mean(0)


class Pool(nn.Module):
    """Any feature as a vector: the mean over its positions."""

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(N, F)``, ``(N, L, F)`` or ``(N, C, H, W)`` to ``(N, F)``."""
        return masks.mean(input, mask)


def mean_of(value: Tensor, given: Masks, place: int = 0) -> Tensor:
    """The mean over the positions of a source, which came with the masks of all of them."""
    return masks.mean(value, given[place] if given else None)
