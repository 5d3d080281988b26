"""The finals of a search whose trials pause: the last share of its time, for the ends of the best of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from statistics import median
from typing import Any

from controllers.planner import Planner
from controllers.ranking import order
from nas.description import HOURS, Budget
from nas.records import FINALS
from nas.results.text import duration
from nas.search.flights import Flight
from nas.search.plan.budget_end import BudgetEnd
from nas.search.plan.plan import Part, Standing
from workers.recipe import Recipe

FINALISTS = 2
"""The networks that the finals train to their end, where the time allows so many."""

OF_INHERITED = 5
"""The same where networks were scored with inherited weights: the order of such scores is loose."""

SHARE = 0.4
"""The share of the budget that the finals may take, unless a single network needs more."""

LONGER = 4
"""How many times the epochs that are planned a finalist may be trained for, where the plan chose them."""

AGAIN = 0.15
"""The share of the budget that one more training of a contender may take, so that time is kept for it."""

LOOKS = 100
"""How often it is looked, in the time of the budget, whether the finals are to begin."""

MARGIN = 1.3
"""By how much an epoch may take longer than those of the same trial before: neighbours come and go."""


@dataclass(frozen=True)
class Finalist:
    """A trial that has paused and may go to its end.

    Attributes:
        flight: the trial.
        soonest: the epochs at which its schedule lets it end, at the least.
        planned: the epochs at which it ends as planned; the least, where a schedule allows no other end.
        latest: the epochs at which it may end, at the most.
        epoch: the seconds of one more epoch.
    """

    flight: Flight
    soonest: int
    planned: int
    latest: int
    epoch: float

    @property
    def done(self) -> int:
        """The epochs that it has had."""
        return self.flight.trial.epochs or 0

    def seconds(self, end: int) -> float:
        """Returns the seconds that it needs to an end after so many epochs."""
        return self.epoch * (end - self.done)

    def end_within(self, seconds: float) -> int | None:
        """Returns the epochs after which it ends in so many seconds: as many as there is time for, and as it
        may have; None where that is too little for any end."""
        if self.seconds(self.soonest) > seconds:
            return None
        if self.seconds(self.latest) <= seconds:
            return self.latest
        return max(self.soonest, self.done + math.floor(seconds / self.epoch))


class Finals(Part):
    """Ends the search for better networks in time to train the best ones to their end.

    Without it a search whose trials pause could end with none trained in full: its best network would be one
    that was looked at for a few epochs. The time that a paused trial still needs is told by its own epochs so
    far. Once no more than that is left for the best of them (`FINALISTS`, fewer where they would take more
    than `SHARE` of the budget, and a single one for fewer epochs where its schedule lets it) nothing new
    begins and nothing is promoted; whenever a worker is free the best trial that can still come to its end
    goes there, for as many of its epochs as there is time for. So it is, too, once no new network would come
    to its end in time. Where it does not take too long, there is time
    for one training more, on each worker, to know which of them is best.

    Where the plan chose the epochs and trials can end anywhere, a finalist may have up to `LONGER` times as
    many: the finalists have all the time of the finals, evenly, that for one training more included. To train
    the best network for twice as long is worth more than to see how the fourth best ends.

    Args:
        budget: the budget of the search. What was chosen under another one does not hold any more.
        budget_end: what says when it ends; where it never does there are no finals.

    Attributes:
        begun: whether the finals have begun.
        over: why they have ended, in words; None: they have not.
        budget: the budget, as choices name it.
        reserve: the seconds at the end that are kept for the best so far, as of the last look.
    """

    name = FINALS

    def __init__(self, budget: Budget, budget_end: BudgetEnd) -> None:
        hours = {name: getattr(budget, name) for name in HOURS if getattr(budget, name) is not None}
        self.budget: Any = {"seconds": budget.seconds, **hours} if hours else budget.seconds
        self._budget_end = budget_end
        self._named = budget.epochs is not None
        self.begun = False
        self.over: str | None = None
        self.reserve = 0.0
        self._finalists = 0  # that have not been sent to their ends
        self._next: tuple[int, int] | None = None
        self._look = 0.0  # seconds of the search

    def choose(self, standing: Standing) -> tuple[Any, str] | None:
        pauses = standing.planner.fidelity.max_epochs is not None
        if self.seconds is None or not pauses or self.over is not None or self._next is not None:
            return None
        if not self.begun:
            if standing.elapsed < self._look and not standing.late:
                return None
            self._look = standing.elapsed + self.seconds / LOOKS
            chosen = self._beginning(standing, self._in_order(standing))
        elif standing.busy < standing.workers:
            chosen = _next(standing, self._in_order(standing), self._finalists)
        else:
            return None
        return None if chosen is None else ({**chosen[0], "budget": self.budget}, chosen[1])

    def act(self, value: Any, planner: Planner) -> None:
        if value["budget"] != self.budget:
            return
        self.begun = True
        self.over = value.get("over")
        self._finalists = value.get("finalists", self._finalists)
        if "number" in value:
            self._finalists -= 1
            self._next = value["number"], value["until"]
            planner.ends[value["number"]] = value["until"]

    @property
    def seconds(self) -> float | None:
        """When the search ends, in its seconds; None: that is not known, or never."""
        return self._budget_end.seconds

    def owes(self, standing: Standing) -> bool:
        """Whether one of the best networks is still to go to its end, and comes there in time."""
        if not self.begun or self.over is not None or self._finalists <= 0:
            return False
        return any(one.end_within(standing.left) is not None for one in self._in_order(standing))

    def take(self) -> tuple[int, int] | None:
        """Returns the trial that is to go on now and to which epoch, once; None: none is chosen."""
        found, self._next = self._next, None
        return found

    def _beginning(self, standing: Standing, found: Sequence[Finalist]) -> tuple[dict[str, Any], str] | None:
        """Returns that the finals begin, and why, if it is time."""
        assert self.seconds is not None
        if not found:
            return None
        most = SHARE * self.seconds
        inherited = standing.planner.inherited
        finalists = OF_INHERITED if inherited is not None and inherited.trusted else FINALISTS
        longest = [one.seconds(one.planned) for one in found[:finalists]]
        while len(longest) > 1 and together(longest, standing.workers) > most:
            longest.pop()
        if longest[0] > most:
            longest = [found[0].seconds(found[0].end_within(most) or found[0].soonest)]
        typical = median(one.epoch for one in found) / MARGIN
        rest = together([_leg_left(flight, typical) for flight in standing.running], standing.workers)
        again = self._again(standing, found[: len(longest)])
        self.reserve = together(longest, standing.workers) + again
        needed = rest + self.reserve
        if standing.left > needed + self.seconds / LOOKS and not standing.late:
            return None
        what = "the best network" if len(longest) == 1 else f"the {len(longest)} best networks"
        reason = (
            f"to train {what} to the end{' and one again' * (again > 0)} takes some {duration(needed)}, "
            f"{duration(standing.left)} are left"
        )
        return {"finalists": len(longest), "seconds": round(needed, 3)}, reason

    def _in_order(self, standing: Standing) -> list[Finalist]:
        """The paused trials that keep the limits, the best first.

        By their last values, after however many epochs: networks mostly learn on, so one that is as good as
        another after fewer epochs is the better one.
        """
        flights = standing.promising
        judged = [standing.ranking.judge(flight.trial).outcome for flight in flights]
        planned = standing.planner.fidelity.max_epochs
        assert planned is not None
        chosen = standing.planner.stages is not None and not self._named
        found = []
        for flight in (flights[place] for place in order(judged) if judged[place].feasible):
            soonest = _soonest(flight, planned, standing)
            latest = LONGER * planned if chosen and soonest < planned else planned
            epoch = MARGIN * (standing.epoch_of(flight) or 0.0)
            found.append(Finalist(flight, soonest, planned, latest, epoch))
        # what inherited weights say of a network does not compare with what its own do
        return sorted(found, key=lambda one: not one.done)

    def _again(self, standing: Standing, finalists: Sequence[Finalist]) -> float:
        """The seconds that are kept for a repeat on each worker (`nas.search.plan.repeats`).

        That is the longest training of a contender that may take so long: of a finalist, of one of as many of
        the best that have ended, or of the plain network.
        """
        if not (standing.seeded and standing.ranking.estimated):
            return 0.0
        took = [one.epoch * one.planned for one in finalists]
        ended = standing.ended.values()
        best = nlargest(FINALISTS, ended, key=lambda one: one.outcome.scores[0])
        plain = [one for one in ended if one.trial.origin == "plain"]
        took += [MARGIN * (one.trial.seconds or 0.0) for one in [*best, *plain]]
        most = AGAIN * (self.seconds or 0.0)
        return max((seconds for seconds in took if seconds <= most), default=0.0)


def _next(standing: Standing, found: Sequence[Finalist], finalists: int) -> tuple[dict[str, Any], str] | None:
    """Returns which trial goes on to its end, or that none can any more, and why; None: for now none.

    So many finalists have not been sent to their ends: they have the time that is left evenly, but as many
    epochs as planned first.
    """
    rounds = max(1, math.ceil(finalists / standing.workers))
    for one in found:
        end = one.end_within(standing.left)
        if end is not None:
            end = max(min(end, one.planned), one.end_within(standing.left / rounds) or 0)
            flight = one.flight
            score = "" if flight.trial.score is None else f", with a score of {flight.trial.score:.4g}"
            reason = (
                f"the best after {_epochs(flight)}{score}: to end it after {end} takes some "
                f"{duration(one.seconds(end))}, {duration(standing.left)} are left"
            )
            return {"number": flight.number, "until": end}, reason
    if standing.busy:
        return None
    words = (
        f"no trial that has paused comes to its end in the {duration(max(standing.left, 0.0))} that are left"
    )
    return {"over": words}, words


def _epochs(flight: Flight) -> str:
    """Returns for how many epochs a flight was trained, in words."""
    count = flight.trial.epochs or 0
    return f"{count} epoch{'s' * (count != 1)}"


def together(seconds: Sequence[float], slots: int) -> float:
    """Returns the seconds that trainings take, begun in their order by so many workers."""
    free = [0.0] * max(1, slots)
    for took in seconds:
        first = min(range(len(free)), key=free.__getitem__)
        free[first] += took
    return max(free)


def _soonest(flight: Flight, planned: int, standing: Standing) -> int:
    """The least epochs after which a trial can end: as planned, where its schedule has no other end."""
    if not standing.trains:
        return planned
    recipe, done = Recipe.of(flight.proposal.architecture), flight.trial.epochs or 0
    # one that was only scored is as good as unseen: half of its training at the least
    sooner = recipe.epochs_to_finish(done or planned // 2)
    return planned if sooner is None else min(planned, sooner)


def _epoch(flight: Flight) -> float:
    return flight.epoch_seconds or 0.0


def _leg_left(flight: Flight, typical: float) -> float:
    """The seconds of a trial in training before its next pause, by its own epochs, else by typical ones."""
    if flight.leg is None:
        return 0.0
    return MARGIN * (_epoch(flight) or typical) * max(0, flight.leg.until - (flight.trial.epochs or 0))
