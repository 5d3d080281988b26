"""What a pool keeps in mind: its workers, the jobs at each, and the weights that came of them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import ray

from search_spaces.errors import ExecutorError
from workers.job import Job, Weights


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
    """A job in flight, as the driver sees it."""

    job: Job
    lost: int = 0  # times that its worker was lost
    epochs: int = 0  # reports handed on; a second attempt's are not repeated
    ticket: int = -1
    stream: Any = None
    began: float | None = None
    held: dict[str, RemoteWeights] = field(default_factory=dict)  # what came before `Finished`, by marker
    held_next: str | None = None  # the marker of what comes next
    stopping: float | None = None  # when it was told to stop
    moving: bool = False  # asked back, to go to an idle worker


@dataclass(eq=False)
class Member:
    """A worker of the pool: its actor, and the runs sent to it, the first one running."""

    actor: Any
    starting: Any  # reference that is ready when the worker is; then None
    runs: deque[Run] = field(default_factory=deque)
