"""A device that is not there: torch's meta tensors, and what a step would have had to wait for on a card."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_DATA_DEPENDENT = {
    "aten::nonzero",
    "aten::_unique",
    "aten::_unique2",
    "aten::unique_dim",
    "aten::unique_consecutive",
    "aten::masked_select",
    "aten::bincount",
    "aten::repeat_interleave",
}


class Waits(TorchDispatchMode):
    """Counts what makes the host wait for a device: copies to the host, and shapes that depend on data.

    Tensors on ``meta`` stand for those on the device. What is read of them is 1 throughout.

    Attributes:
        found: how often each operator made the host wait.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name
        there = [value for value in _flat(args) if isinstance(value, torch.Tensor) and value.is_meta]
        if there:
            if name == "aten::_local_scalar_dense":
                self.found[name] += 1
                return 1.0 if there[0].is_floating_point() else 1
            if name in _DATA_DEPENDENT or (name == "aten::repeat_interleave.Tensor"):
                self.found[name] += 1
            if name.startswith("aten::index") and any(
                isinstance(value, torch.Tensor) and value.dtype == torch.bool for value in _indices(args)
            ):
                self.found[f"{name} by a mask"] += 1
            to_host = name == "aten::_to_copy" and kwargs.get("device") == torch.device("cpu")
            if to_host or (name == "aten::copy_" and not args[0].is_meta and args[1].is_meta):
                self.found[name] += 1
                if to_host:
                    return torch.ones(there[0].shape, dtype=kwargs.get("dtype") or there[0].dtype)
                return args[0].fill_(1)
        return func(*args, **kwargs)


def _flat(values: Any) -> list[Any]:
    found = []
    for value in values:
        if isinstance(value, list | tuple):
            found += _flat(value)
        else:
            found.append(value)
    return found


def _indices(args: tuple[Any, ...]) -> list[Any]:
    return _flat(args[1:2]) if len(args) > 1 else []
