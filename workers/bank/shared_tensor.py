"""A tensor of a bank: what all networks that have it share, and how it moves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from search_spaces.meanings.labels import Index

Grid = tuple[slice, ...] | tuple[Tensor, ...]
"""Where in a tensor a part of it stands, along each axis: slices, whose part is a view; else indices."""


class SharedTensor:
    """One tensor for all networks of a space that have it; each of them has a part.

    It grows by the indices along its axes that a network has and none before had. A number is that of the
    first network that has it, as it was initialised, until steps move it.

    Args:
        value: the first part, as a network was initialised with it; it is copied.
        axes: what its indices along each axis stand for.
        decays: whether weight decay is for it.

    Attributes:
        value: the numbers.
        known: which of them some network has.
        gradient: the sum of the gradients of the parts since the last step; None: there was none.
        state: the running averages of an optimizer, each of the shape of ``value``; none before a first step.
        steps: the number of steps so far, a scalar where all numbers were moved together each time; else of
            the shape of ``value``.
        version: how often it has grown: where a part stands holds for one version.
    """

    def __init__(self, value: Tensor, axes: Sequence[Sequence[Index]], *, decays: bool = True) -> None:
        self.value = value.detach().clone()
        self.known = torch.ones_like(self.value, dtype=torch.bool)
        self.decays, self.version = decays, 0
        self.gradient: Tensor | None = None
        self.state: list[Tensor] = []
        self.steps = torch.zeros((), device=value.device)
        self.places = [{index: place for place, index in enumerate(indices)} for indices in axes]
        self._complete = True
        self._moved: Grid | Tensor | None = None  # which numbers have a gradient; None: all

    @property
    def axes(self) -> list[list[Index]]:
        """What the indices along each axis stand for."""
        return [list(indices) for indices in self.places]

    def part(self, axes: Sequence[Sequence[Index]], own: Tensor) -> Grid:
        """Returns where the part of a network stands.

        Args:
            axes: what its indices along each axis stand for.
            own: its numbers as they were initialised, which count where no other network has any.
        """
        self.grow(axes)
        grid = self.grid(axes)
        if not self._complete:
            there = self.known[grid]
            self.value[grid] = torch.where(there, self.value[grid], own.to(self.value))
            self.known[grid] = True
            self._complete = bool(self.known.all())
        return grid

    def grid(self, axes: Sequence[Sequence[Index]]) -> Grid:
        """Returns where those indices stand that it has.

        Raises:
            KeyError: it does not have one of them.
        """
        rows = [[places[index] for index in own] for places, own in zip(self.places, axes, strict=True)]
        slices = [_slice(row) for row in rows]
        there = [one for one in slices if one is not None]
        if len(there) == len(rows):
            return tuple(there)
        device = self.value.device
        return torch.meshgrid(*(torch.tensor(row, device=device) for row in rows), indexing="ij")

    def covers(self, grid: Grid) -> bool:
        """Whether a part is all of it, in its order."""
        return all(
            isinstance(one, slice) and (one.start, one.stop, one.step) == (0, size, 1)
            for one, size in zip(grid, self.value.shape, strict=True)
        )

    def add_gradient(self, grid: Grid, gradient: Tensor) -> None:
        """Adds the gradient of a part."""
        whole = self.covers(grid)
        if self.gradient is None:
            if whole:
                self.gradient, self._moved = gradient.clone(), None
                return
            self.gradient, self._moved = torch.zeros_like(self.value), grid
        elif self._moved is not None and grid is not self._moved:
            if whole:
                self._moved = None
            else:
                if not isinstance(self._moved, Tensor):
                    first, self._moved = self._moved, torch.zeros_like(self.known)
                    self._moved[first] = True
                self._moved[grid] = True
        if isinstance(grid[0] if grid else None, Tensor):
            self.gradient.index_put_(grid, gradient, accumulate=True)  # type: ignore[arg-type]
        else:
            self.gradient[grid] += gradient

    def take_gradient(self) -> tuple[Tensor, Grid | Tensor | None] | None:
        """Returns the gradient since the last step, and which numbers have one (None: all); None: there is
        none. From now on there is none."""
        found = None if self.gradient is None else (self.gradient, self._moved)
        self.gradient = self._moved = None
        return found

    def set(self, known: Tensor, steps: Tensor, state: list[Tensor]) -> None:
        """Sets what is kept beside the numbers, as another one of them had it.

        Raises:
            ValueError: something has another shape.
        """
        if (steps.dim() and steps.shape != self.value.shape) or any(
            one.shape != self.value.shape for one in state
        ):
            raise ValueError(f"expected tensors of shape {tuple(self.value.shape)}")
        self.known, self.steps = known, steps
        self.state = [torch.empty_like(self.value).copy_(one) for one in state]
        self._complete = bool(known.all())

    def become(self, other: SharedTensor) -> None:
        """Takes over the numbers, and what is kept beside them, of another one with the same indices."""
        self.value, self.known, self.steps, self.state = other.value, other.known, other.steps, other.state
        self.gradient = self._moved = None
        self._complete = other._complete

    def to(self, device: torch.device) -> None:
        """Puts it on a device, laid out as it is."""
        if self.value.device == device:
            return
        self.value, self.known, self.steps = (one.to(device) for one in (self.value, self.known, self.steps))
        self.state = [one.to(device) for one in self.state]

    @property
    def channels_last(self) -> bool:
        """Whether it is laid out as convolutions like images best."""
        return _is_channels_last(self.value)

    def lay_out(self) -> None:
        """Lays it out so."""
        self.value = _channels_last(self.value.shape, self.value).copy_(self.value)

    def spread_steps(self) -> None:
        """Counts the steps of each number for itself from now on."""
        if self.steps.shape != self.value.shape:
            self.steps = self.steps.expand(self.value.shape).clone()

    def grow(self, axes: Sequence[Sequence[Index]]) -> None:
        """Makes room for the indices that it does not have; the numbers there are unknown."""
        new = [
            [index for index in own if index not in places]
            for places, own in zip(self.places, axes, strict=True)
        ]
        if not any(new):
            return
        ordered = [_ordered([*places, *more]) for places, more in zip(self.places, new, strict=True)]
        before = self.axes
        self.places = [{index: place for place, index in enumerate(indices)} for indices in ordered]
        shape, grid = tuple(map(len, ordered)), self.grid(before)
        self.spread_steps()
        self.value = placed(self.value, shape, grid)
        self.known = placed(self.known, shape, grid)
        self.state = [placed(one, shape, grid) for one in self.state]
        self.steps = placed(self.steps, shape, grid)
        self._complete = False
        self.version += 1


def placed(tensor: Tensor, shape: tuple[int, ...], grid: Grid) -> Tensor:
    """Returns a tensor of zeros, laid out as another one is, which stands in it at these places."""
    made = _channels_last(shape, tensor) if _is_channels_last(tensor) else tensor.new_empty(shape)
    made.zero_()
    made[grid] = tensor
    return made


def _is_channels_last(tensor: Tensor) -> bool:
    """By its strides: torch's own answer takes one channel for both layouts, and its kernels do not."""
    return tensor.dim() == 4 and tensor.stride() == _channels_last(tensor.shape, tensor, "meta").stride()


def _channels_last(shape: Sequence[int], like: Tensor, device: str | None = None) -> Tensor:
    where = like.device if device is None else device
    return torch.empty(tuple(shape), dtype=like.dtype, device=where, memory_format=torch.channels_last)


def _ordered(indices: list[Index]) -> list[Index]:
    """Indices in an order in which those of one network are mostly next to each other."""
    try:
        return sorted(indices)  # type: ignore[type-var]
    except TypeError:  # names beside numbers: as they came
        return indices


def _slice(places: Sequence[int]) -> slice | None:
    """Places as a slice; None where they are at no regular distance."""
    if len(places) == 1:
        return slice(places[0], places[0] + 1, 1)
    step = places[1] - places[0]
    if step < 1 or any(places[0] + step * number != place for number, place in enumerate(places)):
        return None
    return slice(places[0], places[-1] + 1, step)
