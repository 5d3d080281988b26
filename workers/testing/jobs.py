"""A small problem, jobs that train it in milliseconds, and networks in which something goes wrong."""

import math
import os
import signal
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from search_spaces import Architecture, Classification, Signature, Space, Vector, layer, sequential
from workers.executor import Executor
from workers.job import Event, Finished, Job, Paced, Reported
from workers.problems.problem import Problem


class Faulty(nn.Module):
    """Passes its input on, except that something goes wrong when it really computes (in no dry run).

    Args:
        fault: what goes wrong: ``exception``, ``exit``, ``nan``, ``cuda memory``, ``python memory``, ``host
            memory``, ``slow``, ``slow step``, ``hang``, ``killed once``, ``killed``, ``cuda memory once``,
            ``card gone once`` or ``device assert``; ``own process`` writes the number of its process into the
            marker; all else does nothing.
        marker: a path, for ``own process`` and what goes wrong once.
    """

    def __init__(self, fault: str, marker: str = "") -> None:
        super().__init__()
        self.fault, self.marker = fault, marker

    def forward(self, x: Tensor) -> Tensor:
        if x.is_meta:
            return x
        match self.fault:
            case "exception":
                raise KeyError("something the author forgot")
            case "exit":
                raise SystemExit(3)
            case "nan":
                return x * math.nan
            case "cuda memory":
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
            case "python memory":
                raise MemoryError
            case "host memory":
                return x + torch.empty(2**50, dtype=torch.uint8).sum()
            case "slow":
                time.sleep(0.2)
            case "slow step":
                time.sleep(0.07)
            case "hang":
                time.sleep(600)
            case "own process":
                Path(self.marker).write_text(str(os.getpid()))
            case "killed once" if not Path(self.marker).exists():
                Path(self.marker).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            case "cuda memory once" if not Path(self.marker).exists():
                Path(self.marker).touch()
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
            case "card gone once" if not Path(self.marker).exists():
                Path(self.marker).touch()
                raise RuntimeError("CUDA error: no CUDA-capable device is detected")
            case "device assert":
                raise RuntimeError("CUDA error: device-side assert triggered")
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
        return x


class Picky(nn.Module):
    """Cannot be made at all."""

    def __init__(self) -> None:
        super().__init__()
        raise ValueError("not in this life")

    def forward(self, x: Tensor) -> Tensor:
        return x


def architecture(
    *layers: object, epochs: int = 2, dropout: float = 0.3, batch_size: int = 16
) -> Architecture:
    """A small network with dropout for `points`, whose last layers are these, and its recipe."""
    model = sequential(
        layer(nn.Linear, out_features=8), layer(nn.ReLU), layer(nn.Dropout, p=dropout), *layers
    )
    return Space({"model": model, "recipe": {"epochs": epochs, "batch_size": batch_size}}).architecture({})


def faulty(fault: str, marker: object = "") -> Architecture:
    """A network in which something goes wrong; see `Faulty`."""
    return architecture(layer(Faulty, fault=fault, marker=str(marker)))


def points() -> Problem:
    """A problem of 120 points in five dimensions, of three kinds that are nearly apart."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(120) % 3
    inputs = torch.randn(120, 5, generator=generator) + nn.functional.one_hot(targets, 5) * 2
    signature = Signature({"point": Vector(5)}, {"kind": Classification(3)})
    words = "Points of three kinds, for tests"
    return Problem.from_tensors("points", (inputs, targets), signature=signature, description=words)


def drain(executor: Executor) -> list[Event]:
    """Returns all events until no job is in flight."""
    events: list[Event] = []
    while new := executor.events():
        events += new
    return events


def run(executor: Executor, *jobs: Job) -> list[Event]:
    """Starts jobs and returns all their events."""
    for job in jobs:
        executor.start(job)
    return drain(executor)


def answers(events: list[Event]) -> dict[int, list[object]]:
    """What each job's events say of its network, by number, without what depends on the clock."""
    said: dict[int, list[object]] = {}
    for event in events:
        if isinstance(event, Paced):
            continue
        if isinstance(event, Reported):
            told: object = (event.report.epoch, event.report.metrics, event.report.train_loss)
        elif isinstance(event, Finished):
            told = (event.metrics, event.test_metrics, event.weights.read())
        else:
            told = (event.reason, event.infrastructure)
        said.setdefault(event.number, []).append(told)
    return said
