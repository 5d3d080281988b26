"""Whether a search is at its end, and why."""

from __future__ import annotations

from dataclasses import dataclass

from nas.description import Description
from nas.progress import Progress

MAX_REJECTED = 2000
"""Proposals in a row that break a limit before a search gives up."""


@dataclass(frozen=True)
class End:
    """Why nothing more is begun.

    Attributes:
        words: for people.
        waits: whether what is running is waited for.
        fails: whether the search was in vain.
    """

    words: str
    waits: bool
    fails: bool = False


def end_of(
    description: Description, progress: Progress, *, begun: int, rejected: int, exhausted: bool
) -> End | None:
    """Why a search should begin nothing more; None if it should.

    Args:
        description: of the search.
        progress: where it stands.
        begun: trials that are over or on their way.
        rejected: proposals in a row that broke a limit.
        exhausted: whether every network has been proposed.
    """
    budget, objective = description.budget, description.objectives[0]
    if budget.seconds is not None and progress.elapsed >= budget.seconds:
        return End(f"{budget.seconds:g} seconds are over", waits=False)
    if budget.target is not None and progress.best is not None:
        best = progress.best[0]
        if objective.score(best) >= objective.score(budget.target):
            return End(f"{objective.metric} {best:.4g} reached the target", waits=False)
    if budget.trials is not None and begun >= budget.trials:
        return End(f"{budget.trials} trials are done", waits=True)
    if exhausted:
        return End("every network of the space has been tried", waits=True)
    if rejected >= MAX_REJECTED:
        limits = ", ".join(map(str, description.limits))
        words = f"the last {MAX_REJECTED} proposals all broke a limit ({limits})"
        if not begun:
            return End(f"{words}: the space may hold no network within it", waits=False, fails=True)
        return End(words, waits=True)
    return None
