"""Which network should I train? Searches for it, with its results: the roof over all the other packages.

    >>> from nas import Search, Store, at_most, load, maximize
    >>> from search_spaces.catalog import mlp
    >>> store = Store("sqlite://", create=True)  # in memory; a file: "nas.db"
    >>> search = Search(mlp(), "digits", "random", objectives=maximize("accuracy"),
    ...                 limits=[at_most("num_params", 50_000)], trials=3, epochs=1,
    ...                 executor="inline", store=store)
    >>> leaderboard = search.run()
    >>> leaderboard["accuracy"].is_monotonic_decreasing, len(leaderboard)
    (True, 3)
    >>> network = load(store).build()  # the best one, with its weights
    >>> sum(parameter.numel() for parameter in network.parameters()) <= 50_000
    True

How a piece of data passes through the house, once down and once back::

    space -> controller.ask -> Proposal -> executor.start(Job) -> a worker trains -> Report per epoch
          -> executor.events -> store -> controller.tell -> leaderboard -> reuse

The rooms from the roof down; each may import only those below it:

- `nas.cli`: the command line ``nas``; each command is a file of `nas.commands`.
- `nas.cluster`: a search as a job on a Ray cluster.
- `nas.reports`: the page that shows a search to people.
- `nas.integrations`: searches told to TensorBoard, MLflow and Weights & Biases, and given to Optuna
  (their public address is `nas.tracking`).
- `nas.reuse`: what was found, loaded, trained again, compared, put together and exported.
- `nas.search`: `Search`, and the loop that asks, trains, records and tells.
- `nas.results`: leaderboards, curves, importance and plots (whose public address is `nas.plots`).
- `nas.store`: the truth about every search, in a database.
- `nas.search_record` (a search of a store), `nas.description` (what one is), `nas.ranking` (who is best),
  `nas.estimates` (what networks are worth), `nas.records` (trials and the like), `nas.identity` (whether data
  and code are the same), `nas.lease` (who drives a search), `nas.environment`, `nas.version`: what all the
  rooms share; and for all that comes from
  outside `nas.escaping` (text), `nas.passwords` and `nas.files`.

Importing this package imports neither torch nor Ray: names are looked up when they are used (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from controllers.objectives import at_least, at_most, maximize, minimize
    from nas.integrations.optuna_study import to_optuna
    from nas.reports.watching import report
    from nas.results.best_so_far import best_so_far, pareto_front
    from nas.results.choices import choices
    from nas.results.importance import importance
    from nas.results.leaderboard import leaderboard
    from nas.results.learning_curves import curves, rank_correlation
    from nas.reuse.compare import compare
    from nas.reuse.ensemble import Ensemble, ensemble
    from nas.reuse.found import Found
    from nas.reuse.load import load
    from nas.reuse.retrain import Retraining, retrain
    from nas.reuse.subnets import subnets
    from nas.reuse.zero_cost import zero_cost_scores
    from nas.search.callbacks import Callback
    from nas.search.search import Search
    from nas.store.store import Store
    from search_spaces.errors import NasError
    from workers.training.fine_tuning import fine_tune, stages

import search_spaces.platforms  # noqa: F401 - first: it says so where the rest would not run
from nas.environment import too_little_memory
from nas.version import __version__ as __version__

_HOMES = {
    "Callback": "nas.search.callbacks",
    "Ensemble": "nas.reuse.ensemble",
    "Found": "nas.reuse.found",
    "NasError": "search_spaces.errors",
    "Retraining": "nas.reuse.retrain",
    "Search": "nas.search.search",
    "Store": "nas.store.store",
    "at_least": "controllers.objectives",
    "at_most": "controllers.objectives",
    "best_so_far": "nas.results.best_so_far",
    "choices": "nas.results.choices",
    "compare": "nas.reuse.compare",
    "curves": "nas.results.learning_curves",
    "ensemble": "nas.reuse.ensemble",
    "fine_tune": "workers.training.fine_tuning",
    "importance": "nas.results.importance",
    "leaderboard": "nas.results.leaderboard",
    "load": "nas.reuse.load",
    "maximize": "controllers.objectives",
    "minimize": "controllers.objectives",
    "pareto_front": "nas.results.best_so_far",
    "rank_correlation": "nas.results.learning_curves",
    "report": "nas.reports.watching",
    "retrain": "nas.reuse.retrain",
    "stages": "workers.training.fine_tuning",
    "subnets": "nas.reuse.subnets",
    "to_optuna": "nas.integrations.optuna_study",
    "zero_cost_scores": "nas.reuse.zero_cost",
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
    "choices",
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
    "subnets",
    "to_optuna",
    "zero_cost_scores",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        try:
            value = getattr(import_module(_HOMES[name]), name)
        except (ImportError, MemoryError, OSError) as error:
            words = too_little_memory(error)
            if words is None:
                raise
            raise MemoryError(words) from error
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
