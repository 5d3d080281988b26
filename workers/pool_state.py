"""What a pool keeps in mind: its workers, the jobs at each, and the weights that came of them."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import ray

from search_spaces.errors import ExecutorError
from workers.executor import Usage
from workers.job import Failed, Finished, Job, Weights

_OUT_OF_MEMORY = ("OutOfMemory", "out of memory", "low on memory")
"""How Ray words it when it kills a worker because its node has no memory left."""


@dataclass(frozen=True)
class RemoteWeights(Weights):
    """Weights in Ray's object store, on the node that trained them, until they are read."""

    reference: Any

    def read(self) -> bytes:
        try:
            data: bytes = ray.get(self.reference)
        except Exception as error:
            raise ExecutorError(
                f"these weights are gone (read them before the pool closes): {type(error).__name__}: {error}"
            ) from error
        return data


@dataclass(eq=False)
class Run:
    """A job in flight, as the driver sees it. Times are monotonic seconds."""

    job: Job
    lost: int = 0  # times that its worker was lost
    epochs: int = 0  # reports handed on; a second attempt's are not repeated
    ticket: int = -1
    began: float | None = None
    heard: float | None = None  # when it began or reported last
    stopping: float | None = None  # when it was told to stop
    moving: bool = False  # asked back, to go to an idle worker

    def overdue(self, grace: float) -> tuple[float, str]:
        """When it loses its process, and for which reason."""
        job, began, heard = self.job, self.began, self.heard
        dues = [(math.inf, "")]
        if began is not None and heard is not None:
            if job.seconds is not None:
                dues.append((began + job.seconds + grace, "timeout"))
            if job.silence is not None:
                dues.append((heard + job.silence, "silent"))
            if self.stopping is not None:
                dues.append((self.stopping + grace, "stopped"))
        return min(dues)

    def killed(self, reason: str, grace: float) -> str:
        """Why its process was killed when it was overdue, for people."""
        return {
            "stopped": "stopped on request; it did not end by itself",
            "silent": f"gave no report for {self.job.silence or 0:g} seconds",
            "timeout": f"did not end by itself {grace:g} s after its {self.job.seconds or 0:g} seconds",
        }[reason]

    def lose(self, why: str, retries: int) -> tuple[str, str] | None:
        """Count its worker as lost; gives reason and message if it has failed with that."""
        self.lost += 1
        if self.stopping is not None:
            return "stopped", "stopped on request"
        if self.lost > 1 and any(words in why for words in _OUT_OF_MEMORY):  # once may be a neighbour's doing
            return "out_of_memory", f"its node ran out of memory: {why}"[:1_000]
        if self.lost > retries:
            return "worker_lost", f"its worker was lost {self.lost} times; last: {why}"[:1_000]
        return None

    def failed(self, reason: str, message: str) -> Failed:
        """Its last event, where no worker gave it."""
        seconds = 0.0 if self.began is None else time.monotonic() - self.began
        lost = reason == "worker_lost"
        return Failed(
            self.job.number, reason, message, "", lost, seconds, attempts=max(1, self.lost + (not lost))
        )


@dataclass(eq=False)
class Member:
    """A worker of the pool: its actor, and the runs sent to it, the first one running.

    Attributes:
        actor: Ray's handle; of several processes, the first one's.
        name: for people: its place in the pool.
        runs: what it was ordered to do.
        ready: when it could train first; None: it is starting.
        listening: whether an answer is awaited from `Worker.exchange`.
        node: where it runs.
        handing_over: trials that have ended, but their weights are still on their way.
        others: the handles of the further processes.
        place: the placement group of several processes.
    """

    actor: Any
    name: str
    runs: deque[Run] = field(default_factory=deque)
    ready: float | None = None
    listening: bool = False
    node: str = ""
    handing_over: deque[tuple[Run, Finished]] = field(default_factory=deque)
    others: list[Any] = field(default_factory=list)
    place: Any = None
    _busy: float = 0.0
    _held: float = 0.0  # seconds with a run
    _since: float | None = None  # when it got its first run

    def occupy(self) -> None:
        """Note that there is something to do, or that there is not."""
        now = time.monotonic()
        if self.runs and self.ready is not None and self._since is None:
            self._since = now
        elif not self.runs and self._since is not None:
            self._held += now - self._since
            self._since = None

    def trained(self, seconds: float) -> None:
        """Count a training."""
        self._busy += seconds

    def usage(self) -> Usage:
        """How its time was spent so far."""
        now = time.monotonic()
        life = 0.0 if self.ready is None else now - self.ready
        held = self._held + (now - self._since if self._since is not None else 0.0)
        busy = self._busy
        if self.runs and self.runs[0].began is not None:
            busy += now - self.runs[0].began
        busy = min(busy, held)
        return Usage(self.name, self.node, busy, max(0.0, life - held), held - busy)
