"""Whether a network takes too much time: judged before it is trained, and by its first steps."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from statistics import fmean, median

from controllers.base import Controller
from nas.results.text import duration
from nas.search.flights import VALIDATED, Flight
from nas.search.plan.budget_end import BudgetEnd
from search_spaces.architecture import Architecture
from workers.job import Finished
from workers.recipe import Recipe
from workers.speed.speed import Speed, TrialSeconds

TRUST = 1.5
"""By so much a prediction may be too high: what takes no longer than that without it is begun."""

TRUST_OF_STEPS = 1.25
"""The same of a prediction by a network's own first steps: what takes no longer than that goes on."""

SHARE = 0.25
"""The share of the budget that one network may take to its end."""

OF_PLAIN = 3.0
"""So many times the seconds of the plain network are never too many, however short the budget."""

DRAWN = 9
"""So many networks say how long those take that a search begins with."""

RECALLED = 20
"""So many trials of earlier drivers are enough to know how fast trials are."""


class TimeLeft:
    """Holds networks against the time that is left, by what networks took so far (`workers.speed`).

    A network has to come to its end, or to its first pause, in the time that is left, and to its end in
    `SHARE` of the whole budget: one that takes most of it leaves nothing for those it is to be compared with,
    and a first look at one that can never be finished is lost. Before
    anything was measured, where nothing can be predicted, and without such a budget, every network may train.

    Args:
        speed: how fast trials are here; None: nobody knows.
        budget_end: what says when the search ends.
        plain: returns the plain network of the space.

    Attributes:
        left: the seconds that are left for new networks, infinite where the search has no such end.
    """

    def __init__(self, speed: Speed | None, budget_end: BudgetEnd, plain: Callable[[], Architecture]) -> None:
        self._speed, self._budget_end, self._plain = speed, budget_end, plain
        self.left = math.inf

    def late(self, architecture: Architecture, epochs: int | None, until: int | None) -> str | None:
        """Says why a network is not begun; None where it is.

        Args:
            architecture: the network.
            epochs: the epochs to its end; None: those of its recipe.
            until: the epochs to its first pause; None: it has none before its end.
        """
        found = self._predict(architecture)
        return None if found is None else self._too_dear(architecture, epochs, until, found, TRUST)

    def turned_out_late(
        self, flight: Flight, pace: float, epochs: int | None, until: int | None
    ) -> str | None:
        """Says why a network is stopped that is in training; None where it goes on.

        Args:
            flight: the flight, on its way to its end or its first pause.
            pace: the seconds of an epoch's training.
            epochs, until: see `late`.
        """
        architecture = flight.proposal.architecture
        found = self._predict(architecture)
        if found is None:
            return None
        # nothing is learnt from it: measured in a slow moment, it would keep all others from being begun
        return self._too_dear(architecture, epochs, until, found.at(pace), TRUST_OF_STEPS, flight.trained)

    def dearness(self, controller: Controller) -> float | None:
        """Returns how many times as long as the plain network those take that a search begins with.

        It is the median of `DRAWN` networks, drawn as the controller draws what no result speaks for, but by
        a generator of their own; None where nothing can be predicted.

        Args:
            controller: who proposes, or stands for it.
        """
        plain, rng = self._plain(), random.Random(0)
        base, prior, space = self._predict(plain), controller.prior, controller.space
        if base is None:
            return None
        times = []
        for _ in range(DRAWN):
            network = space.sample(rng) if prior is None else prior.sample(space, rng)
            found = self._predict(network)
            if found is not None:
                times.append((found.epoch + found.validation) / (base.epoch + base.validation))
        return median(times) if times else None

    def epoch_of(self, flight: Flight) -> float | None:
        """Returns the seconds of one more epoch of a flight, validation included: by its own epochs, else as
        they are predicted; None where nobody knows."""
        if flight.epoch_seconds is not None:
            return flight.epoch_seconds
        found = self._predict(flight.proposal.architecture)
        return None if found is None else found.epoch + found.validation

    def dearness_of(self, networks: Iterable[Architecture]) -> float | None:
        """Returns how many times as long as the plain network these take in the mean; None: nobody knows."""
        base = self._predict(self._plain())
        if base is None:
            return None
        found = [one for network in networks if (one := self._predict(network)) is not None]
        took = [(one.epoch + one.validation) / (base.epoch + base.validation) for one in found]
        return fmean(took) if took else None

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

    def recall(self, flights: Iterable[Flight]) -> None:
        """Takes in what the trainings of earlier drivers took, the latest ones."""
        if self._speed is not None:
            for flight in [*flights][-RECALLED:]:
                if (epoch := flight.epoch_seconds) is not None:
                    device = flight.trial.ran.get("device", "cpu")
                    self._speed.observe(flight.proposal.architecture, epoch / VALIDATED, device=device)

    def _predict(self, architecture: Architecture) -> TrialSeconds | None:
        return None if self._speed is None or self.left == math.inf else self._speed.predict(architecture)

    def _too_dear(
        self,
        architecture: Architecture,
        epochs: int | None,
        until: int | None,
        found: TrialSeconds,
        trust: float,
        trained: float = 0.0,
    ) -> str | None:
        """Says that a network takes more than there is, or more than its share; None where it does not."""
        epochs = epochs or Recipe.of(architecture).epochs
        seconds = found.total(until or epochs) - trained
        if seconds / trust > self.left:
            what = "the rest of its training" if trained else "its training"
            what += f" to its first pause, after {until}," * (until is not None and until < epochs)
            return f"{what} takes some {duration(seconds)}, {duration(max(0.0, self.left))} are left"
        seconds = found.total(epochs)
        whole = self._budget_end.seconds or math.inf
        plain = self._predict(self._plain())
        most = max(SHARE * whole, 0.0 if plain is None else OF_PLAIN * plain.total(epochs))
        if seconds / trust <= most:
            return None
        return f"its training takes some {duration(seconds)}, of the {duration(whole)} of the search"
