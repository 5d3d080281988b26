"""Torch's modes (gradients, types, threads, determinism) of one computation, apart from the caller's."""

from __future__ import annotations

import os
from types import TracebackType

import torch

_Modes = tuple[bool, torch.dtype, int, bool, int, bool]


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
        torch.get_deterministic_debug_mode(),  # 0: off, 1: warns, 2: raises
        torch.backends.cudnn.deterministic,
    )


def _place(modes: _Modes) -> None:
    grad, dtype, threads, _, deterministic, cudnn = modes
    torch.set_grad_enabled(grad)
    if torch.get_default_dtype() != dtype:
        torch.set_default_dtype(dtype)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    if torch.get_deterministic_debug_mode() != deterministic:
        torch.use_deterministic_algorithms(deterministic > 0, warn_only=deterministic == 1)
    torch.backends.cudnn.deterministic = cudnn


def be_deterministic() -> None:
    """Have torch compute the same bits each time, or raise where it cannot, until the modes are exchanged."""
    # cuBLAS reads it when a process first uses it (NVIDIA's documentation, "Results reproducibility").
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.deterministic = True
