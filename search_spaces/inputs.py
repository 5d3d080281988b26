"""The kinds of input that a model can receive: images, sequences, tokens, vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from search_spaces.arguments import is_whole, plain
from search_spaces.errors import SpaceError

if TYPE_CHECKING:
    import torch


def check_positive(owner: object) -> None:
    """Refuses whole numbers below 1 in the fields that hold one; makes those of other libraries Python's."""
    for f in fields(owner):  # type: ignore[arg-type]
        value = plain(getattr(owner, f.name))
        if f.type != "int":
            continue
        if not is_whole(value) or value < 1:
            raise SpaceError(
                f"{type(owner).__name__}({f.name}=...): expected a whole number >= 1, got {value!r:.80}"
            )
        object.__setattr__(owner, f.name, int(value))


@dataclass(frozen=True)
class Input:
    """One modality a model receives; see its kinds `Image`, `Sequence`, `Tokens` and `Vector`."""

    def __post_init__(self) -> None:
        check_positive(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example, without the batch axis."""
        raise NotImplementedError

    @property
    def scale_shape(self) -> tuple[int, ...] | None:
        """The shape of the means and scales that standardise it, one for each channel or feature, to be
        broadcast against examples; None: it is not of real numbers."""
        return None

    def example(self, batch: int, device: str = "cpu") -> torch.Tensor:
        """Returns a batch of zeros of this kind: float, ``(batch, *shape)``."""
        import torch

        return torch.zeros((batch, *self.shape), device=device)

    @property
    def num_values(self) -> int:
        """The number of values in one example."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Image(Input):
    """Images: float tensors ``(N, channels, height, width)``."""

    channels: int
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, self.height, self.width)

    @property
    def scale_shape(self) -> tuple[int, ...]:
        return (self.channels, 1, 1)


@dataclass(frozen=True)
class Sequence(Input):
    """Series of feature vectors: float tensors ``(N, length, features)``."""

    length: int
    features: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length, self.features)

    @property
    def scale_shape(self) -> tuple[int, ...]:
        return (self.features,)


@dataclass(frozen=True)
class Tokens(Input):
    """Texts as token numbers: int64 tensors ``(N, length)``, values in ``[0, vocabulary)``, 0 is padding."""

    length: int
    vocabulary: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length,)

    def example(self, batch: int, device: str = "cpu") -> torch.Tensor:
        import torch

        return torch.zeros((batch, *self.shape), dtype=torch.int64, device=device)


@dataclass(frozen=True)
class Vector(Input):
    """Feature vectors: float tensors ``(N, features)``."""

    features: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.features,)

    @property
    def scale_shape(self) -> tuple[int, ...]:
        return (self.features,)
