"""What the metrics of one task are summed by: the base of all such sums."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class MetricSums(ABC):
    """Sums over batches for a task's metrics, kept on the device: nothing is read back until the end."""

    @abstractmethod
    def add(self, output: Tensor, target: Tensor) -> None:
        """Counts answers (float32) and targets of the task's form."""

    @abstractmethod
    def result(self) -> dict[str, float]:
        """Returns the metrics by name, the loss first; none where nothing was counted."""


def check_shape(output: Tensor, expected: tuple[int, ...]) -> None:
    """Check that an answer has the shape that its task asks for.

    Raises:
        ValueError: it has not.
    """
    if tuple(output.shape) != expected:
        raise ValueError(f"expected an answer of shape {expected}, got {tuple(output.shape)}")
