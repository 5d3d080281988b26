"""Pools on GPUs that Ray counts and that are not there, in a process of its own, which has a Ray of its own.

It reads the name of a scenario and its folder from a line, and answers with a line of JSON.
"""

from __future__ import annotations

import collections
import json
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import ray
from ray._private import ray_constants
from ray.cluster_utils import Cluster
from torch import Tensor, nn

from search_spaces import Architecture, layer
from workers.job import Failed, Finished, Job, Reported
from workers.pool.cards import CardSample, Spot
from workers.pool.pool import Pool
from workers.testing.jobs import architecture, drain, faulty, points

GIB = 2**30
PATIENCE = 200.0


class Diary(nn.Module):
    """Writes down when it computes, a moment that takes a while each time."""

    def __init__(self, folder: str, name: str) -> None:
        super().__init__()
        self.folder, self.name = folder, name

    def forward(self, x: Tensor) -> Tensor:
        if x.is_meta:
            return x
        with (Path(self.folder) / f"{self.name}.diary").open("a") as file:
            file.write(f"{ray.get_gpu_ids()[0]} {time.time()}\n")
        time.sleep(0.1)
        return x


class WrittenReader:
    """A reader of cards that reads a file: a busy share, and ``lost`` where the card is."""

    file: ClassVar[str] = ""

    def __init__(self, spot: Spot, file: str) -> None:
        self._file, self._index = Path(file), spot.handle

    def read(self) -> CardSample:
        about = json.loads(self._file.read_text())
        lost = Path(f"{self._file}.{self._index}.lost")
        if lost.exists():
            lost.unlink()
            return CardSample(about["busy"], GIB, 16 * GIB, lost=True)
        return CardSample(about["busy"], about.get("used", GIB), about.get("total", 16 * GIB))


class ReadPool(Pool):
    """A pool whose cards say what a file says."""

    def __init__(self, file: Path, **options: Any) -> None:
        super().__init__(device="cpu", **options)
        name = str(file)
        self._reader = lambda spot: WrittenReader(spot, name)  # type: ignore[assignment,return-value]
        self._window = 1.0


def say(folder: Path, **about: float) -> Path:
    """Says how the cards are to do, and where."""
    (folder / "cards.json").write_text(json.dumps(about))
    return folder / "cards.json"


def keep(folder: Path, name: str, *, epochs: int = 2) -> Architecture:
    return architecture(layer(Diary, folder=str(folder), name=name), epochs=epochs)


class Watch:
    """Runs jobs on a pool, as many at once as it wants, and notes what becomes of them and of its cards."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.ends: dict[int, list[Finished | Failed]] = collections.defaultdict(list)
        self.begun: set[int] = set()
        self.seen: list[list[list[Any]]] = []

    def turn(self, jobs: Iterator[Job]) -> None:
        while len(self.begun) - len(self.ends) < self.pool.slots and (job := next(jobs, None)):
            self.begun.add(job.number)
            self.pool.start(job)
        for event in self.pool.events(timeout=0.2):
            if not isinstance(event, Reported):
                self.ends[event.number].append(event)
        self.seen.append([[card.id, card.trials, card.room] for card in self.pool.cards()])

    def until(self, jobs: Iterator[Job], done: Any) -> bool:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.turn(jobs)
            if done():
                return True
        return False

    def warm_up(self, workers: int) -> None:
        """Runs this and that until all workers have started, and forgets it."""
        self.until(endless(architecture()), lambda: len(self.pool.usage()) == workers)
        self.finish()
        self.ends.clear()
        self.begun.clear()

    def finish(self) -> None:
        for event in drain(self.pool):
            if not isinstance(event, Reported):
                self.ends[event.number].append(event)

    def rooms(self) -> int:
        return sum(card.room for card in self.pool.cards())

    def answer(self) -> dict[str, Any]:
        ends = {
            number: [
                [type(end).__name__, getattr(end, "reason", ""), end.attempts, getattr(end, "message", "")]
                for end in ends
            ]
            for number, ends in self.ends.items()
        }
        return {"begun": len(self.begun), "ends": ends, "lost": self.pool.lost_workers}


def endless(architecture: Architecture, first: int = 0) -> Iterator[Job]:
    number = first
    while True:
        yield Job(number, architecture, 0)
        number += 1


@contextmanager
def opened(pool: Pool) -> Iterator[Watch]:
    with pool:
        pool.open(points())
        yield Watch(pool)


def shares(nodes: Cluster, folder: Path) -> dict[str, Any]:
    """Sixteen workers on two cards."""
    with opened(ReadPool(say(folder, busy=0.5), gpus=0.125)) as watch:
        slots = watch.pool.slots
        jobs = endless(faulty("slow"))
        full = watch.until(jobs, lambda: sum(card.trials for card in watch.pool.cards()) == 16)
        watch.until(jobs, lambda: all(card.busy is not None for card in watch.pool.cards()))
        cards = [vars(card) for card in watch.pool.cards()]
        watch.finish()
        return {**watch.answer(), "slots": slots, "full": full, "cards": cards}


def packed(nodes: Cluster, folder: Path) -> dict[str, Any]:
    """Trials become more, and fewer after one has run out of memory; nothing is lost."""
    file = say(folder, busy=0.2)
    with opened(ReadPool(file, gpus="auto", cpus=2)) as watch:
        slots = watch.pool.slots
        jobs = endless(faulty("slow"))
        grown = watch.until(jobs, lambda: watch.rooms() == 8 and len(watch.pool.usage()) == 8)
        most, more_slots = watch.rooms(), watch.pool.slots
        say(folder, busy=1.0)
        watch.begun |= {-1, -2}
        watch.pool.start(
            Job(-1, faulty("cuda memory"), 0), Job(-2, faulty("killed once", folder / "killed"), 0)
        )
        shrunk = watch.until(jobs, lambda: watch.rooms() < 8 and {-1, -2} <= watch.ends.keys())
        less = watch.rooms()
        gone = watch.until(jobs, lambda: len(watch.pool.usage()) == watch.rooms())
        watch.finish()
        after = [card.trials for card in watch.pool.cards()]
        return {
            **watch.answer(),
            "rooms": [most, less],
            "slots": [slots, more_slots],
            "done": [grown, shrunk, gone],
            "after": after,
        }


def bounded(nodes: Cluster, folder: Path) -> dict[str, Any]:
    """No more workers than were asked for, whatever the cards could do."""
    with opened(ReadPool(say(folder, busy=0.1), gpus="auto", workers=3)) as watch:
        jobs = endless(faulty("slow"))
        grown = watch.until(jobs, lambda: len(watch.pool.usage()) == 3)
        end = time.monotonic() + 5
        watch.until(jobs, lambda: time.monotonic() > end)
        most = max(sum(room for _, _, room in cards) for cards in watch.seen)
        slots = watch.pool.slots
        watch.finish()
        return {**watch.answer(), "grown": grown, "most": most, "slots": slots}


def alone(nodes: Cluster, folder: Path) -> dict[str, Any]:
    """Two run out of memory beside others; alone, one of them passes."""
    once = faulty("cuda memory once", folder / "once")
    with opened(ReadPool(say(folder, busy=0.5), gpus=0.5, workers=4)) as watch:
        watch.warm_up(4)
        long = [Job(number, keep(folder, f"long {number}", epochs=4), 0) for number in range(8)]
        short = [Job(100, once, 0)]
        faults = ("cuda memory", "python memory", "device assert")
        short += [Job(101 + number, faulty(fault), 0) for number, fault in enumerate(faults)]
        jobs = iter([*long[:2], *short, *long[2:]])
        watch.until(jobs, lambda: len(watch.ends) == 12)
        return watch.answer()


def lonely(nodes: Cluster, folder: Path) -> dict[str, Any]:
    """What is to be alone begins when the others on its card are done, and none begins before it is over."""
    names = [f"other {number}" for number in range(6)]
    once = architecture(
        layer(Diary, folder=str(folder), name="the one"), layer(OutOfMemoryOnce, marker=str(folder / "once"))
    )
    with opened(ReadPool(say(folder, busy=0.5), gpus=0.5, workers=2)) as watch:
        watch.warm_up(2)
        jobs = iter([Job(99, once, 0), *(Job(i, keep(folder, name), 0) for i, name in enumerate(names))])
        watch.until(jobs, lambda: len(watch.ends) == 7)
        diaries = {
            name: [line.split() for line in (folder / f"{name}.diary").read_text().splitlines()]
            for name in ["the one", *names]
        }
        return {**watch.answer(), "diaries": diaries}


class OutOfMemoryOnce(nn.Module):
    """Runs out of a card's memory, the first time only."""

    def __init__(self, marker: str) -> None:
        super().__init__()
        self.marker = marker

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_meta and not Path(self.marker).exists():
            Path(self.marker).touch()
            raise RuntimeError("CUDA error: out of memory")
        return x


def gone(nodes: Cluster, folder: Path) -> dict[str, Any]:
    """The driver of a card says that it is gone: once in a trial, once to who watches it."""
    file = say(folder, busy=0.5)
    with opened(ReadPool(file, gpus=0.5, workers=2)) as watch:
        watch.warm_up(2)
        jobs = iter([Job(0, faulty("card gone once", folder / "gone"), 0), Job(1, architecture(), 0)])
        watch.until(jobs, lambda: len(watch.ends) == 2)
        lost = watch.pool.lost_workers
        card = watch.pool.cards()[0].id.rpartition("/")[2]
        more = iter([Job(number, faulty("slow"), 0) for number in range(2, 6)])
        Path(f"{file}.{card}.lost").touch()
        watch.until(more, lambda: watch.pool.lost_workers > lost)
        watch.until(more, lambda: len(watch.ends) == 6)
        return {**watch.answer(), "first": lost}


def gang(nodes: Cluster, folder: Path) -> dict[str, Any]:
    """Two processes with a card each train together."""
    with opened(ReadPool(say(folder, busy=0.5), gpus=1, processes=2, workers=1)) as watch:
        jobs = iter([Job(number, faulty("slow"), 0) for number in range(2)])
        watch.until(jobs, lambda: any(cards and cards[0][1] for cards in watch.seen))
        cards = [vars(card) for card in watch.pool.cards()]
        watch.finish()
        return {**watch.answer(), "cards": cards}


def nodes_change(nodes: Cluster, folder: Path) -> dict[str, Any]:
    """A node with a card joins and leaves again; its trials are trained elsewhere."""
    with opened(ReadPool(say(folder, busy=1.0), gpus="auto")) as watch:
        jobs = endless(faulty("slow"))
        watch.until(jobs, lambda: len(watch.pool.usage()) == 2)
        new = nodes.add_node(num_cpus=1, num_gpus=1, object_store_memory=100_000_000)
        joined = watch.until(jobs, lambda: sum(card.trials for card in watch.pool.cards()) == 3)
        slots = watch.pool.slots
        nodes.remove_node(new, allow_graceful=False)
        left = watch.until(jobs, lambda: len(watch.pool.cards()) == 2 and watch.pool.slots == 4)
        watch.until(jobs, lambda: len(watch.begun) > 12)
        watch.finish()
        return {**watch.answer(), "done": [joined, left], "slots": slots}


def late(nodes: Cluster, folder: Path) -> dict[str, Any]:
    """The first card comes with a node that is still to come."""
    pool = ReadPool(say(folder, busy=1.0), gpus="auto", resources={"late": 1}, wait=PATIENCE)
    with opened(pool) as watch:
        jobs = endless(architecture())
        end = time.monotonic() + 2
        watch.until(jobs, lambda: time.monotonic() > end)
        none = not watch.pool.cards() and not watch.ends
        new = nodes.add_node(num_cpus=1, num_gpus=1, resources={"late": 1}, object_store_memory=100_000_000)
        watch.until(jobs, lambda: len(watch.begun) > 5)
        watch.finish()
        cards = len(watch.pool.cards())
        nodes.remove_node(new, allow_graceful=False)
        return {**watch.answer(), "none": none, "cards": cards}


SCENARIOS = {
    made.__name__: made for made in (shares, packed, bounded, alone, lonely, gone, gang, nodes_change, late)
}


def main() -> None:
    ray_constants.ENABLE_RAY_CLUSTER = False  # its ports answer this machine only
    head = {
        "num_cpus": 16,
        "num_gpus": 2,
        "node_ip_address": "127.0.0.1",
        "object_store_memory": 100_000_000,
        "include_dashboard": False,
    }
    nodes = Cluster(initialize_head=True, connect=False, head_node_args=head)
    ray.init(address=nodes.address, logging_level="ERROR", log_to_driver=False)
    for line in sys.stdin:
        name, folder = json.loads(line)
        try:
            answer = SCENARIOS[name](nodes, Path(folder))
        except BaseException:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), flush=True)
    ray.shutdown()
    nodes.shutdown()


if __name__ == "__main__":
    main()
