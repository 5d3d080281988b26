"""How far a running search is, for whoever watches it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from nas.description import Budget
from nas.records import Status
from workers.executor import Card


class Clock:
    """Tells how long a search has taken, in seconds. Asking it changes nothing.

    Args:
        before: the seconds that the search took until now.
        now: returns the seconds since some moment; time as the workers have it.
    """

    def __init__(self, before: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self._before, self._now, self._began = before, now, now()

    def here(self) -> float:
        """Returns the seconds since this clock was made."""
        return self._now() - self._began

    def elapsed(self) -> float:
        """Returns the seconds of the search, those before this clock included."""
        return self._before + self.here()


@dataclass
class Progress:
    """How far a search is. The search keeps it up to date; callbacks read it.

    Attributes:
        name: the name of the search.
        budget: the budget of the search.
        objective: the metric of the first objective.
        clock: the clock of the search.
        counts: the number of trials by status: those that are over, have paused or are running.
        best: the value of the first objective of the best feasible trial, and the id of its architecture.
        budget_end: when the budget ends, in seconds of the search; None: after its own seconds, if any.
        trials_here: the number of trials that this driver has trained, at least to a first pause.
        messages: what happened since the last turn, a line each (failures, where it trains).
        cards: what each card did when that was last recorded, another tuple each time; none where networks
            are trained on CPUs, and none yet.
    """

    name: str
    budget: Budget
    objective: str
    clock: Clock = field(default_factory=Clock)
    counts: Counter[Status] = field(default_factory=Counter)
    best: tuple[float, str] | None = None
    budget_end: float | None = None
    trials_here: int = 0
    messages: list[str] = field(default_factory=list)
    cards: tuple[Card, ...] = ()

    @property
    def complete(self) -> int:
        """The number of trials that were trained and measured."""
        return self.counts["complete"]

    @property
    def paused(self) -> int:
        """The number of trials that have paused."""
        return self.counts["paused"]

    @property
    def failed(self) -> int:
        """The number of trials that failed."""
        return self.counts["failed"]

    @property
    def infeasible(self) -> int:
        """The number of trials that broke a limit before any training."""
        return self.counts["infeasible"]

    @property
    def repeated(self) -> int:
        """The number of trials that were answered from the record of the same network."""
        return self.counts["repeated"]

    @property
    def running(self) -> int:
        """The number of trials in training."""
        return self.counts["running"]

    @property
    def trials(self) -> int:
        """The number of trials that are over, or have paused, and count towards the budget."""
        number = self.counts.get  # asked several times for each trial; a Counter is slow where a key lacks
        return number("complete", 0) + number("paused", 0) + number("failed", 0) + number("repeated", 0)

    @property
    def ends_at(self) -> float | None:
        """When the budget ends, in seconds of the search; None: at no time that is known."""
        return self.budget.seconds if self.budget_end is None else self.budget_end

    @property
    def elapsed(self) -> float:
        """The seconds of the search, those of earlier drivers included."""
        return self.clock.elapsed()

    @property
    def seconds_here(self) -> float:
        """The seconds of this driver."""
        return self.clock.here()

    @property
    def trials_per_minute(self) -> float:
        """The speed of this driver."""
        seconds = self.seconds_here
        return 60 * self.trials_here / seconds if seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """The seconds to the end of the budget, estimated from the speed so far; None where unknown."""
        left = []
        if (ends_at := self.ends_at) is not None:
            left.append(ends_at - self.elapsed)
        if self.budget.trials is not None and self.trials_here:
            left.append((self.budget.trials - self.trials) * self.seconds_here / self.trials_here)
        return max(0.0, min(left)) if left else None
