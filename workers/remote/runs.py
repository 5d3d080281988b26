"""A job in flight on Ray, as the driver sees it: how long it may take, and what its worker's end means."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from workers.job import Event, Failed, Job

_OUT_OF_MEMORY = ("OutOfMemory", "out of memory", "low on memory")
"""How Ray words it when it kills a worker because its node has no memory left."""

_CARD_OUT_OF_MEMORY = ("CUDA out of memory", "CUDA error: out of memory", "_STATUS_ALLOC_FAILED")
"""How torch and CUDA's libraries word it where a card's memory was not enough."""


def ran_out_of_card(event: Event) -> bool:
    """Whether a trial has failed because there was not enough of its card's memory."""
    if not isinstance(event, Failed) or event.reason != "out_of_memory":
        return False
    return any(words in event.message for words in _CARD_OUT_OF_MEMORY)


@dataclass(eq=False)
class RemoteRun:
    """A job in flight, as the driver sees it. Times are monotonic seconds."""

    job: Job
    lost: int = 0  # times that its worker was lost
    alone: bool = False  # ran out of a card's memory beside others: it is to have a card to itself
    share: float = 1.0  # the share of its card's memory that it may use
    estimated: int = 0  # the bytes of it that its tensors are expected to take
    epochs: int = 0  # reports handed on; a second attempt's are not repeated
    ticket: int = -1
    began: float | None = None
    heard: float | None = None  # when it began or reported last
    stopping: float | None = None  # when it was told to stop
    moving: bool = False  # asked back, to go to an idle worker

    @property
    def attempts(self) -> int:
        """How often it was begun, the latest time included."""
        return 1 + self.lost + self.alone

    @property
    def queued(self) -> bool:
        """Whether no worker has begun it yet."""
        return self.began is None and self.attempts == 1 and not self.epochs

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
        """Counts its worker as lost; returns reason and message if it has failed with that."""
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
            self.job.number, reason, message, "", lost, seconds, attempts=max(1, self.attempts - lost)
        )
