"""Which network should I train? Spaces, controllers and workers joined into a search, and its results.

Importing this package imports neither torch nor Ray: names are looked up when they are used (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from controllers.objectives import at_least, at_most, maximize, minimize
    from nas.analysis.importance import importance
    from nas.analysis.learning import curves, rank_correlation
    from nas.analysis.progress import best_so_far, pareto_front
    from nas.callbacks import Callback
    from nas.comparing import compare
    from nas.ensembles import Ensemble, ensemble
    from nas.fine_tuning import fine_tune, stages
    from nas.leaderboards import leaderboard
    from nas.reports.watching import report
    from nas.retraining import Retraining, retrain
    from nas.reuse import Found, load
    from nas.search import Search
    from nas.store import Store
    from nas.studies import to_optuna
    from search_spaces.errors import NasError

__version__ = "0.1.0"

_HOMES = {
    "Callback": "nas.callbacks",
    "Ensemble": "nas.ensembles",
    "Found": "nas.reuse",
    "NasError": "search_spaces.errors",
    "Retraining": "nas.retraining",
    "Search": "nas.search",
    "Store": "nas.store",
    "at_least": "controllers.objectives",
    "at_most": "controllers.objectives",
    "best_so_far": "nas.analysis.progress",
    "compare": "nas.comparing",
    "curves": "nas.analysis.learning",
    "ensemble": "nas.ensembles",
    "fine_tune": "nas.fine_tuning",
    "importance": "nas.analysis.importance",
    "leaderboard": "nas.leaderboards",
    "load": "nas.reuse",
    "maximize": "controllers.objectives",
    "minimize": "controllers.objectives",
    "pareto_front": "nas.analysis.progress",
    "rank_correlation": "nas.analysis.learning",
    "report": "nas.reports.watching",
    "retrain": "nas.retraining",
    "stages": "nas.fine_tuning",
    "to_optuna": "nas.studies",
}

__all__ = [
    "Callback",
    "Ensemble",
    "Found",
    "NasError",
    "Retraining",
    "Search",
    "Store",
    "at_least",
    "at_most",
    "best_so_far",
    "compare",
    "curves",
    "ensemble",
    "fine_tune",
    "importance",
    "leaderboard",
    "load",
    "maximize",
    "minimize",
    "pareto_front",
    "rank_correlation",
    "report",
    "retrain",
    "stages",
    "to_optuna",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
