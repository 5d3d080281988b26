"""Controllers propose architectures and learn from how they did: ask, evaluate, tell.

A controller searches a space for what improves some objectives within some limits. It sees decisions (which
option, what number) and never a module, and it does not know how or where networks are trained. Every
controller keeps the laws of `Controller`; those of the `catalog` have a name by which the command line and
stored searches know them.

>>> from controllers import RegularizedEvolution, at_most, maximize
>>> from search_spaces import choice, integer
>>> space = {"operation": choice("conv", "pool"), "width": integer(8, 64, step=8)}
>>> controller = RegularizedEvolution(space, maximize("accuracy"), limits=at_most("width", 48), seed=0)
>>> for _ in range(16):
...     proposal = controller.ask()
...     network = proposal.architecture.value  # here a search would train it
...     width, is_conv = network["width"], network["operation"] == "conv"
...     controller.tell(proposal, {"accuracy": width / 100 + 0.1 * is_conv, "width": width})
>>> controller.num_told, controller.exhausted  # all 16 networks of the space, each of them once
(16, True)

How data passes: `ask` makes a `Draft`, what the algorithm wants; the novelty guard looks for another one if
that network was tried before; the `Proposal` goes out. The values that come back by `tell` are judged against
objectives and limits, and the `Outcome` is all that the algorithm learns from. A `Fidelity` decides beside
the controller for how many epochs a trial trains, and the `Planner` joins the two for a search: it lets the
controller `observe` what a trial scores where it pauses.

The rooms from the roof down; each imports only those below it:

- `testing`: the laws as tests that any package can run on a controller of its own.
- `planner`: a controller and a fidelity joined. `warm_start`: beginning from the results of an older search.
- The algorithms: `random_search`, `evolution`, `nsga2`, `local_search`, `optuna_controller`, and in rooms of
  their own `reinforce` (policy gradients) and `predictor` (a Gaussian process).
- `inherited_first`: trials that are scored with shared weights first, and only the best of which are trained.
- `fidelity`: full training, successive halving and Hyperband. `population`: what evolutions share.
- `rungs`: one rung of successive halving. `replay`: restoring a controller from its record.
- `base`: the contract, `Controller`.
- `scores`: what a controller may spend on scores of untrained networks.
- `novelty`: the guard against repeats. `prior`: what is expected of decisions before there are results.
  `curves`: what is expected of the end of a trial that has paused.
- `ranking`: the order of outcomes, fronts, hypervolume.
- `records`: drafts, proposals, outcomes. `moves`: mutation and crossover.
- `objectives`: objectives and limits.

Importing this package imports neither torch nor numpy: `Reinforce` imports torch when it is made,
`PredictorEvolution` numpy and scipy.
"""

from controllers.base import Controller
from controllers.evolution import RegularizedEvolution
from controllers.fidelity import Fidelity, FullBudget, Hyperband, SuccessiveHalving
from controllers.local_search import LocalSearch
from controllers.nsga2 import NSGA2
from controllers.objectives import Limit, Objective, at_least, at_most, maximize, minimize
from controllers.optuna_controller import OptunaController
from controllers.predictor.predictor import PredictorEvolution
from controllers.prior import Prior
from controllers.random_search import RandomSearch
from controllers.records import Draft, Outcome, Proposal
from controllers.reinforce.reinforce import Reinforce
from controllers.replay import replay
from controllers.warm_start import WarmStart, warm_start
from search_spaces.plugins import Catalog

#: every controller by the name that the command line and the store know it by, those of plug-ins included
catalog: Catalog[type[Controller]] = Catalog(
    "controller",
    {
        "random": RandomSearch,
        "evolution": RegularizedEvolution,
        "reinforce": Reinforce,
        "predictor": PredictorEvolution,
        "local": LocalSearch,
        "nsga2": NSGA2,
        "optuna": OptunaController,
    },
    group="nasforge.controllers",
    fits=lambda thing: isinstance(thing, type) and issubclass(thing, Controller),
    wanted="a subclass of controllers.Controller",
)

__all__ = [
    "NSGA2",
    "Controller",
    "Draft",
    "Fidelity",
    "FullBudget",
    "Hyperband",
    "Limit",
    "LocalSearch",
    "Objective",
    "OptunaController",
    "Outcome",
    "PredictorEvolution",
    "Prior",
    "Proposal",
    "RandomSearch",
    "RegularizedEvolution",
    "Reinforce",
    "SuccessiveHalving",
    "WarmStart",
    "at_least",
    "at_most",
    "catalog",
    "maximize",
    "minimize",
    "replay",
    "warm_start",
]
