"""Where a running search stands, for whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass, field

from nas.description import Budget


@dataclass
class Progress:
    """Where a search stands. The search itself keeps it up to date; callbacks read it.

    Attributes:
        name: of the search.
        budget: when it ends.
        objective: the first one's metric.
        complete, paused, failed, infeasible, repeated, running: numbers of trials.
        best: value of the first objective of the best feasible trial, and the id of its architecture.
        elapsed: seconds, of earlier drivers too.
        seconds_here: of this driver.
        trials_here: trials that it has trained, at least to a first pause.
        messages: what happened since the last look, a line each (failures).
    """

    name: str
    budget: Budget
    objective: str
    complete: int = 0
    paused: int = 0
    failed: int = 0
    infeasible: int = 0
    repeated: int = 0
    running: int = 0
    best: tuple[float, str] | None = None
    elapsed: float = 0.0
    seconds_here: float = 0.0
    trials_here: int = 0
    messages: list[str] = field(default_factory=list)

    @property
    def trials(self) -> int:
        """Trials that are over, or have paused, and count towards the budget."""
        return self.complete + self.paused + self.failed + self.repeated

    @property
    def trials_per_minute(self) -> float:
        """Speed of this driver."""
        return 60 * self.trials_here / self.seconds_here if self.seconds_here > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end of the budget, estimated from the speed so far; None where unknown."""
        left = []
        if self.budget.seconds is not None:
            left.append(self.budget.seconds - self.elapsed)
        if self.budget.trials is not None and self.trials_here:
            left.append((self.budget.trials - self.trials) * self.seconds_here / self.trials_here)
        return max(0.0, min(left)) if left else None
