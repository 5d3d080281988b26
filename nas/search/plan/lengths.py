"""How long trials train under a plan: chosen once the first network has shown what an epoch takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from controllers.base import Controller
from controllers.fidelity import Stages, rungs_of
from controllers.planner import Planner
from nas.description import Budget
from nas.results.text import duration
from nas.search.flights import Flight
from nas.search.plan import finals
from nas.search.plan.plan import Part, Standing
from workers.recipe import Recipe

FOR_FINALS = 0.3
"""The share of the time that is kept for the ends of the best networks."""

DEARER = 1.5
"""How many times as long as the plain network a candidate is taken to train, where nothing predicts it."""

ENOUGH = 60
"""So many networks that are trained for the epochs of their recipe are many: then most are looked at for as
long, and some for three times that and more."""

SHARED = 40
"""With so many networks or more, shared weights are worth their time: their scores stand for pauses then."""

TOP = 3
"""So many networks at the least are to come to their end where the time allows long trainings."""

ONE = 0.25
"""The share of the time that one training, which one worker makes, may take where it gets more epochs."""

FIRST = 0.03
"""The plain network is trained to its end at once where that takes this share of the time at the most; else
it pauses like all others, and is ended if it is among the best."""

RISES = 3
"""So often trials may be given three times as many epochs as before, where there is much time."""

LONGEST = 3
"""How many times the epochs of its recipe a trial may be given where there is much time."""


class Lengths(Part):
    """Chooses how long trials train, from the time that is left, the workers, and what an epoch took.

    The more networks the time allows, the longer the best may train. Where it allows few in full, most are
    looked at for a third or a ninth of their epochs first, and the few that come to their ends are trained
    for as long as the time lasts that is kept for them. Where it allows many, all are looked at for the
    epochs of their recipe, and the best third goes on to three times as many, and so on. Where a schedule has
    one end only, or the number of networks is named, none pauses where there is time for all. With shared
    weights scores with these stand for pauses, and what is trained has the epochs of its recipe.

    Args:
        budget: the budget of the search; its epochs stand, where it names some.
        dearness: returns how many times as long as the plain network the networks of a controller take; None
            where that cannot be predicted.
    """

    name = "epochs"

    def __init__(
        self,
        budget: Budget,
        dearness: Callable[[Controller], float | None] = lambda controller: None,
    ) -> None:
        self._budget, self._dearness = budget, dearness

    def waits(self, planner: Planner) -> bool:
        return planner.stages is not None and not planner.stages.decided

    def choose(self, standing: Standing) -> tuple[Any, str] | None:
        stages = standing.planner.stages
        if stages is None or stages.decided:
            return None
        flight = next(iter(standing.paused.values()), None)
        if flight is None:
            return None
        return lengths(flight, self._budget, standing, self._dearness(standing.planner.controller))

    def act(self, value: Any, planner: Planner) -> None:
        # older versions have always trained the first network to its end
        ends_first = value.get("ends_first", True)
        planner.decide(value["epochs"], value["first_pause"], value["candidates"], ends_first=ends_first)


def lengths(
    flight: Flight, budget: Budget, standing: Standing, dearness: float | None = None
) -> tuple[dict[str, Any], str]:
    """Returns how long trials train and where they first pause, and why.

    Args:
        flight: the first trial that has paused.
        budget: the budget of the search: the epochs of a trial and the number of networks, as far as named.
        standing: how the search stands.
        dearness: how many times as long as that first one the others take; None: `DEARER`.
    """
    recipe = Recipe.of(flight.proposal.architecture)
    own = budget.epochs or recipe.epochs
    enough = ENOUGH if budget.trials is None else min(ENOUGH, budget.trials)
    epoch = max(flight.epoch_seconds or 0.0, 1e-6)
    done, alone = flight.trial.epochs or 0, standing.left / epoch  # epochs of the first network
    affordable = alone * standing.workers
    told = f"an epoch of the first network takes {epoch:.3g} s, {duration(standing.left)} are left"
    if dearness is not None:
        told += f", others take {dearness:.2g} times as long"
    free = budget.epochs is None and recipe.stable_epochs(own) > 0
    if alone < own - done:
        epochs = done + math.floor(alone) if free else own
        less = (
            f"{epochs} epochs in place of {own}" if free else f"one of {own} epochs may not come to its end"
        )
        value = {"epochs": epochs, "first_pause": epochs, "candidates": 0}
        return value, f"{told}: there is time for the first network only, {less}"
    dearer = DEARER if dearness is None else dearness
    rounds = (1 - FOR_FINALS) * affordable / (dearer * own)  # networks in full
    epochs = own
    if rounds >= enough and (budget.trials is not None or not free):
        if free:
            epochs = min(LONGEST * own, round(own * math.sqrt(rounds / enough)))
            rounds *= own / epochs
        value = {"epochs": epochs, "first_pause": epochs, "candidates": _at_most(rounds, budget)}
        return value, f"{told}: time for some {rounds:.0f} networks of {epochs} epochs"
    if standing.planner.inherited is not None and rounds >= SHARED:
        value = {"epochs": own, "first_pause": own, "candidates": _at_most(rounds, budget)}
        return (
            value,
            f"{told}: with shared weights others are scored, and {own} epochs are for the best of them",
        )
    # the more of them there is time for in full, the longer each is looked at first
    pauses = next((steps for steps in (0, 1) if rounds >= enough / Stages.factor**steps), 2)
    first = max(1, round(own / Stages.factor**pauses))
    if free and not pauses:
        epochs = own * Stages.factor ** _rises(rounds, ONE * alone / own)
    elif free:  # the few that come to their ends, the plain network among them, may have all that is kept
        most = math.floor(FOR_FINALS * affordable / ((finals.FINALISTS + 1) * dearer))
        epochs = min(LONGEST * own, max(own, min(most, math.floor(ONE * alone))))
    rungs = rungs_of(epochs, first, Stages.factor)
    candidates = _at_most(rounds * own / (first * len(rungs)), budget)
    value = {
        "epochs": epochs,
        "first_pause": first,
        "candidates": candidates,
        "ends_first": epochs - done <= FIRST * affordable,
    }
    where = ", ".join(map(str, rungs[:-1])) or "none"
    return value, (
        f"{told}: time for some {rounds:.0f} networks of {own} epochs, or for a look at {candidates}, "
        f"with pauses after {where} of {epochs}"
    )


def _rises(rounds: float, longest: float) -> int:
    """How often the epochs may be tripled from one pause to the next, so that `TOP` networks come to the end.

    Args:
        rounds: the number of networks that could be trained for the epochs before the first pause.
        longest: how many times these epochs one training may take, on one worker.
    """
    rises = 0
    while (
        rises < RISES
        and Stages.factor ** (rises + 1) <= longest
        and rounds / (rises + 2) / Stages.factor ** (rises + 1) >= TOP
    ):
        rises += 1
    return rises


def _at_most(networks: float, budget: Budget) -> int:
    """So many networks, or as many as the budget names where that is fewer."""
    return round(networks) if budget.trials is None else min(round(networks), budget.trials)
