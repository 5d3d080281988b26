"""The kinds of input that a model can receive: images, sequences, tokens, vectors, rows of tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from search_spaces.arguments import Count, Whole, checked, is_whole
from search_spaces.errors import SpaceError

if TYPE_CHECKING:
    import torch

MOST_CATEGORIES = 2**24
"""The largest count of categories of a column: up to there float32 holds every whole number."""


@dataclass(frozen=True)
class Input:
    """One modality a model receives: `Image`, `Sequence`, `Tokens`, `Vector` or `TabularRow`."""

    dtype: ClassVar[str] = "float32"
    """The name of the type of its values in torch."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example, without the batch axis."""
        raise NotImplementedError

    @property
    def scale_shape(self) -> tuple[int, ...] | None:
        """The shape of the means and scales that standardise it, one for each channel or feature, to be
        broadcast against examples; None: it is not of real numbers. The categories of a row have mean 0 and
        scale 1."""
        return None

    def mask(self, values: torch.Tensor) -> torch.Tensor | None:
        """Returns which positions of examples are real, bool ``(N, L)``; None: all are, there is no padding.

        Args:
            values: examples of this kind, ``(N, *shape)``.
        """
        return None

    def cut(self, values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Returns the same examples with padding after so many positions; as they are where it has none.

        Args:
            values: examples of this kind, ``(N, *shape)``.
            lengths: the number of positions that stay real in each, int64 ``(N,)``.
        """
        return values

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

    @checked(SpaceError)
    def random(self, batch: Whole, generator: torch.Generator | None = None) -> torch.Tensor:
        """Returns a batch at random, ``(batch, *shape)``, without padding: numbers of a normal distribution,
        tokens, categories.

        Args:
            batch: the number of examples.
            generator: what draws them, on the CPU; None: that of torch.
        """
        import torch

        return torch.randn((batch, *self.shape), generator=generator)

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
    """Series of feature vectors: float tensors ``(N, length, features)``.

    Attributes:
        length: the number of steps; where series are padded, that of the longest.
        features: the number of features of a step.
        padded: whether series have different lengths. Then a step that is NaN in all its features is padding;
            it comes after all real steps. What a network answers does not depend on how much there is.

    Example:
        >>> Sequence(200, 3, padded=True)  # up to 200 steps
    """

    length: Count
    features: Count
    padded: bool = False

    def __repr__(self) -> str:
        padded = ", padded=True" if self.padded else ""
        return f"Sequence(length={self.length}, features={self.features}{padded})"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length, self.features)

    @property
    def scale_shape(self) -> tuple[int, ...]:
        return (self.features,)

    def mask(self, values: torch.Tensor) -> torch.Tensor | None:
        return ~values.isnan().all(2) if self.padded else None

    def cut(self, values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        if not self.padded:
            return values
        return values.masked_fill(~_first(lengths, values.shape[1]).unsqueeze(2), math.nan)


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

    def mask(self, values: torch.Tensor) -> torch.Tensor | None:
        return values != 0

    def cut(self, values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return values * _first(lengths, values.shape[1])

    @checked(SpaceError)
    def random(self, batch: Whole, generator: torch.Generator | None = None) -> torch.Tensor:
        import torch

        low = min(1, self.vocabulary - 1)
        return torch.randint(low, self.vocabulary, (batch, *self.shape), generator=generator)


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


@checked(SpaceError, elsewhere=("categories",))
@dataclass(frozen=True)
class TabularRow(Input):
    """Rows of tables: float32 tensors ``(N, numbers + len(categories))``.

    First come the real numbers. Then comes for each categorical column the number of its category, as a float
    that holds a whole number in ``[0, count)``; 0 stands for a value that is missing, or that no training has
    seen. Only the numbers are standardised.

    Attributes:
        numbers: the number of columns that hold real numbers.
        categories: the count of categories of each other column, with 0: each from 2 to 2**24.

    Example:
        >>> TabularRow(2, categories=(4,)).shape  # a row such as [0.5, -1.25, 3.0]
        (3,)

    Raises:
        SpaceError: no columns, or a count of categories that is too small or too large.
    """

    numbers: Whole
    categories: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "categories", _counts(self.categories))
        if not self.num_values:
            raise SpaceError("TabularRow: expected at least one column, got TabularRow(numbers=0)")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.numbers + len(self.categories),)

    @property
    def scale_shape(self) -> tuple[int, ...] | None:
        return self.shape if self.numbers else None

    @checked(SpaceError)
    def random(self, batch: Whole, generator: torch.Generator | None = None) -> torch.Tensor:
        import torch

        numbers = torch.randn((batch, self.numbers), generator=generator)
        columns = [torch.randint(count, (batch, 1), generator=generator) for count in self.categories]
        return torch.cat([numbers, *columns], 1)


def _first(lengths: torch.Tensor, length: int) -> torch.Tensor:
    """Which of ``length`` positions are among the first so many: bool ``(N, length)``."""
    import torch

    return torch.arange(length, device=lengths.device) < lengths.unsqueeze(1)


def _counts(categories: Any) -> tuple[int, ...]:
    """Counts of categories, as Python's own numbers."""
    where = "TabularRow(categories=...)"
    try:
        counts = None if isinstance(categories, str) else tuple(categories)
    except TypeError:  # it is one thing
        counts = None
    if counts is None:
        raise SpaceError(
            f"{where}: expected the count of categories of each categorical column, such as (3, 12), got "
            f"{categories!r:.80}"
        )
    for place, count in enumerate(counts):
        if not is_whole(count) or not 2 <= count <= MOST_CATEGORIES:
            raise SpaceError(
                f"{where}, column {place}: expected a whole number from 2 to 2**24 (category 0 stands for "
                f"missing values), got {count!r:.80}"
            )
    return tuple(int(count) for count in counts)
