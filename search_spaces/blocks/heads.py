"""Heads: from a body's features to the answer of one task."""

from __future__ import annotations

from torch import Tensor, nn

from search_spaces.errors import BuildError
from search_spaces.signature import Tagging, Task


class Head(nn.Module):
    """A linear map from features to the outputs of a task.

    Features may be a vector ``(N, F)``, a series ``(N, L, F)`` or a map ``(N, C, H, W)``, even in three
    dimensions. Series and maps are averaged over their positions first, except for tagging, which answers
    every position of a series.

    Args:
        task: what to answer.
        shape: shape of one example's features, without the batch axis.

    Raises:
        BuildError: features of no such shape.
    """

    def __init__(self, task: Task, shape: tuple[int, ...]) -> None:
        super().__init__()
        tagging = isinstance(task, Tagging)
        if not (len(shape) == 2 if tagging else 1 <= len(shape) <= 4):
            expected = "(length, features)" if tagging else "a vector, a series or a map"
            kind = type(task).__name__.lower()
            raise BuildError(f"the head of a {kind} task: expected {expected}, got features {shape}")
        self.positions: tuple[int, ...] = ()
        if not tagging:
            self.positions = {1: (), 2: (1,), 3: (2, 3), 4: (2, 3, 4)}[len(shape)]
        features = shape[0] if len(shape) > 2 else shape[-1]
        self.linear = nn.Linear(features, task.outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Features to ``(N, outputs)``, or ``(N, L, outputs)`` when tagging."""
        if self.positions:
            features = features.mean(self.positions)
        answer: Tensor = self.linear(features)
        return answer
