"""Trials that fail as they do on a card, and what that does to the process and to other trials.

Two worker processes share the card and run 50 trials. Five ask for more memory than there is; one has a
device-side assertion, after which its process has no use of the card any more and is replaced, as the pool
does. After each trial the memory is looked at. The others are then run once more without any that fails:
their metrics must be the same. On a CPU the failures are played.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.common import at_most, show
from benchmarks.gpu.card import Nvml
from benchmarks.gpu.children import Child, LostChildError, end_all
from benchmarks.gpu.generated import pictures
from benchmarks.gpu.setting import Measured, Setting, say
from search_spaces.architecture import Architecture
from search_spaces.blocks import ConvNormActivation
from search_spaces.nodes import layer, sequential
from search_spaces.space import Space
from workers.acceleration import Acceleration
from workers.job import Failed, Finished, Job
from workers.trial import trial
from workers.trial.memory import held

TRIALS = 50
HUNGRY = frozenset({5, 14, 23, 32, 41})
BROKEN = frozenset({18})
"""The numbers of those that fail; their neighbours run beside them."""

WORKERS = 2
MIB = 2**20


class Hungry(nn.Module):
    """Asks for more memory than there is, when it really computes."""

    def forward(self, x: Tensor) -> Tensor:
        if x.is_meta:
            return x
        if x.is_cuda:
            whole = torch.cuda.get_device_properties(x.device).total_memory
            return x + torch.empty(4 * whole, dtype=torch.uint8, device=x.device).sum()
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 300.00 GiB")


class OutOfBounds(nn.Module):
    """Reads beyond the end of a tensor on the card, where an assertion of the device ends its context."""

    def forward(self, x: Tensor) -> Tensor:
        if x.is_meta:
            return x
        if x.is_cuda:
            beyond = torch.full((1,), 1_000_000, dtype=torch.int64, device=x.device)
            return x + x.new_zeros(4)[beyond]
        raise RuntimeError("CUDA error: device-side assert triggered")


def network(number: int) -> Architecture:
    """The network of a trial: one of four widths, with what makes it fail."""
    fault = [layer(Hungry)] * (number in HUNGRY) + [layer(OutOfBounds)] * (number in BROKEN)
    model = sequential(
        layer(ConvNormActivation, out_channels=8 * (1 + number % 4)),
        layer(nn.MaxPool2d, kernel_size=2),
        layer(ConvNormActivation, out_channels=16),
        *fault,
        layer(nn.AdaptiveAvgPool2d, output_size=1),
        layer(nn.Flatten),
        layer(nn.Dropout, p=0.2),
    )
    return Space({"model": model, "recipe": {"epochs": 2, "batch_size": 32}}).architecture({})


def work(pipe: Connection, device: str, examples: int) -> None:
    """Runs the trials whose numbers it is told, in a process of its own, as long as that is fit."""
    torch.set_num_threads(1)
    if device == "cuda":
        torch.cuda.set_per_process_memory_fraction(1 / WORKERS)
    data = pictures(examples, side=12).to(device)
    card = Nvml.found() if device == "cuda" else None
    for width in range(4):  # what libraries keep for themselves they have after these
        _last(width, data, device)
    pipe.send({"fit": True})
    before = _memory(device)
    while (number := pipe.recv()) is not None:
        end = _last(number, data, device)
        pipe.send(
            {
                "reason": end.reason if isinstance(end, Failed) else "",
                "message": end.message if isinstance(end, Failed) else "",
                "metrics": {} if isinstance(end, Failed) else {**end.metrics, **_tests(end)},
                "fit": end.fit,
                "left": _memory(device) - before,
                "held": None if card is None else card.used_by(os.getpid()),
            }
        )
        if not end.fit:
            os._exit(0)  # at an orderly end libraries would ask a broken context to free what they have


def _last(number: int, data: Any, device: str) -> Finished | Failed:
    job = Job(number, network(number), seed=number)
    *_, end = trial.run(job, data, device=device, acceleration=Acceleration(deterministic=True))
    assert isinstance(end, Finished | Failed)
    return end


def _tests(end: Finished) -> dict[str, float]:
    return {f"test {name}": value for name, value in end.test_metrics.items()}


def _memory(device: str) -> int:
    """Bytes that this process has on the card; without one, in main memory."""
    return torch.cuda.memory_allocated() if device == "cuda" else held("RssAnon")


class Crew:
    """The worker processes: one that is not fit after a trial is replaced.

    Args:
        setting: where they train.

    Attributes:
        replaced: how many were.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.replaced = 0
        self._at_work = {child.pipe: child for child in (self._new() for _ in range(WORKERS))}
        self._not_ready = set(self._at_work)  # they answer once, when they are

    def _new(self) -> Child:
        # Before cuBLAS is made: with another workspace it does not repeat itself to the bit.
        variables = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
        examples = 96 if self._setting.quick else 1_000
        return Child(work, self._setting.device, examples, environment=variables)

    def run(self, numbers: list[int]) -> dict[int, dict[str, Any]]:
        """Runs trials; returns what became of them by number, those left out that there was no time for.

        Raises:
            LostChildError: a worker did not come to be ready, or none sent anything for long.
        """
        waiting = list(reversed(numbers))
        found: dict[int, dict[str, Any]] = {}
        running: dict[Connection, int] = {}
        busy = set(self._not_ready)

        def next_one(pipe: Connection) -> None:
            if waiting and self._setting.left() > 1:
                running[pipe] = waiting.pop()
                self._at_work[pipe].send(running[pipe])
                busy.add(pipe)

        for pipe in self._at_work.keys() - busy:
            next_one(pipe)
        while busy:
            answered = wait(list(busy), timeout=min(120.0, max(1.0, self._setting.left())))
            if not answered:
                raise LostChildError("no worker sent anything")
            for pipe in answered:
                child = self._at_work[pipe]
                try:
                    answer = child.receive(1)
                except LostChildError as error:
                    if pipe not in running:
                        raise
                    answer = {"reason": "worker_lost", "message": str(error), "metrics": {}, "fit": False}
                busy.discard(pipe)
                self._not_ready.discard(pipe)
                if pipe in running:
                    found[running.pop(pipe)] = answer
                if answer["fit"]:
                    next_one(pipe)
                    continue
                del self._at_work[pipe]
                child.end()
                self.replaced += 1
                child = self._new()
                self._at_work[child.pipe] = child
                self._not_ready.add(child.pipe)
                busy.add(child.pipe)
        return found

    def end(self) -> None:
        """Ends the processes."""
        end_all(list(self._at_work.values()))


def measure(setting: Setting) -> Measured:
    """Runs all trials, and those that do not fail once more by themselves."""
    card = Nvml.found() if setting.on_card else None
    used = None if card is None else card.used()
    good = [number for number in range(TRIALS) if number not in HUNGRY | BROKEN]
    skipped: list[str] = []
    alone: dict[int, dict[str, Any]] = {}
    crew = Crew(setting)
    try:
        mixed = crew.run(list(range(TRIALS)))
        replaced = crew.replaced
        say(f"  {len(mixed)} trials with {len(HUNGRY | BROKEN)} that fail; {replaced} worker(s) replaced")
        if setting.left() > 5:
            alone = crew.run(good)
        else:
            skipped.append("the same trials without any that fails: no time left")
    finally:
        crew.end()
    time.sleep(0.5 if card is not None else 0.0)
    wrong = _wrong(mixed)
    both = alone.keys() & mixed.keys()
    differ = sorted(number for number in both if mixed[number]["metrics"] != alone[number]["metrics"])
    left = max((answer["left"] for answer in mixed.values() if answer["fit"]), default=0)
    left_on_card = None if card is None or used is None else card.used() - used
    figures: dict[str, Any] = {
        "trials": len(mixed),
        "reasons": dict(Counter(answer["reason"] or "none" for answer in mixed.values())),
        "messages": sorted({answer["message"] for answer in mixed.values() if answer["message"]}),
        "workers replaced": replaced,
        "not as expected": wrong,
        "neighbours that differ": differ,
        "largest difference": _largest(mixed, alone),
        "MiB left by a trial": round(left / MIB, 2),
        "MiB of a process by NVML": _over_time(mixed),
        "MiB left on the card": None if left_on_card is None else round(left_on_card / MIB, 1),
    }
    shown = [[name, value] for name, value in figures.items() if not isinstance(value, list | dict)]
    show("Failures on a card", ["what", "seen"], [*shown, ["neighbours that differ", len(differ)]])
    targets = [
        at_most("trials that did not end as expected", setting.judged(len(wrong)), 0),
        at_most(
            "neighbours of failures whose metrics differ",
            setting.judged(len(differ) if len(both) == len(good) else None),
            0,
        ),
        at_most("memory left by a trial", setting.judged(figures["MiB left by a trial"]), 1, "MiB"),
    ]
    return Measured(figures, targets, skipped)


def _wrong(found: dict[int, dict[str, Any]]) -> dict[int, str]:
    """The trials that did not end as they were to, with how they did."""
    wrong = {}
    for number in range(TRIALS):
        expected = "out_of_memory" if number in HUNGRY else "exception" if number in BROKEN else ""
        answer = found.get(number)
        if answer is None:
            wrong[number] = "not begun in time"
        elif (answer["reason"], answer["fit"]) != (expected, number not in BROKEN):
            wrong[number] = (
                f"{answer['reason'] or 'finished'}, fit: {answer['fit']}: {answer['message']:.200}"
            )
    return wrong


def _largest(mixed: dict[int, dict[str, Any]], alone: dict[int, dict[str, Any]]) -> float | None:
    """The largest difference between a metric with failing neighbours and without."""
    differences = [
        abs(value - mixed[number]["metrics"].get(name, float("inf")))
        for number, answer in alone.items()
        if number in mixed
        for name, value in answer["metrics"].items()
    ]
    return max(differences, default=None)


def _over_time(found: dict[int, dict[str, Any]]) -> list[float]:
    """What NVML says that the processes hold after each trial, in the order of the trials."""
    seen = [found[number].get("held") for number in sorted(found)]
    return [round(one / MIB, 1) for one in seen if one is not None]
