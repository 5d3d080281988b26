"""What standardises numbers inside a network: ``(x - mean) / scale``, and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Standardisation(nn.Module):
    """The mean and the scale by which an input, or the targets of a task, are standardised.

    They are buffers, which go with a network's weights. A network as it is built has none, and everything
    passes as it is; a training sets them from what it trains on.

    Args:
        shape: the shape of both buffers (`search_spaces.inputs.Input.scale_shape`,
            `search_spaces.tasks.Task.scale_shape`); None: there are no numbers to be standardised.
    """

    mean: Tensor | None
    scale: Tensor | None

    def __init__(self, shape: tuple[int, ...] | None) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("mean", None)
        self.register_buffer("scale", None)

    @property
    def is_open(self) -> bool:
        """Whether there are numbers to be standardised, and nobody has set how."""
        return self.shape is not None and self.mean is None

    def set(self, mean: Tensor, scale: Tensor) -> None:
        """Sets both, in place of what was there.

        Args:
            mean, scale: float tensors of the shape of the buffers, on the network's device; scales above 0.

        Raises:
            ValueError: they are of another shape.
        """
        if not mean.shape == scale.shape == self.shape:
            raise ValueError(
                f"expected a mean and a scale of shape {self.shape}, got {tuple(mean.shape)} and "
                f"{tuple(scale.shape)}"
            )
        self.mean, self.scale = mean, scale

    def be_identity(self, device: torch.device | None = None) -> None:
        """Sets mean 0 and scale 1, on a device.

        Raises:
            ValueError: there are no numbers to be standardised.
        """
        if self.shape is None:
            raise ValueError("expected an input or a task of real numbers")
        self.set(torch.zeros(self.shape, device=device), torch.ones(self.shape, device=device))

    def take(self, other: Standardisation) -> None:
        """Takes over how another one of the same shape standardises."""
        self.mean, self.scale = other.mean, other.scale

    def clear(self) -> None:
        """Lets everything pass as it is, as in a network that was just built."""
        self.mean = self.scale = None

    def forward(self, values: Tensor) -> Tensor:
        """Standardised values, from those of the data; of any shape with which ``shape`` can be broadcast."""
        return values if self.mean is None or self.scale is None else (values - self.mean) / self.scale

    def undo(self, values: Tensor) -> Tensor:
        """Values in the units of the data, from standardised ones."""
        return values if self.mean is None or self.scale is None else values * self.scale + self.mean
