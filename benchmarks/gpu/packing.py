"""Trials per minute, and how busy the card is, with 1 to 16 trials on it at a time.

Each trial trains the plain convolutional network on 28x28 pictures of ten classes. Where Ray is installed the
pool runs them, each worker with its share of the card. Where it is not, processes of our own do: each is warm
before it counts, they begin together, and each is held to its share of the memory. A trial under way counts
for what it has behind it: of its steps, or where the pool runs it of its epochs.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import at_least, at_most, show
from benchmarks.gpu.card import BusySampler
from benchmarks.gpu.children import Child, LostChildError, end_all
from benchmarks.gpu.generated import clothes
from benchmarks.gpu.setting import Measured, Setting, say
from search_spaces.architecture import Architecture
from search_spaces.catalog import cnn
from search_spaces.space import Space
from workers.acceleration import Acceleration
from workers.job import Event, Failed, Finished, Job, Paced, Reported, TrialStopped
from workers.trial import trial

PACKED = (1, 2, 4, 8, 16)
EPOCHS = 2
EXAMPLES, FEW = 12_000, 240
"""The pictures to train on; a trial takes seconds."""

MPS_CONTROL = "nvidia-cuda-mps-control"
MPS_PLACES = ("/usr/local/nvidia/bin", "/usr/bin")

Round = Callable[[int, float, BusySampler, bool], dict[str, Any]]
"""Runs trials on so many workers for so many seconds, in which the card is looked at, with graphs or without;
returns ``trials`` and what else was seen."""


def network() -> Architecture:
    """What is trained."""
    return Space({"model": cnn(), "recipe": {"epochs": EPOCHS, "batch_size": 32}}).plain()


class Count:
    """What has become of trials: those that have ended, and what those under way have behind them.

    Attributes:
        done: what part of a trial that was stopped it had behind it, where that is known better than by its
            epochs.
    """

    def __init__(self) -> None:
        self.trials = 0.0
        self.failed: list[str] = []
        self.done: float | None = None
        self._epochs: dict[int, int] = {}

    def take(self, event: Event) -> None:
        """Counts an event."""
        if isinstance(event, Reported):
            self._epochs[event.number] = event.report.epoch
            return
        if isinstance(event, Paced):
            return
        epochs = self._epochs.pop(event.number, 0)
        if isinstance(event, Finished):
            self.trials += 1
        elif event.reason == "stopped":
            self.trials += epochs / EPOCHS if self.done is None else self.done
        else:
            self.failed.append(f"{event.reason}: {event.message:.200}")

    def total(self) -> float:
        """Trials so far, with fractions."""
        return self.trials + sum(self._epochs.values()) / EPOCHS


# ---- processes of our own


def work(pipe: Connection, device: str, folder: Path | None, examples: int) -> None:
    """Runs rounds of trials, in a process of its own: ``(begin, end, share, graphs)``, monotonic seconds."""
    torch.set_num_threads(1)
    data = clothes(folder, examples).to(device)
    architecture = network()
    few = clothes(None, FEW).to(device)
    # what is imported, made and chosen at a first trial is nobody's time
    *_, first = trial.run(Job(-1, architecture, seed=0, epochs=1), few, device=device)
    if isinstance(first, Failed):
        raise RuntimeError(f"the first trial failed: {first.reason}: {first.message}")
    pipe.send("ready")
    numbers = itertools.count()
    while (order := pipe.recv()) is not None:
        begin, end, share, graphs = order
        acceleration = Acceleration(graphs="auto" if graphs else False)
        if device == "cuda":
            torch.cuda.set_per_process_memory_fraction(share)
            torch.cuda.reset_peak_memory_stats()

        steps = whole = 0

        def check(end: float = end) -> None:
            nonlocal steps
            steps += 1
            if time.monotonic() > end:
                raise TrialStopped("the round is over")

        time.sleep(max(0.0, begin - time.monotonic()))
        count = Count()
        while time.monotonic() < end and len(count.failed) < 3:
            number = next(numbers)
            job = Job(number, architecture, seed=number)
            steps = 0
            for event in trial.run(job, data, device=device, check=check, acceleration=acceleration):
                if isinstance(event, Finished):
                    whole = steps
                count.done = min(1.0, steps / whole) if whole else None
                count.take(event)
        peak = torch.cuda.max_memory_allocated() if device == "cuda" else 0
        pipe.send({"trials": count.total(), "failed": count.failed, "peak": peak})


@contextmanager
def own_processes(setting: Setting, most: int, environment: dict[str, str] | None = None) -> Iterator[Round]:
    """So many processes of our own, warm; a round uses some of them, the others wait."""
    examples = FEW if setting.quick else EXAMPLES
    children = [
        Child(work, setting.device, setting.folder, examples, environment=environment) for _ in range(most)
    ]
    try:
        for child in children:
            child.receive(min(120, setting.left()))

        def run(packed: int, seconds: float, sampler: BusySampler, graphs: bool) -> dict[str, Any]:
            begin = time.monotonic() + 0.2
            for child in children[:packed]:
                child.send((begin, begin + seconds, 1 / packed, graphs))
            with sampler:
                time.sleep(max(0.0, begin + seconds - time.monotonic()))
            answers = [child.receive(60) for child in children[:packed]]
            return {
                "trials": sum(answer["trials"] for answer in answers),
                "failed": [why for answer in answers for why in answer["failed"]],
                "peak MiB of one": round(max(answer["peak"] for answer in answers) / 2**20, 1),
            }

        yield run
    finally:
        end_all(children)


# ---- the pool


@contextmanager
def pool(setting: Setting, most: int) -> Iterator[Round]:
    """The pool on a Ray of this machine, opened anew for each round."""
    import ray

    from workers.pool.pool import Pool
    from workers.remote import cluster

    cluster.start_local(cpus=max(most, os.cpu_count() or 1))
    data = clothes(setting.folder, FEW if setting.quick else EXAMPLES)
    architecture = network()

    def run(packed: int, seconds: float, sampler: BusySampler, graphs: bool) -> dict[str, Any]:
        numbers, count = itertools.count(), Count()
        with_gpus = 1 / packed if setting.on_card else 0
        executor = Pool(workers=packed, gpus=with_gpus, graphs="auto" if graphs else False)
        executor.open(data)
        looking = ExitStack()
        try:

            def start() -> None:
                number = next(numbers)
                executor.start(Job(number, architecture, seed=number))

            for _ in range(executor.slots):
                start()
            before: float | None = None
            # to be ready, then to be measured
            end = time.monotonic() + min(90.0, max(20.0, setting.left() - seconds))
            while time.monotonic() < end:
                for event in executor.events(timeout=max(0.0, min(0.2, end - time.monotonic()))):
                    count.take(event)
                    if isinstance(event, Finished | Failed):
                        start()
                if before is None and len(executor.usage()) == packed and count.total() > 0:
                    before, end = count.total(), time.monotonic() + seconds
                    looking.enter_context(sampler)  # opening a pool is no part of it
            looking.close()
            if before is None:
                raise RuntimeError(f"the pool's {packed} workers were not ready in time")
            return {"trials": count.total() - before, "failed": count.failed}
        finally:
            looking.close()
            executor.close()

    try:
        yield run
    finally:
        ray.shutdown()


# ---- MPS


def mps_control() -> str | None:
    """The program that controls NVIDIA's Multi-Process Service; None where there is none."""
    found = shutil.which(MPS_CONTROL)
    places = (Path(place, MPS_CONTROL) for place in MPS_PLACES)
    return found or next((str(path) for path in places if path.is_file()), None)


@contextmanager
def mps(control: str) -> Iterator[dict[str, str]]:
    """The service, with pipes and logs of its own; yields the variables of those who are to use it.

    The card's compute mode stays as it is.

    Raises:
        RuntimeError: it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="mps") as folder:
        variables = {
            "CUDA_MPS_PIPE_DIRECTORY": str(Path(folder, "pipe")),
            "CUDA_MPS_LOG_DIRECTORY": str(Path(folder, "log")),
        }
        for path in variables.values():
            Path(path).mkdir()
        environment = os.environ | variables
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        done = subprocess.run([control, "-d"], env=environment, timeout=20, check=False, **quiet)
        if done.returncode:
            raise RuntimeError(f"{control} -d ended with {done.returncode}")
        try:
            yield variables
        finally:
            subprocess.run([control], input=b"quit\n", env=environment, timeout=30, check=False, **quiet)


# ---- measuring


def measure(setting: Setting) -> Measured:
    """Runs a round for each number of trials, and with MPS where that runs."""
    figures: dict[str, Any] = {"pictures": "generated" if setting.folder is None else "fashion_mnist"}
    skipped: list[str] = []
    numbers = (1, 2) if setting.quick else PACKED
    on_ray = find_spec("ray") is not None
    if setting.quick and on_ray:
        numbers = (2,)  # a pool takes seconds to open
    figures["workers"] = "the pool's" if on_ray else "processes of our own"
    rounds: dict[str, dict[str, Any]] = {}
    figures["rounds"] = rounds
    control = mps_control() if setting.on_card else None
    with_mps = control is not None and not on_ray
    # half of what remains after starting goes to the rounds, so that MPS has its turn
    seconds = 1.0 if setting.quick else min(12.0, setting.left() / (2.5 * (len(numbers) + 2)))
    figures["seconds a round"] = round(seconds, 1)
    with pool(setting, max(numbers)) if on_ray else own_processes(setting, max(numbers)) as run:
        for packed in numbers:
            if not _round(setting, rounds, str(packed), run, packed, seconds, skipped):
                break
        else:
            for packed in () if setting.quick else (1, 8):
                _round(setting, rounds, f"{packed}, eager", run, packed, seconds, skipped, graphs=False)
    if not setting.on_card:
        skipped.append("MPS: on a card alone")
    elif on_ray:
        skipped.append("MPS: with processes of our own alone")
    elif control is None:
        skipped.append(f"MPS: no {MPS_CONTROL} on the PATH or in {', '.join(MPS_PLACES)}")
    if with_mps and control is not None:
        _with_mps(setting, control, rounds, seconds, skipped)
    rows = [
        [
            name,
            f"{one['trials per minute']:.1f}",
            f"{one['gain']:.2f}" if one.get("gain") else "",
            "" if one["busy"] is None else f"{one['busy']:.0f} %",
        ]
        for name, one in rounds.items()
        if "trials per minute" in one
    ]
    show("Trials on one card", ["at a time", "a minute", "times one", "busy"], rows)
    eight = rounds.get("8", {})
    targets = [
        at_most("trials that failed", setting.judged(_failed(rounds)), 0),
        at_least("busy with 8 packed trials", setting.judged(eight.get("busy")), 90, "%"),
        at_least("trials a minute, 8 packed / one at a time", setting.judged(eight.get("gain")), 4),
    ]
    return Measured(figures, targets, skipped)


def _failed(rounds: dict[str, dict[str, Any]]) -> int:
    return sum(len(one.get("failed", ())) for one in rounds.values())


def _round(
    setting: Setting,
    rounds: dict[str, dict[str, Any]],
    name: str,
    run: Round,
    packed: int,
    seconds: float,
    skipped: list[str],
    *,
    graphs: bool = True,
) -> bool:
    """One round, with the card looked at; adds its figures. Returns whether there may be another one."""
    if setting.left() < seconds + 3 and not setting.quick:
        skipped.append(f"{name} packed: no time left")
        return True
    sampler = BusySampler()
    try:
        found = run(packed, seconds, sampler, graphs)
    except (LostChildError, RuntimeError) as error:
        rounds[name] = {"error": f"{error!s:.500}"}
        say(f"  {name} packed: FAILED: {error!s:.500}")
        return not isinstance(error, LostChildError)  # those that are left may be at the round still
    rate = 60 * found.pop("trials") / seconds
    alone = rounds.get("1" if graphs else "1, eager", {}).get("trials per minute")
    rounds[name] = {
        "trials per minute": round(rate, 2),
        "gain": round(rate / alone, 2) if alone else None,
        "busy": sampler.share(),
        "busy over time": sampler.series(),
        **found,
    }
    busy = rounds[name]["busy"]
    shown = "not known" if busy is None else f"{busy:.0f} %"
    say(f"  {name} packed: {rate:.1f} trials a minute, busy {shown}")
    for why in found["failed"]:
        say(f"    FAILED: {why}")
    return True


def _with_mps(
    setting: Setting,
    control: str,
    rounds: dict[str, dict[str, Any]],
    seconds: float,
    skipped: list[str],
) -> None:
    """The same with 8 and 16 under MPS; whatever goes wrong is told, and harms nobody."""
    if setting.left() < 2 * seconds + 20:
        skipped.append("MPS: no time left")
        return
    try:
        with mps(control) as variables, own_processes(setting, 16, variables) as run:
            for packed in (8, 16):
                if not _round(setting, rounds, f"{packed}, MPS", run, packed, seconds, skipped):
                    break
    except Exception as error:
        rounds["MPS"] = {"error": f"{type(error).__name__}: {error!s:.500}"}
        say(f"  MPS: {error!s:.500}")
