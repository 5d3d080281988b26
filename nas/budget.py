"""The budget of a search: how much of what it may use."""

from __future__ import annotations

import math
from dataclasses import dataclass

from search_spaces.errors import SearchError


@dataclass(frozen=True)
class Budget:
    """When a search ends: at the first of these that is reached. None means without that end.

    Attributes:
        trials: networks trained, failed ones and repeats answered from the record included.
        seconds: wall-clock time of the search's drivers together.
        target: value of the first objective.
        trial_seconds: time for one trial; a longer one fails with reason ``timeout``.
        epochs: for every trial, in place of its recipe's.
        trial_memory: bytes that a worker may hold while it runs a trial; more fails it (``out_of_memory``).
        trial_silence: seconds that a trial may take without a report; more fails it (``silent``).

    Raises:
        SearchError: a value that is no such number.
    """

    trials: int | None = None
    seconds: float | None = None
    target: float | None = None
    trial_seconds: float | None = None
    epochs: int | None = None
    trial_memory: int | None = None
    trial_silence: float | None = None

    def __post_init__(self) -> None:
        for name in ("trials", "epochs", "trial_memory"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise SearchError(f"{name}: expected a whole number above 0, got {value!r}")
        for name in ("seconds", "trial_seconds", "trial_silence", "target"):
            value = getattr(self, name)
            if value is None:
                continue
            wanted = "a number" if name == "target" else "a number above 0"
            number = not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
            if not number or (name != "target" and value <= 0):
                raise SearchError(f"{name}: expected {wanted}, got {value!r}")
