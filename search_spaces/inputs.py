"""The kinds of input that a model can receive: images, sequences, tokens, vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from search_spaces.arguments import Count, Whole, checked
from search_spaces.errors import SpaceError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Input:
    """One modality a model receives; see its kinds `Image`, `Sequence`, `Tokens` and `Vector`."""

    dtype: ClassVar[str] = "float32"
    """The name of the type of its values in torch."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example, without the batch axis."""
        raise NotImplementedError

    @property
    def scale_shape(self) -> tuple[int, ...] | None:
        """The shape of the means and scales that standardise it, one for each channel or feature, to be
        broadcast against examples; None: it is not of real numbers."""
        return None

    @checked(SpaceError)
    def example(self, batch: Whole, device: torch.device | str = "cpu") -> torch.Tensor:
        """Returns a batch of zeros of this kind: float or int64, ``(batch, *shape)``.

        Raises:
            SpaceError: there is no such device, or no room on it.
        """
        import torch

        try:
            return torch.zeros((batch, *self.shape), dtype=getattr(torch, self.dtype), device=device)
        except (RuntimeError, AssertionError, OverflowError, TypeError) as error:
            why = str(error).splitlines()[0]
            raise SpaceError(f"example: no {batch} of {self} on {device!s:.40}: {why:.200}") from error

    @property
    def num_values(self) -> int:
        """The number of values in one example."""
        return math.prod(self.shape)


@checked(SpaceError)
@dataclass(frozen=True)
class Image(Input):
    """Images: float tensors ``(N, channels, height, width)``."""

    channels: Count
    height: Count
    width: Count

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, self.height, self.width)

    @property
    def scale_shape(self) -> tuple[int, ...]:
        return (self.channels, 1, 1)


@checked(SpaceError)
@dataclass(frozen=True)
class Sequence(Input):
    """Series of feature vectors: float tensors ``(N, length, features)``."""

    length: Count
    features: Count

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length, self.features)

    @property
    def scale_shape(self) -> tuple[int, ...]:
        return (self.features,)


@checked(SpaceError)
@dataclass(frozen=True)
class Tokens(Input):
    """Texts as token numbers: int64 tensors ``(N, length)``, values in ``[0, vocabulary)``, 0 is padding."""

    length: Count
    vocabulary: Count
    dtype = "int64"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length,)


@checked(SpaceError)
@dataclass(frozen=True)
class Vector(Input):
    """Feature vectors: float tensors ``(N, features)``."""

    features: Count

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.features,)

    @property
    def scale_shape(self) -> tuple[int, ...]:
        return (self.features,)
