"""A stand-in for CUDA graphs: records the operators of a step on fixed storages, and does them again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from workers.training.graphs import Capture, Run


class Replaying(Capture):
    """Captures steps on the CPU. As with a card, capturing does nothing: all is as it was before.

    Args:
        launch_bound: what is answered when a step was measured.
        waits: where a step is said to wait for the device.
    """

    def __init__(self, launch_bound: bool = True, waits: tuple[str, ...] = ()) -> None:
        self._launch_bound, self._waits = launch_bound, list(waits)
        self.captured = self.replayed = 0

    def record(self, run: Run) -> Run:
        recorder = _Recorder()
        states = torch.get_rng_state()
        with recorder:
            run()
        recorder.undo()
        torch.set_rng_state(states)
        self.captured += 1

        def replay() -> None:
            self.replayed += 1
            recorder.replay()

        return replay

    @contextmanager
    def watch(self) -> Iterator[list[str]]:
        yield self._waits

    def begin_measure(self) -> None: ...

    def end_measure(self) -> None: ...

    def launch_bound(self) -> bool | None:
        return self._launch_bound


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self._calls: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], Any]] = []
        self._before: dict[int, tuple[Tensor, Tensor]] = {}
        self._made: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        for tensor in _tensors((args, kwargs)):
            place = tensor.untyped_storage().data_ptr()
            if place not in self._made and id(tensor) not in self._before:
                self._before[id(tensor)] = tensor, tensor.detach().clone()
        out = func(*args, **kwargs)
        self._made |= {tensor.untyped_storage().data_ptr() for tensor in _tensors(out)} - {
            tensor.untyped_storage().data_ptr() for tensor, _ in self._before.values()
        }
        self._calls.append((func, args, kwargs, out))
        return out

    @torch.no_grad()
    def undo(self) -> None:
        for tensor, value in self._before.values():
            tensor.detach().copy_(value)

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, out in self._calls:
            given = {tensor.untyped_storage().data_ptr() for tensor in _tensors((args, kwargs))}
            for there, new in zip(_tensors(out), _tensors(func(*args, **kwargs)), strict=True):
                if there.untyped_storage().data_ptr() not in given:  # else done in place, or a view
                    there.copy_(new)


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_flatten(values)[0] if isinstance(value, Tensor)]
