"""When the budget of a search ends on its clock: after its seconds, or with its hours of cores or GPUs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from controllers.planner import Planner
from nas.description import HOURS, Budget
from nas.results.text import duration
from nas.search.plan.plan import Part, Standing
from search_spaces.errors import SearchError


def too_short(budget: Budget, left: float, epoch: float) -> str:
    """Returns that a budget does not last for an epoch of the plain network, and the least that would do.

    Args:
        budget: the budget of the search.
        left: the seconds that it lasts for.
        epoch: the seconds of an epoch of the plain network.
    """
    named = [name for name in ("seconds", *HOURS) if getattr(budget, name) is not None]
    return (
        f"{' or '.join(named)}: {left:.3g} seconds are too few: one epoch of the plain network takes "
        f"{epoch:.3g} (give {math.ceil(2 * epoch)} or more)"
    )


class BudgetEnd(Part):
    """Says after how many seconds a search ends, by what its workers hold.

    The hours of a budget are those for which its workers hold their cores or GPUs, busy or idle: what a
    cluster bills. On the clock they end the sooner, the more there are; whenever the workers hold something
    else that is another choice, stored with what was spent until then.

    Args:
        budget: the budget of the search.

    Attributes:
        seconds: the end, in seconds of the search; None: it has none on the clock, or none that is known yet.
    """

    name = "end"

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._hours = {hours: getattr(budget, hours) for hours in HOURS if getattr(budget, hours) is not None}
        self._holds: Mapping[str, float] = {}
        self._spent = dict.fromkeys(self._hours, 0.0)
        self._at = 0.0
        self.seconds = budget.seconds

    def choose(self, standing: Standing) -> tuple[Any, str] | None:
        holds = {HOURS[hours]: standing.holds.get(HOURS[hours], 0.0) for hours in self._hours}
        if holds == self._holds:
            return None
        for hours, most in self._hours.items():
            if holds[HOURS[hours]] <= 0:
                raise SearchError(
                    f"{hours}: {most:g}, but the workers hold no {HOURS[hours]}, as far as is known: give "
                    f"{' or '.join(sorted({'seconds', *HOURS} - {hours}))} in its place"
                )
        spent = {hours: self._spent_until(standing.elapsed, hours) for hours in self._hours}
        held = " and ".join(f"{what}={number:g}" for what, number in holds.items())
        left = duration(max(0.0, self._end(holds, spent, standing.elapsed) - standing.elapsed))
        value = {"holds": holds, "spent": spent, "at": standing.elapsed}
        return value, f"the workers hold {held}: the budget lasts for {left}"

    def act(self, value: Any, planner: Planner) -> None:
        if value["spent"].keys() == self._hours.keys():  # else it was chosen under a budget of another kind
            self._holds, self._spent, self._at = value["holds"], value["spent"], value["at"]
            self.seconds = self._end(self._holds, self._spent, self._at)

    def _spent_until(self, elapsed: float, hours: str) -> float:
        return self._spent[hours] + self._holds.get(HOURS[hours], 0.0) * (elapsed - self._at) / 3600

    def _end(self, holds: Mapping[str, float], spent: Mapping[str, float], at: float) -> float:
        """The end of the budget, in seconds of the search, by what is held from some moment on."""
        ends = [
            at + max(0.0, most - spent[hours]) * 3600 / holds[HOURS[hours]]
            for hours, most in self._hours.items()
        ]
        return float(min(ends if self._budget.seconds is None else [*ends, self._budget.seconds]))
