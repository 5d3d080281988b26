"""A whole search on the pool, a worker of which is killed while it trains: nothing may be lost."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import ray
from torch import Tensor, nn

from benchmarks.common import at_most, show
from benchmarks.gpu.card import BusySampler
from benchmarks.gpu.setting import Measured, Setting
from nas.search.callbacks import OnTurn
from nas.search.progress import Progress
from nas.search.search import Search
from nas.store.store import Store
from search_spaces.holes import choice
from search_spaces.nodes import layer, sequential
from search_spaces.ranges import real
from search_spaces.space import Space
from workers.pool.pool import Pool
from workers.remote import cluster

TRIALS = 12
BEFORE = 3
"""The number of trials that are complete when a worker is killed."""


class Marked(nn.Module):
    """Passes its input on, and leaves the number of its process in a folder.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder
        self._left = False

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_meta and self.training and not self._left:
            Path(self.folder, str(os.getpid())).touch()
            self._left = True
        return x


def space(folder: str, epochs: int) -> Space:
    """Convolutional networks that say where they train."""
    convolution = [
        layer(nn.Conv2d, out_channels=choice(8, 16, 24, 32), kernel_size=3, padding=1),
        layer(nn.BatchNorm2d),
        layer(nn.ReLU),
    ]
    model = sequential(*convolution, layer(nn.MaxPool2d, kernel_size=2), *convolution, layer(nn.Flatten))
    model = sequential(model, layer(Marked, folder=folder))
    recipe = {"epochs": epochs, "batch_size": 32, "learning_rate": real(1e-3, 1e-2, log=True)}
    return Space({"model": model, "recipe": recipe})


class Killer:
    """Kills a worker once some trials are complete.

    Args:
        folder: where the workers leave their numbers.

    Attributes:
        killed: the number of the process that was killed; None: none was.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.killed: int | None = None

    def look(self, progress: Progress) -> None:
        """Kills one, if it is time: the one that a trial has begun at last, which it is likely to be at."""
        if self.killed is not None or progress.complete < BEFORE:
            return
        marks = sorted(self._folder.iterdir(), key=lambda mark: mark.stat().st_mtime)
        if marks:
            self.killed = int(marks[-1].name)
            os.kill(self.killed, signal.SIGKILL)


def measure(setting: Setting) -> Measured:
    """Runs the search, and looks at what its store has."""
    workers = 4 if setting.on_card else 2
    cluster.start_local(cpus=max(workers, os.cpu_count() or 1))
    try:
        figures = _searched(setting, workers)
    finally:
        ray.shutdown()
    shown = [[name, str(value)] for name, value in figures.items() if name != "busy over time"]
    show("A search whose worker is killed", ["what", "seen"], shown)
    targets = [
        at_most("trials lost with a killed worker", setting.judged(figures["lost"]), 0),
    ]
    return Measured(figures, targets)


def _searched(setting: Setting, workers: int) -> dict[str, Any]:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gpu-search") as name:
        folder, marks = Path(name), Path(name, "marks")
        marks.mkdir()
        killer = Killer(marks)
        pool = Pool(workers=workers, gpus=0.25 if setting.on_card else 0)
        store = f"sqlite:///{folder / 'nas.db'}"
        networks = space(str(marks), 6 if setting.quick else 12)
        search = Search(
            networks,
            "digits",
            "random",
            trials=TRIALS,
            seconds=max(5.0, setting.left() - 5),
            executor=pool,
            store=store,
            callbacks=[OnTurn(killer.look)],
        )
        with BusySampler() as sampler:
            board = search.run()
        with Store(store) as opened:
            record = opened.search()
            trials = opened.trials(record.id)
    complete = [trial for trial in trials if trial.status == "complete"]
    if killer.killed is None:
        raise RuntimeError("no worker was killed: none had left its number when trials were complete")
    return {
        "trials": dict(Counter(trial.status for trial in trials)),
        "reasons": dict(Counter(trial.reason for trial in trials if trial.reason)),
        "lost": TRIALS - len(complete),
        "workers lost": pool.lost_workers,
        "best accuracy": round(float(board["accuracy"].max()), 4),
        "seconds": round(time.monotonic() - began, 1),
        "busy": sampler.share(),
        "busy over time": sampler.series(),
    }
