"""The device on which networks are outlined: torch's meta device, with the slow ways made short.

Tensors there have shapes and no numbers. torch runs normalisation and ReLU there as chains of Python
functions that take milliseconds a layer, to find that the shape stays as it is; here that is known. Nor need
weights without numbers be initialised.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.overrides import TorchFunctionMode

from search_spaces.bounds import MOST, beyond
from search_spaces.building.meta_kernels import stand_in
from search_spaces.errors import BuildError


@contextmanager
def dry_run(device: str = "meta") -> Iterator[None]:
    """Makes what is made within on the meta device. Leaves torch's random state as it was.

    Args:
        device: the device; ``cpu`` for modules that cannot do without numbers.

    Raises:
        BuildError: more modules and parameters are made within than the bound (`search_spaces.bounds`).
    """
    with _counted(), torch.random.fork_rng(devices=[]), torch.device(device), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what modules say of outlines is not for people
        with _Shortcuts():
            yield


@contextmanager
def _counted() -> Iterator[None]:
    """Counts the modules and parameters that this thread makes, up to the bound."""
    thread, made = threading.get_ident(), 0

    def count(*_: Any) -> None:
        nonlocal made
        if threading.get_ident() != thread:
            return
        made += 1
        if made > MOST.modules:
            raise BuildError(beyond("modules", "the network is too large"))

    hooks = [
        register_module_module_registration_hook(count),
        register_module_parameter_registration_hook(count),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class _SameShape(torch.autograd.Function):
    """Stands for a normalisation or GELU: keeps its input for the backward pass and answers its shape."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, *others: Tensor) -> Tensor:
        ctx.save_for_backward(input)
        return torch.empty_like(input)


class _Rectified(torch.autograd.Function):
    """Stands for a ReLU: keeps its answer for the backward pass."""

    @staticmethod
    def forward(ctx: Any, input: Tensor) -> Tensor:
        answer = torch.empty_like(input)
        ctx.save_for_backward(answer)
        return answer


class _Shortcuts(TorchFunctionMode):
    """Layers that fit their input are stood in for; torch says what is wrong with the others."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        first = args[0] if args else kwargs.get("tensor")
        if isinstance(first, Tensor) and first.is_meta:
            if getattr(func, "__module__", "") == "torch.nn.init":
                return first
            if func is F.relu and not (len(args) > 1 or kwargs.get("inplace")):
                return _Rectified.apply(first)  # type: ignore[no-untyped-call]
            answer = stand_in(func, args, kwargs)
            if answer is not None:
                return answer
            fits = _FITS.get(func)
            if fits is not None and fits(*args, **kwargs):
                tensors = (t for t in (*args, *kwargs.values()) if isinstance(t, Tensor))
                return _SameShape.apply(*tensors)  # type: ignore[no-untyped-call]
        return func(*args, **kwargs)


def _batch_norm_fits(
    input: Tensor, running_mean: Any = None, running_var: Any = None, weight: Any = None, *_: Any, **__: Any
) -> bool:
    known = [len(t) for t in (running_mean, weight) if t is not None]
    return input.dim() >= 2 and all(length == input.shape[1] for length in known)


def _layer_norm_fits(input: Tensor, normalized_shape: Any, *_: Any, **__: Any) -> bool:
    return tuple(input.shape[-len(normalized_shape) :]) == tuple(normalized_shape)


_FITS: dict[Any, Callable[..., bool]] = {
    F.batch_norm: _batch_norm_fits,
    F.layer_norm: _layer_norm_fits,
    F.gelu: lambda *_, **__: True,  # keeps its input, as normalisations do
}
