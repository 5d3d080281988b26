"""What a plan chooses of shared weights: how long the bank is trained, and whether it is believed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from controllers.inherited_first import Checked
from controllers.planner import Planner
from nas.records import Trial
from nas.results.inherited import agreement
from nas.results.text import duration
from nas.search.lessons import MOST_WORKERS, NETWORKS, LessonPlan, Lessons
from nas.search.plan.controller import ControllerPart
from nas.search.plan.lengths import DEARER
from nas.search.plan.plan import Part, Standing
from search_spaces.architecture import Architecture
from search_spaces.space import Space
from workers.bank.paths import Sampling, group_size

SHARE = 0.35
"""The share of the time for which a bank is trained."""

LONGEST = 10
"""So many times the epochs of a recipe a bank may be trained for."""

LEAST = 15
"""Where the time is less than that of so many trainings, there is no bank: it would take that of too many."""

SLACK = 0.3
"""The part of the time that is left for it by which a bank may be late."""

DRAWN = 20
"""So many networks say how long those take that train a bank: of the whole space, not near the plain one."""

TRAININGS = 10
"""Where the budget is no time, a bank is trained for about as long as so many networks."""


class BankLength(Part):
    """Chooses how long the bank of shared weights is trained, once a first trial was trained.

    Args:
        lessons: the lessons of the bank; None: the search shares no weights.
        space: the space of the search.
        sampling: how the networks are drawn that train it.
        dearness_of: the function that says how many times as long as the plain network some take in the mean;
            None where that cannot be predicted.
    """

    name = "bank"

    def __init__(
        self,
        lessons: Lessons | None,
        space: Space,
        sampling: Sampling,
        dearness_of: Callable[[Iterable[Architecture]], float | None],
    ) -> None:
        self._lessons, self._space, self._sampling = lessons, space, sampling
        self._dearness_of = dearness_of
        self._end: float | None = None  # of the bank's time, in seconds of the search

    def waits(self, planner: Planner) -> bool:
        trusted = planner.inherited is not None and planner.inherited.trusted
        return self._lessons is not None and trusted and not self._lessons.frozen

    def choose(self, standing: Standing) -> tuple[Any, str] | None:
        lessons, inherited = self._lessons, standing.planner.inherited
        if lessons is None or inherited is None or not inherited.trusted:
            return None
        if lessons.plan is not None:
            return self._less(lessons, standing)
        first = next((one.trial for one in standing.ended.values()), None)
        if not inherited.ready or first is None:
            return None  # nobody knows how long a training takes
        group = group_size(self._space, self._sampling)
        epochs = max(1, round(TRAININGS * inherited.max_epochs / group))
        reason = f"as long as some {TRAININGS} networks, {group} in each step"
        end = None
        if math.isfinite(standing.left) and first.seconds and first.epochs:
            rng = random.Random(0)
            drawn = [self._space.sample(rng) for _ in range(DRAWN)]
            dearer = self._dearness_of(drawn) or DEARER
            network = first.seconds / first.epochs * dearer
            trainings = standing.left / (network * inherited.max_epochs)
            most = LONGEST * inherited.max_epochs
            epochs = min(most, math.floor(SHARE * standing.left / (network * group)))
            end = standing.elapsed + SHARE * standing.left
            reason = (
                f"an epoch of it takes some {duration(network * group)}, {group} networks in each step; "
                f"{duration(standing.left)} are left"
            )
            if trainings < LEAST or epochs < 1:
                epochs = 0
                reason += f", for some {trainings:.0f} trainings: too few for a bank to be worth its time"
        workers = min(standing.workers, MOST_WORKERS)
        if workers > 1 and epochs:
            reason += f"; {workers} workers train it, whose banks are averaged after each lesson"
        plan = LessonPlan(epochs, self._sampling, NETWORKS, workers)
        return _value(plan, end), reason

    def _less(self, lessons: Lessons, standing: Standing) -> tuple[Any, str] | None:
        """Ends the training of a bank sooner that takes longer than it was to."""
        plan, done = lessons.plan, len(lessons.epochs)
        if plan is None or self._end is None or lessons.running or not 0 < done < plan.epochs:
            return None
        rounds = math.ceil(plan.workers / standing.workers)  # it may go on with fewer workers
        pace = rounds * sum(one.seconds for one in lessons.epochs) / done
        room = max(0.0, self._end - standing.elapsed)
        epochs = done + max(1, math.floor(room / pace))
        if (
            standing.elapsed + pace * (plan.epochs - done) <= self._end + SLACK * room
            or epochs >= plan.epochs
        ):
            return None
        value = _value(replace(plan, epochs=epochs), self._end)
        return value, f"an epoch of it takes {duration(pace)}: {epochs} epochs in place of {plan.epochs}"

    def act(self, value: Any, planner: Planner) -> None:
        if self._lessons is not None:
            # older versions knew of one worker, and of no end of its time
            workers, self._end = value.get("workers", 1), value.get("end")
            self._lessons.plan = LessonPlan(value["epochs"], value["sampling"], value["networks"], workers)


def _value(plan: LessonPlan, end: float | None) -> dict[str, Any]:
    """What the store keeps of a plan for a bank whose time ends then."""
    return {**asdict(plan), "end": end}


class BankTrust(Part):
    """Chooses whether scores with inherited weights are believed.

    Once the networks of the check are trained (`controllers.inherited_first`), inherited scores have to order
    them better than their numbers of parameters do. Else, and where the bank could not be trained, the rest
    of the budget goes to ordinary trials.

    Args:
        lessons: the lessons of the bank; None: the search shares no weights.
        of_controller: what knows the older results that the search starts from.
    """

    name = "trust"

    def __init__(self, lessons: Lessons | None, of_controller: ControllerPart) -> None:
        self._lessons, self._chosen, self._of_controller = lessons, False, of_controller

    def choose(self, standing: Standing) -> tuple[Any, str] | None:
        lessons, inherited = self._lessons, standing.planner.inherited
        if lessons is None or inherited is None or not inherited.trusted:
            return None
        if lessons.failed is not None:
            return {"trusted": False}, f"the bank could not be trained: {lessons.failed}"
        if lessons.plan is not None and not lessons.plan.epochs:
            return {"trusted": False}, "there is no time for a bank: networks are trained as ever"
        if self._chosen or (checked := inherited.checked) is None:
            return None
        return verdict(checked, [one.trial for one in standing.ended.values()])

    def act(self, value: Any, planner: Planner) -> None:
        self._chosen = True
        if not value["trusted"]:
            planner.distrust()
            self._of_controller.tell_starts(planner.controller)


def verdict(checked: Sequence[Checked], trials: Sequence[Trial]) -> tuple[dict[str, Any], str]:
    """Returns whether inherited scores are believed, and why.

    Args:
        checked: the networks that were trained to see that.
        trials: the trials of the search, which know how large their networks are.
    """
    sizes = {trial.number: trial.metrics.get("num_params", 0.0) for trial in trials}
    ends = [one.trained for one in checked]
    inherited = agreement([one.inherited for one in checked], ends)
    size = agreement([sizes.get(one.number, 0.0) for one in checked], ends)
    trusted = inherited > size
    value = {"trusted": trusted, "inherited": inherited, "num_params": size, "networks": len(checked)}
    told = (
        f"of {len(checked)} networks that were trained, inherited scores order the ends by tau "
        f"{inherited:.2f}, numbers of parameters by {size:.2f}"
    )
    rest = (
        "the best by inherited scores are trained" if trusted else "from now on networks are trained as ever"
    )
    return value, f"{told}: {rest}"
