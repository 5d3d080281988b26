"""Counts, while a network runs, its multiply-adds and what it holds for the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_aten = torch.ops.aten


class _Flops(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up what the operators that run cost, by torch's own formulas and `_FORMULAS`.

    As torch's `FlopCounterMode`, without the bookkeeping by module that takes most of its time.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        formula = _FORMULAS.get(func.overloadpacket) or flop_registry.get(func.overloadpacket)
        if formula is None and torch._C._dispatch_has_kernel_for_dispatch_key(
            func.name(), "CompositeImplicitAutograd"
        ):
            with self:  # made of other operators, which count
                return func.decompose(*args, **kwargs)
        answer = func(*args, **kwargs)
        if formula is not None:
            self.total += formula(*args, **kwargs, out_val=answer)
        return answer


class Counters:
    """What happened in `watch`."""

    def __init__(self) -> None:
        self._flops = _Flops()
        self._held: dict[int, UntypedStorage] = {}

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Counts what runs within."""
        with self._flops, torch.autograd.graph.saved_tensors_hooks(self._keep, lambda tensor: tensor):
            yield

    def _keep(self, tensor: Tensor) -> Tensor:
        # storages and what is detached: tensors with a graph would keep it, and it them, for ever
        storage = tensor.untyped_storage()
        self._held[storage._cdata] = storage
        return tensor.detach()

    def num_macs(self) -> int:
        """Multiply-adds of every matrix product, convolution and attention."""
        return self._flops.total // 2

    def held_bytes(self, parameters: Iterable[Tensor]) -> int:
        """Memory of the tensors held, each storage once, ``parameters`` not counted."""
        ours = {parameter.untyped_storage()._cdata for parameter in parameters}
        return sum(storage.nbytes() for key, storage in self._held.items() if key not in ours)


def _vector_product(matrix: Tensor, vector: Tensor, **_: Any) -> int:
    return 2 * matrix.numel()


def _added_vector_product(added: Tensor, matrix: Tensor, *_: Any, **__: Any) -> int:
    return 2 * matrix.numel()


def _trilinear(first: Tensor, second: Tensor, third: Tensor, *expanded: Any, **_: Any) -> int:
    """The sum over ``a * b * c``, each with axes of size one put in where ``expanded`` says."""
    shapes: list[list[int]] = []
    for tensor, axes in zip((first, second, third), expanded, strict=False):
        shape = list(tensor.shape)
        for axis in sorted(axes):
            shape.insert(axis, 1)
        shapes.append(shape)
    return 2 * int(prod(map(max, *shapes)))


_FORMULAS: dict[Any, Callable[..., int]] = {
    _aten.mv: _vector_product,
    _aten.dot: _vector_product,
    _aten.vdot: _vector_product,
    _aten.addmv: _added_vector_product,
    _aten._trilinear: _trilinear,
}
"""Operators that torch's formulas leave out, answered in floating-point operations."""
