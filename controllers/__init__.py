"""Controllers propose architectures and learn from how they did: ask, evaluate, tell.

Importing this package imports neither torch nor numpy; `Reinforce` imports torch when it is made.
"""

from controllers.base import Controller
from controllers.evolution import RegularizedEvolution
from controllers.objectives import Limit, Objective, at_least, at_most, maximize, minimize
from controllers.random_search import RandomSearch
from controllers.records import Draft, Outcome, Proposal
from controllers.reinforce import Reinforce
from controllers.replay import replay

#: every controller by the name that the command line and the store know it by
catalog: dict[str, type[Controller]] = {
    "random": RandomSearch,
    "evolution": RegularizedEvolution,
    "reinforce": Reinforce,
}

__all__ = [
    "Controller",
    "Draft",
    "Limit",
    "Objective",
    "Outcome",
    "Proposal",
    "RandomSearch",
    "RegularizedEvolution",
    "Reinforce",
    "at_least",
    "at_most",
    "catalog",
    "maximize",
    "minimize",
    "replay",
]
