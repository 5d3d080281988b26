"""What a plan chooses of shared weights: how long the bank is trained, and whether it is believed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from controllers.base import Controller
from controllers.inherited_first import Checked
from controllers.planner import Planner
from nas.records import Trial
from nas.results.inherited import agreement
from nas.results.text import duration
from nas.search.lessons import NETWORKS, LessonPlan, Lessons
from nas.search.plan.controller import ControllerPart
from nas.search.plan.lengths import DEARER
from nas.search.plan.plan import Part, Standing
from search_spaces.space import Space
from workers.bank.paths import Sampling, group_size
from workers.recipe import Recipe

SHARE = 0.35
"""The share of the time for which a bank is trained."""

LONGEST = 10
"""So many times the epochs of a recipe a bank may be trained for."""

TRAININGS = 10
"""Where the budget is no time, a bank is trained for about as long as so many networks."""


class BankLength(Part):
    """Chooses how long the bank of shared weights is trained, once a first trial was trained.

    Args:
        lessons: the lessons of the bank; None: the search shares no weights.
        space: the space of the search.
        sampling: how the networks are drawn that train it.
        dearness: returns how many times as long as the plain network the networks of a controller take; None
            where that cannot be predicted.
    """

    name = "bank"

    def __init__(
        self,
        lessons: Lessons | None,
        space: Space,
        sampling: Sampling,
        dearness: Callable[[Controller], float | None],
    ) -> None:
        self._lessons, self._space, self._sampling, self._dearness = lessons, space, sampling, dearness

    def waits(self, planner: Planner) -> bool:
        trusted = planner.inherited is not None and planner.inherited.trusted
        return self._lessons is not None and trusted and not self._lessons.frozen

    def choose(self, standing: Standing) -> tuple[Any, str] | None:
        lessons, inherited = self._lessons, standing.planner.inherited
        if lessons is None or lessons.plan is not None or inherited is None or not inherited.trusted:
            return None
        first = next((one.trial for one in standing.ended.values()), None)
        if not inherited.ready or first is None:
            return None  # nobody knows how long a training takes
        group = group_size(self._space, self._sampling)
        recipe = Recipe.of(self._space.plain())
        epochs = max(1, round(TRAININGS * inherited.max_epochs / group))
        reason = f"as long as some {TRAININGS} networks, in steps of {group} networks each"
        if math.isfinite(standing.left) and first.seconds and first.epochs:
            dearer = self._dearness(standing.planner.controller) or DEARER
            took = first.seconds / first.epochs * group * dearer
            epochs = min(LONGEST * recipe.epochs, math.floor(SHARE * standing.left / took))
            reason = (
                f"an epoch of the bank takes some {duration(took)}, in steps of {group} networks each; "
                f"{duration(standing.left)} are left"
            )
            if epochs < 1:
                reason += ": too few for an epoch"
        return {"epochs": epochs, "sampling": self._sampling, "networks": NETWORKS}, reason

    def act(self, value: Any, planner: Planner) -> None:
        if self._lessons is not None:
            self._lessons.plan = LessonPlan(value["epochs"], value["sampling"], value["networks"])


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
