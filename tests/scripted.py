"""An executor for tests of the loop: it trains nothing; a function says what becomes of each job."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Literal

from workers.executor import Card, Executor
from workers.job import Event, Failed, Finished, HeldWeights, Job, Report, Reported

Outcome = Callable[[Job], dict[str, float] | Failed | BaseException]
"""What becomes of a job: metrics of a network that was trained, a failure, or an error of the executor."""

NUM_PARAMS = 7.0


def by_decisions(job: Job) -> dict[str, float]:
    """An accuracy that the decisions alone decide, between 0 and 1."""
    accuracy = random.Random(str(sorted(job.architecture.decisions.items()))).random()
    return {"loss": 1 - accuracy, "accuracy": accuracy}


class Scripted(Executor):
    """Jobs end at once, so many at a time, in a given order.

    Args:
        outcome: what becomes of a job.
        slots: of the executor.
        order: which of the jobs in flight end first: the first begun, the last begun, or any.
        at_once: events of so many jobs at a time, at the most.
        before: called with the number of jobs ended so far, before events are handed out.
        ran: what is said to have run in a job, or in each.
        costs: what networks are said to cost, beside `NUM_PARAMS`.
        cards: what each card is said to have done.
        seconds: what each training is said to have taken.
    """

    def __init__(
        self,
        outcome: Outcome = by_decisions,
        *,
        slots: int = 1,
        order: Literal["first", "last", "any"] = "first",
        at_once: int = 1,
        before: Callable[[int], None] = lambda ended: None,
        ran: Callable[[Job], dict[str, str]] | dict[str, str] | None = None,
        costs: dict[str, float] | None = None,
        cards: Callable[[], list[Card]] = list,
        seconds: float = 0.5,
    ) -> None:
        self.outcome, self.order, self.at_once, self.before = outcome, order, at_once, before
        self._slots, self._ran, self._costs, self._cards = slots, ran or {}, costs or {}, cards
        self.started: list[Job] = []
        self.most_in_flight = 0
        self.is_open = False
        self.ended = 0
        self._jobs: list[Job] = []
        self._rng = random.Random(0)
        self._seconds = seconds

    @property
    def slots(self) -> int:
        return self._slots

    def cards(self) -> list[Card]:
        return self._cards()

    def _open(self, problem: Any) -> None:
        self.is_open = True

    def _start(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self.started.append(job)
            self._jobs.append(job)
        self.most_in_flight = max(self.most_in_flight, len(self._jobs))

    def _events(self, timeout: float | None) -> list[Event]:
        self.before(self.ended)
        found: list[Event] = []
        for _ in range(min(self.at_once, len(self._jobs))):
            place = {"first": 0, "last": -1, "any": self._rng.randrange(len(self._jobs))}[self.order]
            found += self._events_of(self._jobs.pop(place))
            self.ended += 1
        return found

    def _events_of(self, job: Job) -> list[Event]:
        came = self.outcome(job)
        if isinstance(came, BaseException):
            raise came
        if isinstance(came, Failed):
            return [came]
        report = Report(1, dict(came), 0.5, 0.25, 100.0)
        weights = HeldWeights(job.architecture.id.encode())
        costs = {"num_params": NUM_PARAMS, **self._costs}
        ran = self._ran(job) if callable(self._ran) else self._ran
        ended = Finished(job.number, dict(came), dict(came), self._seconds, weights, costs, ran=ran)
        return [Reported(job.number, report), ended]

    def _stop(self, number: int) -> None:
        self._jobs = [job for job in self._jobs if job.number != number]

    def _close(self) -> None:
        self._jobs.clear()
        self.is_open = False
