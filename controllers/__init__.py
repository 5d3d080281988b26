"""Controllers propose architectures and learn from how they did: ask, evaluate, tell.

Importing this package imports neither torch nor numpy; `Reinforce` imports torch when it is made,
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
