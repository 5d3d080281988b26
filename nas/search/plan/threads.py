"""With how many threads networks are trained: measured on the plain network, before the first one begins."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from controllers.planner import Planner
from nas.search.plan.plan import Part, Standing

SHARE = 0.02
"""The share of the time that measuring may take."""

WORTH = 1.1
"""By so much more threads have to be faster than fewer: what one trial leaves idle, other work can have."""


class Threads(Part):
    """Chooses the threads of a training, where the executor lets it and the budget is one of time.

    Small networks train no faster with more threads, and often slower: each step waits for the last thread.
    So it is measured. Executors that train on every core at once have nothing to choose: more trials at a
    time are worth more than more threads for each, and which cores a worker holds is the user's to say.

    With another number of threads sums are made in another order, and results differ in their last digits: a
    search whose budget is a number of trials, which can be repeated exactly, trains with one thread.
    """

    name = "threads"

    def __init__(self) -> None:
        self._asked = False
        self._next: int | None = None

    def choose(self, standing: Standing) -> tuple[Any, str] | None:
        if self._asked or standing.planner.controller.num_asked or not math.isfinite(standing.left):
            return None
        self._asked = True
        paces = standing.paces(SHARE * standing.left)
        return chosen_threads(paces) if len(paces) > 1 else None

    def act(self, value: Any, planner: Planner) -> None:
        self._asked, self._next = True, value

    def take(self) -> int | None:
        """Returns the number of threads that is to be used from now on, once; None: it stays as it is."""
        found, self._next = self._next, None
        return found


def chosen_threads(paces: Mapping[int, float]) -> tuple[int, str]:
    """Returns how many threads to train with, and why.

    Args:
        paces: the seconds of an epoch by the number of threads.
    """
    fastest = min(paces.values())
    threads = min(number for number, seconds in paces.items() if seconds <= WORTH * fastest)
    told = ", ".join(f"{seconds:.3g} s with {number}" for number, seconds in sorted(paces.items()))
    return threads, f"an epoch of the plain network takes {told}"
