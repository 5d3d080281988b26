"""Torch's modes (gradients, default type, threads) of one computation, kept apart from the caller's."""

from __future__ import annotations

from types import TracebackType

import torch

_Modes = tuple[bool, torch.dtype, int, bool]


class IsolatedModes:
    """The modes of one computation, exchanged with the caller's (see `workers.training.random_state`).

    Attributes:
        restored: whether the caller's are in place again; an inference mode that was entered for good stays.
    """

    def __init__(self) -> None:
        self._other = self._outside = _modes()
        self.restored = True

    def __enter__(self) -> None:
        self._outside = _modes()
        _place(self._other)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._other = _modes()
        _place(self._outside)
        self.restored = _modes() == self._outside


def _modes() -> _Modes:
    return (
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_inference_mode_enabled(),
    )


def _place(modes: _Modes) -> None:
    grad, dtype, threads, _ = modes
    torch.set_grad_enabled(grad)
    if torch.get_default_dtype() != dtype:
        torch.set_default_dtype(dtype)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
