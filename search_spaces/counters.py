"""Counts, while a network runs, its multiply-adds and what it holds for the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

_aten = torch.ops.aten


class Counters:
    """What happened in the last `watch`."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._flops = FlopCounterMode(display=False, custom_mapping=_FORMULAS)
        self._held: dict[int, Tensor] = {}

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Count what runs within, from zero."""
        self._clear()
        with self._flops, torch.autograd.graph.saved_tensors_hooks(self._keep, lambda tensor: tensor):
            yield

    def _keep(self, tensor: Tensor) -> Tensor:
        self._held[tensor.untyped_storage()._cdata] = tensor
        return tensor

    def num_macs(self) -> int:
        """Multiply-adds of every matrix product, convolution and attention."""
        return self._flops.get_total_flops() // 2

    def held_bytes(self, parameters: Iterable[Tensor]) -> int:
        """Memory of the tensors held, each storage once, ``parameters`` not counted."""
        ours = {parameter.untyped_storage()._cdata for parameter in parameters}
        return sum(t.untyped_storage().nbytes() for key, t in self._held.items() if key not in ours)


def _vector_product(matrix: Any, vector: Any, *_: Any, **__: Any) -> int:
    return 2 * int(prod(matrix))


def _added_vector_product(_: Any, matrix: Any, *__: Any, **___: Any) -> int:
    return 2 * int(prod(matrix))


def _trilinear(first: Any, second: Any, third: Any, *expanded: Any, **_: Any) -> int:
    """The sum over ``a * b * c``, each with axes of size one put in where ``expanded`` says."""
    shapes: list[list[int]] = []
    for shape, axes in zip((first, second, third), expanded, strict=False):
        full = list(shape)
        for axis in sorted(axes):
            full.insert(axis, 1)
        shapes.append(full)
    return 2 * int(prod(map(max, *shapes)))


_FORMULAS: dict[Any, Callable[..., int]] = {
    _aten.mv: _vector_product,
    _aten.dot: _vector_product,
    _aten.vdot: _vector_product,
    _aten.addmv: _added_vector_product,
    _aten._trilinear: _trilinear,
}
"""Operators that torch's counter leaves out: arguments as shapes, answer in floating-point operations."""
