"""The process of a pool that trains: a Ray actor that lives across trials."""

from __future__ import annotations

import dataclasses
import os
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from workers.job import Checkpoint, Event, Finished, HeldWeights, Job

WEIGHTS_FOLLOW, STATE_FOLLOWS = "weights", "state"
"""In a trial's stream: the next item is the weights, or the state of a trial that has paused. The driver
keeps a reference to it, unfetched."""

Packed = dict[str, Any]
"""A problem whose tensors are NumPy arrays: these Ray keeps once per node, and workers read them in place."""


def pack(problem: Any) -> Packed:
    """A problem as Ray's object store takes it."""
    splits = {
        part: (
            {name: tensor.cpu().numpy() for name, tensor in split.inputs.items()},
            {name: tensor.cpu().numpy() for name, tensor in split.targets.items()},
        )
        for part in ("train", "validation", "test")
        for split in (getattr(problem, part),)
    }
    about = {key: getattr(problem, key) for key in ("name", "signature", "description", "options")}
    return {"splits": splits, "about": about}


def unpack(packed: Packed) -> Any:
    """The problem again. Its tensors may be views of memory shared with other processes: only to read."""
    import torch

    from workers.problems.problem import Problem, Split

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable.*")
        splits = {
            part: Split(
                {name: torch.from_numpy(array) for name, array in inputs.items()},
                {name: torch.from_numpy(array) for name, array in targets.items()},
            )
            for part, (inputs, targets) in packed["splits"].items()
        }
    about: dict[str, Any] = {**packed["about"], **splits}
    return Problem(**about)


def _warm_up(device: str) -> None:
    """Run a trial of nothing: what torch imports at its first step is not the first real trial's time."""
    import torch

    from search_spaces import Space, layer
    from workers import trial
    from workers.problems.problem import Problem

    examples = torch.rand(8, 2), torch.arange(8) % 2
    data = Problem.from_tensors("warm-up", examples, examples, examples).to(device)
    architecture = Space({"model": layer(torch.nn.Tanh)}).architecture({})
    for _ in trial.run(Job(-1, architecture, seed=0, epochs=1), data, device=device):
        pass


class Worker:
    """Runs the trials that it is sent, in order, one at a time.

    `withdraw` is called beside a running trial, in a concurrency group of its own.

    Args:
        packed: the problem; Ray hands over what the reference stands for.
        cpus: threads that torch may use.
        device: to train on.
    """

    def __init__(self, packed: Packed, cpus: int, device: str) -> None:
        import torch

        torch.set_num_threads(cpus)
        _warm_up(device)
        self._cpus, self._device = cpus, device
        self._data = unpack(packed).to(device)
        self._lock = threading.Lock()
        self._latest = -1  # tickets ascend, and are run in order
        self._withdrawn: set[int] = set()

    def ready(self) -> int:
        """The process id, once the worker can train."""
        return os.getpid()

    def run(self, ticket: int, job: Job) -> Iterator[Event | bytes | str]:
        """A trial's events; before `Finished`, `WEIGHTS_FOLLOW` and the weights, and for a pause the state.

        Nothing, when the ticket was withdrawn before.
        """
        import torch

        from workers import trial
        from workers.failures import TrialStopped

        with self._lock:
            self._latest = ticket
            if ticket in self._withdrawn:
                return
        # In each trial: a network's own code may have changed it, and OpenMP keeps it for each thread.
        torch.set_num_threads(self._cpus)

        def check() -> None:
            if ticket in self._withdrawn:
                raise TrialStopped("stopped on request")

        for event in trial.run(job, self._data, device=self._device, check=check):
            if isinstance(event, Finished):
                yield WEIGHTS_FOLLOW
                yield event.weights.read()
                paused = event.checkpoint
                if paused is not None:
                    yield STATE_FOLLOWS
                    yield paused.state.read()
                    paused = Checkpoint(paused.epoch, HeldWeights(b""))
                yield dataclasses.replace(event, weights=HeldWeights(b""), checkpoint=paused)
            else:
                yield event

    def withdraw(self, ticket: int, stop: bool) -> bool:
        """Take a trial back if it has not begun; if it has and ``stop`` is set, end it at its next step.

        Returns:
            Whether it had not begun: then nothing will come of it.
        """
        with self._lock:
            waiting = ticket > self._latest
            if waiting or stop:
                self._withdrawn.add(ticket)
            return waiting
