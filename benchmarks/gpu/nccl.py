"""One trial in several processes, joined by NCCL (on a CPU by gloo), against the same trial in one process.

With one card there is one process in the group, which still goes all the way through NCCL; with more there
are groups of two processes and up to one for each card.
"""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from typing import Any

import torch

from benchmarks.common import at_most, show
from benchmarks.gpu.children import Child, end_all
from benchmarks.gpu.generated import pictures
from benchmarks.gpu.setting import Measured, Setting, say
from search_spaces.architecture import Architecture
from search_spaces.catalog import cnn, mlp
from search_spaces.space import Space
from workers.acceleration import Acceleration
from workers.job import Failed, Finished, Job
from workers.problems.problem import Problem
from workers.training.process_group import join, listen, reach
from workers.trial import trial

BOUND = 1e-3
HOST = "127.0.0.1"


def networks(device: str) -> dict[str, Architecture]:
    """What is trained: nothing random in it, since processes draw for themselves.

    Batch normalisation sees the whole batch on cards alone.
    """
    recipe = {"epochs": 2, "batch_size": 64, "learning_rate": 1e-3}
    spaces = {"mlp": mlp(dropouts=(0.0,))}
    if device == "cuda":
        spaces["cnn"] = cnn(dense_layers=0)
    return {name: Space({"model": space, "recipe": recipe}).plain() for name, space in spaces.items()}


def problem(quick: bool) -> Problem:
    """Pictures, a thousand of which are to validate on: one answer is a thousandth of the accuracy."""
    return pictures(600 if quick else 5_000, side=12)


def ran(architecture: Architecture, data: Problem, device: str, group: Any = None) -> dict[str, float]:
    """The metrics that a trial ends with; none but in the first process.

    Raises:
        RuntimeError: it failed.
    """
    job = Job(0, architecture, seed=0)
    steps = trial.run(job, data, device=device, group=group, acceleration=Acceleration(graphs=False))
    *_, end = steps
    if isinstance(end, Failed):
        raise RuntimeError(f"{end.reason}: {end.message}\n{end.traceback}")
    assert isinstance(end, Finished)
    return {**end.metrics, **{f"test {name}": value for name, value in end.test_metrics.items()}}


def work(pipe: Connection, rank: int, size: int, device: str, quick: bool) -> None:
    """One of the processes, in its own: it joins the group, then runs the trials."""
    torch.set_num_threads(1)
    if device == "cuda":
        torch.cuda.set_device(rank)
    if rank == 0:
        store, address = listen(HOST)
        pipe.send(address)
    else:
        store = reach(pipe.recv())
    group = join(store, rank, size, device)
    data = problem(quick).to(device)
    pipe.send("ready")
    for name, architecture in networks(device).items():
        began = time.perf_counter()
        metrics = ran(architecture, data, device, group)
        pipe.send((name, metrics, time.perf_counter() - began))
    pipe.recv()  # the first one's store lives as long as it: until all are done


def together(setting: Setting, size: int) -> dict[str, tuple[dict[str, float], float]]:
    """By network the metrics and the seconds of the trial in so many processes."""
    children = [
        Child(work, rank, size, setting.device, setting.quick, environment={"NCCL_DEBUG": "WARN"})
        for rank in range(size)
    ]
    try:
        first, *others = children
        address = first.receive(60)
        for child in others:
            child.send(address)
        for child in children:
            child.receive(90)
        found = {}
        for _ in networks(setting.device):
            name, metrics, seconds = first.receive(max(20.0, setting.left()))
            found[name] = (metrics, seconds)
            for child in others:
                child.receive(20)
        return found
    finally:
        end_all(children)


def measure(setting: Setting) -> Measured:
    """Compares every size of group that there is room for with one process."""
    cards = torch.cuda.device_count() if setting.on_card else 0
    sizes = [2] if not setting.on_card else sorted({1, min(2, cards), cards})
    data = problem(setting.quick).to(setting.device)
    alone = {name: ran(one, data, setting.device) for name, one in networks(setting.device).items()}
    figures: dict[str, Any] = {"backend": "nccl" if setting.on_card else "gloo", "cards": cards}
    skipped = [] if cards != 1 else ["several cards: there is one"]
    worst: float | None = None
    rows = []
    for size in sizes:
        if setting.left() < 8 and not setting.quick:
            skipped.append(f"{size} processes: no time left")
            continue
        for name, (metrics, seconds) in together(setting, size).items():
            by_metric = {key: abs(value - metrics[key]) for key, value in alone[name].items()}
            difference = max(by_metric.values())
            worst = difference if worst is None else max(worst, difference)
            figures[f"{name}, {size}"] = {
                "differences": by_metric,
                "seconds": round(seconds, 2),
                "metrics": metrics,
            }
            rows.append([f"{name}, {size} process(es)", f"{difference:.1e}", f"{seconds:.2f}"])
            say(f"  {name}, {size} process(es): differs by {difference:.1e}")
    show("One trial in several processes", ["network", "largest difference", "seconds"], rows)
    name = f"metrics of a group against one process, {figures['backend']}"
    return Measured(figures, [at_most(name, setting.judged(worst), BOUND)], skipped)
