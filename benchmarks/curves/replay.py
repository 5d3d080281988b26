"""Replays searches on collected curves: the real search over known networks, on a clock of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.curves.table import CurveTable, Network, load
from controllers.predictor.features import Genomes
from nas.search.search import Search
from search_spaces import Architecture, Signature, Space, Vector
from search_spaces.space import Pick
from search_spaces.tasks import Classification
from workers.job import Event, Job
from workers.tabular import Answer, Simulated, Table

SIGNATURE = Signature({"point": Vector(1)}, {"kind": Classification(2)})
"""What the networks of every table are said to serve: none is built."""


class Pool(Space):
    """The networks of a table as a space: what is filled becomes the nearest one that was not begun yet.

    So every controller proposes by its own rules, is told of the network that was trained, and tries none
    twice. Near is by what a model of scores sees of networks: options that differ, numbers on their ranges.

    Args:
        space: the space that the networks are of.
        architectures: the networks.

    Attributes:
        begun: the ids of those that were begun.
    """

    def __init__(self, space: Space, architectures: Sequence[Architecture]) -> None:
        super().__init__(space)
        self._there = list(architectures)
        self._places = {one.id: place for place, one in enumerate(self._there)}
        self._genomes = Genomes(space)
        self._features = self._of(self._there)
        self.begun: set[str] = set()

    def fill(self, pick: Pick) -> Architecture:
        filled = super().fill(pick)
        if filled.id in self._places:
            exact = self._there[self._places[filled.id]]
            if dict(exact.decisions) == dict(filled.decisions):
                return exact
        distances = np.abs(self._features - self._of([filled])).sum(axis=1)
        for place in np.argsort(distances, kind="stable"):
            if self._there[place].id not in self.begun:
                return self._there[place]
        return self._there[int(distances.argmin())]

    def size(self) -> int | float:
        return len(self._there)

    def enumerate(self) -> Iterator[Architecture]:
        return iter(self._there)

    def _of(self, architectures: Sequence[Architecture]) -> Any:
        return self._genomes.features(np.stack([self._genomes.encode(one) for one in architectures]))


class Replayed(Simulated):
    """Simulated workers whose trials end as trained ones do: sooner, where their schedule lets them.

    Such an end is taken for the score of the averaged weights after as many epochs.

    Args:
        pool: the networks, which are told what begins.
        workers: how many workers there are.
        seconds: the end of the search: the clock does not pass it, so that what would come later is lost.
    """

    trains = True

    def __init__(self, pool: Pool, workers: int, seconds: float) -> None:
        super().__init__(workers)
        self._pool, self._seconds = pool, seconds

    def _events(self, timeout: float | None) -> list[Event]:
        if self._now < self._seconds < min((when for when, *_ in self._coming), default=0.0):
            self._now = self._seconds
            return []
        return super()._events(timeout)

    def _start(self, jobs: Sequence[Job]) -> None:
        self._pool.begun |= {job.architecture.id for job in jobs}
        super()._start(jobs)


@dataclass(frozen=True)
class Choice:
    """A way to search: who proposes, how long trials train, and whether it begins near the plain network."""

    controller: str
    fidelity: str
    near: bool = False

    def __str__(self) -> str:
        if self.controller == self.fidelity:
            return self.controller
        return f"{self.controller}, {self.fidelity}{', near plain' * self.near}"


@dataclass(frozen=True)
class Outcome:
    """What came of a search.

    Attributes:
        regret: that of the network which it ranks first, by its end in the table; see `CurveTable.regret`.
        as_trained: the same by the score that it has in the search, which may have ended it sooner.
        finished: the networks that were trained to an end.
        begun: the networks that were begun.
    """

    regret: float
    as_trained: float
    finished: int
    begun: int


@cache
def known(name: str, folder: Path) -> tuple[CurveTable, tuple[Architecture, ...]]:
    """The table of a problem, and the architectures of its networks."""
    table = load(name, folder)
    return table, tuple(table.space.architecture(one.decisions) for one in table.networks)


def answer_of(network: Network) -> Answer | None:
    """What is known of a network: the means over its seeds."""
    if not network.trainings:
        return None
    scores = np.mean([one.scores for one in network.trainings], axis=0)
    after = np.mean([one.seconds for one in network.trainings], axis=0).cumsum()
    curve = tuple(({"score": float(s)}, float(a)) for s, a in zip(scores, after, strict=True))
    return Answer(*curve[-1], epochs=curve)


def replay(name: str, folder: Path, choice: Choice, budget: float, workers: int, seed: int) -> Outcome:
    """Searches a table.

    Args:
        name: the name of the problem.
        folder: the folder of its table.
        choice: how it is searched.
        budget: the time of all workers together, in full trainings of the plain network.
        workers: how many workers there are.
        seed: the seed of the search.
    """
    curves, architectures = known(name, folder)
    pool = Pool(curves.space, architectures)
    answers = {network.id: answer_of(network) for network in curves.networks}
    table = Table(
        name,
        pool,
        SIGNATURE,
        lambda architecture: answers[architecture.id],
        metrics=("score",),
        objective=("score", "maximize"),
    )
    seconds = budget * curves.plain.seconds / workers
    search = Search(
        pool,
        table,
        choice.controller,
        seconds=seconds,
        fidelity=choice.fidelity,
        epochs=len(curves.plain.trainings[0].scores),  # of more the tables know nothing
        first=[{}],
        executor=Replayed(pool, workers, seconds),
        store="sqlite:///:memory:",
        seed=seed,
        keep_weights=0,
        prior="plain" if choice.near or choice.controller == "auto" else "none",
    )
    frame = search.run()
    best = frame.iloc[0]
    regret = curves.regret(curves.by_id[best["id"]].end)
    return Outcome(
        regret, curves.regret(best["score"]), int((frame["status"] == "complete").sum()), len(frame)
    )
