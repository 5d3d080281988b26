"""Which controller proposes under a plan: chosen by how many networks the budget will train."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controllers import catalog
from controllers.fidelity import Stages
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
        planner = standing.planner
        if not isinstance(planner.controller, UndecidedController) or self.waits(planner):
            return None
        return proposer(self._networks(planner), len(planner.controller.objectives))

    def waits(self, planner: Planner) -> bool:
        undecided = isinstance(planner.fidelity, Stages) and not planner.fidelity.decided
        return undecided and isinstance(planner.controller, UndecidedController)

    def act(self, value: Any, planner: Planner) -> None:
        before = planner.controller
        if not isinstance(before, UndecidedController):
            return
        made = catalog[value["name"]](
            before.space, before.objectives, limits=before.limits, seed=before.seed, **value["settings"]
        )
        if before.prior is not None:
            made.use_prior(before.prior)
        results = [(start.decisions, start.metrics) for start in self.starts if start.comparable]
        warm_start(made, results)
        planner.go_on_with(made)

    def _networks(self, planner: Planner) -> int:
        """How many networks are trained, at least to a first pause, as far as the budget says."""
        fidelity = planner.fidelity
        told = [self._budget.trials, fidelity.candidates if isinstance(fidelity, Stages) else None]
        return min((number for number in told if number is not None), default=DEFAULT_TRIALS)


def proposer(networks: int, objectives: int) -> tuple[dict[str, Any], str]:
    """Returns which controller proposes so many networks, its settings, and why."""
    if networks < FEW:
        return {
            "name": "evolution",
            "settings": {},
        }, f"some {networks} networks are too few to model scores by"
    if objectives > 1:
        return {"name": "nsga2", "settings": {}}, f"{objectives} objectives, some {networks} networks"
    return {
        "name": "predictor",
        "settings": {},
    }, f"one objective, some {networks} networks to model scores by"
