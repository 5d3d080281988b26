"""The methods of the comparison by name, each in the module that is imported only where it is run."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from benchmarks.real_search.trials import Handed
from workers.problems import Problem

Method = Callable[[Problem, float, int], Handed]
"""Spends so many seconds on a problem with a seed; returns what it hands over."""

OURS = "auto"
PLAIN, OPTUNA, SANITY = "plain", "optuna", "sanity"

METHODS = {
    OURS: ("ours", "auto"),
    "evolution": ("ours", "evolution"),
    "shared": ("ours", "shared"),
    PLAIN: ("plain", "plain"),
    OPTUNA: ("optuna_peer", "optuna_ours"),
    "optuna_typical": ("optuna_peer", "optuna_typical"),
    "ray_tune": ("ray_peer", "ray_tune"),
    "neps": ("neps_peer", "neps_priorband"),
    SANITY: ("sanity", "sanity"),
    "optuna_plain_first": ("optuna_peer", "optuna_plain_first"),
}
"""Each with its module and its function there."""

RUN = tuple(name for name in METHODS if name not in ("shared", "optuna_plain_first"))
"""Those that are run unless others are named."""

WORDS = {
    OURS: "ours, `auto`",
    "evolution": "ours, `evolution`",
    "shared": "ours, `auto` with shared weights",
    PLAIN: "the plain network, learning rate and epochs tuned",
    OPTUNA: "Optuna over our space: multivariate TPE in groups, Hyperband pruner",
    "optuna_typical": "Optuna over a define-by-run CNN / LSTM / MLP, the same sampler and pruner",
    "ray_tune": "Ray Tune over our space: random, ASHA",
    "neps": "NePS over our space: PriorBand, its prior the plain network",
    SANITY: "scikit-learn: the best of linear models and gradient boosting",
    "optuna_plain_first": "Optuna over our space, the plain network enqueued first",
}
"""What the tables say of each."""


def method_of(name: str) -> Method:
    """Imports a method.

    Raises:
        ModuleNotFoundError: it needs a package that is not installed.
    """
    module, function = METHODS[name]
    found: Method = getattr(import_module(f"benchmarks.real_search.{module}"), function)
    return found
