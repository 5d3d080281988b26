"""A trial's time and its end."""

import math
import time
from collections.abc import Callable

from search_spaces.errors import TrainingFailure


class Deadline:
    """A trial's time and its end, asked between steps.

    Args:
        seconds: the seconds from now; None: no limit.
        check: the function that is asked first; it raises to end the trial for a reason of its own.
    """

    def __init__(self, seconds: float | None, check: Callable[[], None] = lambda: None) -> None:
        self.seconds, self._check = seconds, check
        self._limit = math.inf if seconds is None else seconds
        self._started = time.perf_counter()

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._started

    def add(self, seconds: float) -> None:
        """Counts what was spent before, by an earlier attempt."""
        self._started -= seconds

    def check(self) -> None:
        """Raises what the caller's check raises, or a `TrainingFailure` when the time is over."""
        self._check()
        if time.perf_counter() - self._started > self._limit:
            raise TrainingFailure("timeout", f"not finished within its {self.seconds:g} seconds")
