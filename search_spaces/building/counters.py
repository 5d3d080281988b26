"""Counts, while a network runs, what its operators do and what it holds for the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_aten = torch.ops.aten

_TIMES: ContextVar[int] = ContextVar("times", default=1)


@contextmanager
def counted_as(times: int) -> Iterator[None]:
    """Counts each operator within as so many, which do its work together; 0: its work is not counted either.

    Multiply-adds and what is held are counted as ever.
    """
    token = _TIMES.set(times)
    try:
        yield
    finally:
        _TIMES.reset(token)


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up what the operators that run do; floating-point operations by torch's formulas and `_FORMULAS`.

    As torch's `FlopCounterMode`, without the bookkeeping by module that takes most of its time.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = self.flops_batched = self.number = self.written = 0

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
            flops = formula(*args, **kwargs, out_val=answer)
            self.flops += flops
            if func.overloadpacket in _BATCHED:
                self.flops_batched += flops
        times = _TIMES.get()
        if times and _computes(func) and any(map(_learns, args)):
            self.number += times
            self.written += _numel(answer)
        return answer


class Counters:
    """What happened in `watch`."""

    def __init__(self) -> None:
        self._operators = _Operators()
        self._held: dict[int, UntypedStorage] = {}

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Counts what runs within."""
        with self._operators, torch.autograd.graph.saved_tensors_hooks(self._keep, lambda tensor: tensor):
            yield

    def _keep(self, tensor: Tensor) -> Tensor:
        # storages and what is detached: tensors with a graph would keep it, and it them, for ever
        storage = tensor.untyped_storage()
        self._held[storage._cdata] = storage
        return tensor.detach()

    def num_macs(self) -> int:
        """Multiply-adds of every matrix product, convolution and attention."""
        return self._operators.flops // 2

    def num_batched_macs(self) -> int:
        """Those of them in products of many small matrices, as attention makes them."""
        return self._operators.flops_batched // 2

    def num_operators(self) -> int:
        """Operators that a gradient goes through; views are none."""
        return self._operators.number

    def num_written(self) -> int:
        """Numbers that these operators wrote."""
        return self._operators.written

    def held_bytes(self, parameters: Iterable[Tensor]) -> int:
        """Memory of the tensors held, each storage once, ``parameters`` not counted."""
        ours = {parameter.untyped_storage()._cdata for parameter in parameters}
        return sum(storage.nbytes() for key, storage in self._held.items() if key not in ours)


def _numel(answer: Any) -> int:
    if isinstance(answer, Tensor):
        return answer.numel()
    return sum(map(_numel, answer)) if isinstance(answer, tuple | list) else 0


def _learns(argument: Any) -> bool:
    """Whether a gradient goes through an argument, so that its operator has a backward pass, too."""
    if isinstance(argument, Tensor):
        return argument.requires_grad
    return isinstance(argument, tuple | list) and any(map(_learns, argument))


@cache
def _computes(func: Any) -> bool:
    """Whether an operator computes something of a tensor that it is given."""
    if func.is_view or func.overloadpacket in _FOR_A_START:
        return False
    return any("Tensor" in str(argument.type) for argument in func._schema.arguments)


_BATCHED = {_aten.bmm, _aten.baddbmm}

_FOR_A_START = {
    *(_aten.zero_, _aten.fill_, _aten.new_empty, _aten.new_zeros, _aten.new_ones, _aten.new_full),
    *(_aten.zeros_like, _aten.ones_like, _aten.full_like, _aten._unsafe_view, _aten.lift_fresh),
}
"""Operators that compute nothing though they are given a tensor, and are no views by their schema."""


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
