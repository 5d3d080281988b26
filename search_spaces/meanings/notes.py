"""What is noted while features are followed: what goes beside each tensor, and what each axis has met."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from search_spaces.meanings.labels import AxisMap, Index, Labels, Producer, distinct_pairs

_TAG = "_nas_tag"

Axis = tuple[str, int]
"""A tensor's name, and the number of one of its axes."""


@dataclass
class Tag:
    """What goes beside a tensor.

    Attributes:
        features: the labels of its features, int64 of its shape; None: not known.
        axes: the index from which its numbers are, for each axis of a parameter; none where it is of none.
        name: the parameter or buffer that it is, as it stands in the network; None: it is none.
    """

    features: Tensor | None = None
    axes: dict[Axis, Tensor] = field(default_factory=dict)
    name: str | None = None


def tag_of(value: Any) -> Tag | None:
    """Returns what goes beside a tensor."""
    return getattr(value, _TAG, None) if isinstance(value, Tensor) else None


def features_of(value: Any) -> Tensor | None:
    """Returns the labels of a tensor's features."""
    tag = tag_of(value)
    return None if tag is None else tag.features


def put(value: Tensor, tag: Tag) -> None:
    """Lets something go beside a tensor."""
    setattr(value, _TAG, tag)


class Notes:
    """What was seen of the tensors of a network.

    Args:
        labels: the labels that features get.
        grids: how features stand in a grid, by the name of the tensor that makes them.
        identities: the tensors that hand on the features that come, by name.

    Attributes:
        seen: what each axis has met.
        fixed: what the indices of an axis stand for where that is known without labels.
        makes: the axis along which each tensor makes features, by its name.
    """

    def __init__(
        self,
        labels: Labels,
        grids: Mapping[str, tuple[int, ...]],
        identities: Collection[str] = (),
    ) -> None:
        self.labels, self._grids, self.identities = labels, grids, identities
        self.seen: dict[Axis, AxisMap] = {}
        self.fixed: dict[Axis, tuple[Index, ...]] = {}
        self.makes: dict[str, int] = {}
        self._made: dict[str, Tensor] = {}

    def begin(self, tensors: Iterable[tuple[str, Tensor]], inputs: Mapping[str, Tensor]) -> None:
        """Tags the parameters and buffers of a network, and its inputs."""
        for name, tensor in tensors:
            axes = {}
            for axis, size in enumerate(tensor.shape):
                axes[name, axis] = spread(torch.arange(size), tensor.shape, axis)
            put(tensor, Tag(None, axes, name))
        for name, value in inputs.items():
            if value.is_floating_point() and value.dim() > 1:
                axis = 1 if value.dim() > 3 else value.dim() - 1
                made = self.produce(f"input {name}", value.shape[axis])
                put(value, Tag(spread(made, value.shape, axis)))

    def produce(self, name: str, count: int, *, grid: Sequence[int] = (), whole: bool = False) -> Tensor:
        """Returns the labels of the features that a tensor makes, ``(count,)``; the same ones each time.

        Args:
            name: the name of the tensor.
            count: the number of features.
            grid: how they stand, in the order of the axis; left out: as is known of that tensor, else one
                after another.
            whole: whether features of another number of them are others.
        """
        if name not in self._made:
            grid = grid or self._grids.get(name, (count,))
            self._made[name] = self.labels.make(Producer(name, count, whole), grid)
        return self._made[name]

    def meet(self, tag: Tag | None, labels: Tensor) -> None:
        """Notes that the numbers of a parameter, spread over the shape of labels, stand with these."""
        for axis, indices in (tag.axes if tag else {}).items():
            size = int(indices.max()) + 1 if indices.numel() else 0
            pairs = distinct_pairs(indices.expand(labels.shape), labels)
            self.seen.setdefault(axis, AxisMap(size)).note(pairs, self.labels.same)

    def meet_along(self, tag: Tag | None, dim: int, labels: Tensor) -> None:
        """Notes that the numbers of a parameter stand with these labels along one dimension, ``(size,)``."""
        for axis, indices in (tag.axes if tag else {}).items():
            row = indices.movedim(dim, 0).flatten(1)[:, 0] if indices.dim() > 1 else indices
            here = axis[1] == dim if tag and tag.name else bool((row != row[:1]).any())
            if here:
                self.meet(Tag(None, {axis: row}), labels)

    def fix(self, tag: Tag | None, dim: int, indices: Sequence[Index]) -> None:
        """Says what the indices along one dimension of a parameter stand for."""
        if tag is not None and tag.name is not None:
            self.fixed[tag.name, dim] = tuple(indices)

    def along(self, name: str, axis: int, size: int) -> tuple[Index, ...] | None:
        """Returns what the indices along an axis stand for; None: that is not known."""
        if (name, axis) in self.fixed:
            return self.fixed[name, axis]
        met = self.seen.get((name, axis))
        known = None if met is None or met.size != size else met.known
        if known is not None:
            return self.labels.along(known)
        grid = self._grids.get(name, ()) if axis == 0 else ()
        return tuple(itertools.product(*map(range, grid))) if math.prod(grid) == size and grid else None


def spread(values: Tensor, shape: Sequence[int], axis: int) -> Tensor:
    """Returns a vector laid along an axis of a shape."""
    return values.view(-1, *[1] * (len(shape) - axis - 1)).expand(tuple(shape))
