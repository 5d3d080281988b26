"""Whether a network comes to its end in the time that is left, judged before it is trained."""

from __future__ import annotations

import math

from nas.results.text import duration
from nas.search.flights import Flight
from search_spaces.architecture import Architecture
from workers.job import Finished
from workers.recipe import Recipe
from workers.speed.speed import Speed

TRUST = 1.5
"""By so much a prediction may be too high: what takes no longer than that without it is begun."""


class TimeLeft:
    """Holds proposals against the time that is left, by what networks took so far (`workers.speed`).

    Before anything was measured, and where nothing can be predicted, every network is in time.

    Args:
        speed: how fast trials are here; None: nobody knows.

    Attributes:
        left: the seconds that are left, infinite where the search has no such end.
    """

    def __init__(self, speed: Speed | None) -> None:
        self._speed = speed
        self.left = math.inf

    def late(self, architecture: Architecture, epochs: int | None) -> str | None:
        """Says why a network is not begun; None where it is.

        Args:
            architecture: the network.
            epochs: the epochs that it has to be trained for; None: those of its recipe.
        """
        found = None if self._speed is None or self.left == math.inf else self._speed.predict(architecture)
        if found is None:
            return None
        epochs = epochs or Recipe.of(architecture).epochs
        seconds = found.total(epochs)
        if seconds / TRUST <= self.left:
            return None
        return f"its training takes some {duration(seconds)}, {duration(max(0.0, self.left))} are left"

    def learn(self, flight: Flight, event: Finished) -> None:
        """Takes in what the training of a flight took."""
        if self._speed is None or not flight.reported or flight.pace is None:
            return
        rest = max(0.0, event.seconds - flight.trained)
        self._speed.observe(
            flight.proposal.architecture,
            flight.pace,  # the first epoch of a process takes longer than all others
            rest=rest,
            epochs=flight.reported,
            device=event.ran.get("device", "cpu"),
        )
