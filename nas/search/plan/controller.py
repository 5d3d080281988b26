"""Which controller proposes under a plan: chosen by how many networks the budget will train."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controllers import catalog
from controllers.base import Controller
from controllers.planner import Planner, UndecidedController
from controllers.warm_start import warm_start
from nas.description import DEFAULT_TRIALS, Budget
from nas.records import Start
from nas.search.plan.plan import Part, Standing

FEW = 10
"""So many networks are too few to learn from: what is drawn near the plain one is as good as any rule."""


class ControllerPart(Part):
    """Chooses the controller of a search that names none.

    Args:
        budget: the budget of the search.

    Attributes:
        starts: older results that the controller begins from.
    """

    name = "controller"

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.starts: Iterable[Start] = ()

    def choose(self, standing: Standing) -> tuple[Any, str] | None:
        planner, stages = standing.planner, standing.planner.stages
        lengths = stages is None or stages.decided  # how many begin follows from them
        if not isinstance(planner.controller, UndecidedController) or not lengths:
            return None
        return proposer(self._networks(planner), len(planner.controller.objectives))

    def act(self, value: Any, planner: Planner) -> None:
        before = planner.controller
        if not isinstance(before, UndecidedController):
            return
        kind = catalog[value["name"]]
        made = kind(before.space, before.objectives, limits=before.limits, seed=before.seed)
        if before.prior is not None:
            made.use_prior(before.prior)
        self.tell_starts(made)
        planner.go_on_with(made)

    def tell_starts(self, controller: Controller) -> None:
        """Tells a new controller of the older results that compare."""
        results = [(start.decisions, start.metrics) for start in self.starts if start.comparable]
        if results and not isinstance(controller, UndecidedController):
            warm_start(controller, results)

    def _networks(self, planner: Planner) -> int:
        """How many networks are trained, at least to a first pause, as far as the budget says."""
        stages = planner.stages
        told = [self._budget.trials, None if stages is None else stages.candidates]
        return min((number for number in told if number is not None), default=DEFAULT_TRIALS)


def proposer(networks: int, objectives: int) -> tuple[dict[str, Any], str]:
    """Returns the name of the controller that proposes so many networks, and why."""
    some = f"some {networks} networks"
    if networks < FEW:
        return {"name": "evolution"}, f"{some} are too few to model scores by"
    if objectives > 1:
        return {"name": "nsga2"}, f"{objectives} objectives, {some}"
    return {"name": "predictor"}, f"one objective, {some} to model scores by"
