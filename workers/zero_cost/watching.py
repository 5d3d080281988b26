"""Which layer of a network computes what, told while the network runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

Seen = Callable[[str, str, Tensor | None], None]
"""Is told of an operator before it runs: its layer's name, its own (``relu``), and its first tensor."""


class OperatorWatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Tells of every operator that runs within, with the innermost layer that it is of.

    Operators, not modules: functions that a user's own layer calls are seen, too.

    Args:
        network: the network that runs.
        seen: the function that is told.
    """

    def __init__(self, network: nn.Module, seen: Seen) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._network, self._seen = network, seen
        self._inside: list[str] = []
        self._hooks = ExitStack()

    def __enter__(self) -> OperatorWatch:
        for name, module in self._network.named_modules():
            if name:

                def enter(module: nn.Module, inputs: Any, name: str = name) -> None:
                    self._inside.append(name)

                def leave(module: nn.Module, inputs: Any, answer: Any) -> None:
                    self._inside.pop()

                self._hooks.enter_context(module.register_forward_pre_hook(enter))
                self._hooks.enter_context(module.register_forward_hook(leave))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._hooks.close()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func._schema.name.partition("::")[2].rstrip("_")
        first = next((item for item in args if isinstance(item, torch.Tensor)), None)
        self._seen(self._inside[-1] if self._inside else "", name, first)
        return func(*args, **(kwargs or {}))
