"""Workers: who trains. Problems (data), recipes, the training of one architecture, and where trials run.

Importing this package is cheap: torch and Ray are loaded with the first name that needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.executor import Executor
    from workers.inline import Inline
    from workers.job import Checkpoint, Event, Failed, Finished, Job, Report, Reported, Weights
    from workers.pool.pool import Pool
    from workers.problems.problem import Problem
    from workers.problems.split import Split
    from workers.recipe import Recipe
    from workers.training.training import train
    from workers.tune.tune import Tune

_HOMES = {
    "Checkpoint": "workers.job",
    "Event": "workers.job",
    "Executor": "workers.executor",
    "Failed": "workers.job",
    "Finished": "workers.job",
    "Inline": "workers.inline",
    "Job": "workers.job",
    "Pool": "workers.pool.pool",
    "Problem": "workers.problems.problem",
    "Recipe": "workers.recipe",
    "Report": "workers.job",
    "Reported": "workers.job",
    "Split": "workers.problems.split",
    "Tune": "workers.tune.tune",
    "Weights": "workers.job",
    "train": "workers.training.training",
}

__all__ = [
    "Checkpoint",
    "Event",
    "Executor",
    "Failed",
    "Finished",
    "Inline",
    "Job",
    "Pool",
    "Problem",
    "Recipe",
    "Report",
    "Reported",
    "Split",
    "Tune",
    "Weights",
    "train",
]


def __getattr__(name: str) -> Any:
    # PEP 562: `nas --help` imports this package and must not wait for torch.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
