"""What all parts of a problem together show of an array: what it holds, its shape, its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from search_spaces.errors import ProblemError
from workers.problems.arrays import Array, kind_of_numbers, shape_of_many
from workers.problems.lengths import is_padded

UNNAMED = ""
"""The name of a lone array until its kind is known."""

SHOWN = 12
"""The number of values, and of names of classes, up to which a message lists all."""


@dataclass(frozen=True)
class Seen:
    """What all parts of a problem together show of an array.

    Attributes:
        name: the name of the array; `UNNAMED` for a lone one.
        code: how it is called in the lines that a message offers.
        numbers: what it holds, as `kind_of_numbers` says it.
        shape: the shape of one example.
        dtype: its dtype in words.
        values: the different values, ascending, of a target; of an input's whole numbers the least and the
            largest, of its words some; else none.
        counts: how often each value of a target occurs.
        finite: whether all its numbers are.
        padded: whether it is of series some of which end before the last step: steps of NaN come after.
    """

    name: str
    code: str
    numbers: str
    shape: tuple[int, ...]
    dtype: str
    values: Sequence[Any] = ()
    counts: Sequence[int] = ()
    finite: bool = True
    padded: bool = False

    @property
    def what(self) -> str:
        """The array in words: dtype and shape."""
        return f"{self.dtype} {shape_of_many(self.shape)}"

    @property
    def whole(self) -> bool:
        """Whether all its values are known to be whole numbers."""
        return bool(self.values) and self.finite and all(value == int(value) for value in self.values)

    @property
    def top(self) -> int:
        """The number of classes or tokens, if the values are their numbers from 0."""
        return int(max(self.values)) + 1 if self.values else 1


def seen(
    where: str, name: str, code: str, parts: Mapping[str, tuple[Array, Tensor | None]], *, target: bool
) -> Seen:
    """Returns what all parts together show of an array.

    Args:
        where: the array in words, for the message.
        name: its name.
        code: how it is called in the lines that a message offers.
        parts: the array in each part, and the mask of the examples that have it.
        target: whether it is a target: of these all values are looked at.

    Raises:
        ProblemError: the parts differ in shape, or in what they hold.
    """
    shapes = {part: tuple(array.shape[1:]) for part, (array, _) in parts.items()}
    if len(set(shapes.values())) > 1:
        raise ProblemError(f"{where}: expected one shape in every part, got {by_part(shapes)}")
    numbers = {part: kind_of_numbers(array) for part, (array, _) in parts.items()}
    if target:
        numbers = {part: "whole" if kind == "bytes" else kind for part, kind in numbers.items()}
    found = set(numbers.values())
    if len(found) > 1 and found != {"whole", "real"}:
        raise ProblemError(f"{where}: expected one kind of values in every part, got {by_part(numbers)}")
    kind = "real" if len(found) > 1 else next(iter(found))
    first = next(array for array, _ in parts.values())
    values: list[Any] = []
    counts: list[int] = []
    finite = True
    if target:
        values, counts, finite = distinct(parts.values())
    elif kind == "words":
        words = [word for array, _ in parts.values() for word in array.reshape(-1)[:SHOWN]]
        values = [word for word in words if word is not None]
    elif kind in ("whole", "bytes"):
        ends = [end for array, _ in parts.values() if len(array.reshape(-1)) for end in _ends(array)]
        values = [min(ends), max(ends)] if ends else []
    dtype = str(first.dtype).removeprefix("torch.") if isinstance(first, Tensor) else "words"
    padded = not target and any(is_padded(array) for array, _ in parts.values())
    return Seen(name, code, kind, next(iter(shapes.values())), dtype, values, counts, finite, padded)


def _ends(array: Array) -> tuple[int, int]:
    assert isinstance(array, Tensor)
    return int(array.min()), int(array.max())


def distinct(arrays: Any) -> tuple[list[Any], list[int], bool]:
    """Returns the different values of arrays, ascending, how often each occurs, and whether all are finite.

    Args:
        arrays: pairs of an array and the mask of the examples that count; None: all do.
    """
    counted: dict[Any, int] = {}
    finite = True
    for array, mask in arrays:
        if not isinstance(array, Tensor):
            kept = array if mask is None else array[mask.numpy()]
            finite &= all(one is not None for one in kept.flat)
            some: tuple[Any, Any] = np.unique(
                [one for one in kept.flat if one is not None], return_counts=True
            )
            pairs = zip(some[0].tolist(), some[1].tolist(), strict=True)
        else:
            flat = (array if mask is None else array[mask]).reshape(-1)
            good = torch.isfinite(flat) if flat.is_floating_point() else None
            if good is not None and not bool(good.all()):
                finite, flat = False, flat[good]
            pairs = zip(*_counted(flat), strict=True)
        for value, count in pairs:
            counted[value] = counted.get(value, 0) + count
    values = sorted(counted)
    return values, [counted[value] for value in values], finite


def _counted(flat: Tensor) -> tuple[list[Any], list[int]]:
    """The different values of a tensor and how often each occurs."""
    if flat.numel() and not flat.is_floating_point() and flat.dtype != torch.bool:
        low = int(flat.min())
        if int(flat.max()) - low < 1 << 20:  # counted rather than sorted, which takes long of large maps
            size = int(flat.max()) - low + 1
            counts = torch.zeros(size, dtype=torch.int64)
            for some in torch.split(flat, 1 << 24):
                counts += (some.long() - low).bincount(minlength=size)
            there = counts.nonzero().squeeze(1)
            return (there + low).tolist(), counts[there].tolist()
    values, counts = torch.unique(flat, return_counts=True)
    return values.tolist(), counts.tolist()


def place(where: str, side: str, name: str) -> str:
    """Returns what an array is called in messages.

    Args:
        where: the problem or its part in words.
        side: what the array is: ``input``, ``task``, or a mask.
        name: its name; `UNNAMED` for a lone one.
    """
    return f"{where}, {side} {name!r}" if name else f"{where}, the {side}s"


def by_part(found: Mapping[str, object]) -> str:
    """Returns what came in each part, in words."""
    return ", ".join(f"{value} in {part}" for part, value in found.items())


def values_shown(values: Sequence[Any]) -> str:
    """Returns the different values as a message shows them: all of a few, else how many, and their ends."""
    if len(values) == 1:
        return f"{values[0]!r} alone"
    if len(values) <= SHOWN:
        return f"the values {', '.join(map(repr, values))}"
    return f"{len(values)} different values from {values[0]!r} to {values[-1]!r}"
