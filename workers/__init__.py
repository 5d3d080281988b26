"""Workers: who trains. They are given one architecture at a time, and never ask why.

How data pass: an `Executor` is opened on a `Problem` (a signature with data) and given a `Job` (an
architecture with its `Recipe`, and a seed). A worker builds the network, trains it, and sends a `Report`
after each epoch. The executor hands everything back as events: `Reported` for each report (and `Paced` before
the first one, where epochs are long), then one `Finished` with metrics and weights, or one `Failed` with a
reason.

    >>> import torch
    >>> from search_spaces import Space, layer, sequential
    >>> from workers import Inline, Job, Problem
    >>> points = torch.rand(100, 2, generator=torch.Generator().manual_seed(0))
    >>> larger = Problem.from_tensors("larger", (points, (points[:, 0] > points[:, 1]).long()))
    >>> model = sequential(layer(torch.nn.Linear, out_features=8), layer(torch.nn.ReLU))
    >>> network = Space({"model": model, "recipe": {"epochs": 2}}).plain()
    >>> with Inline() as executor:
    ...     executor.open(larger)
    ...     executor.start(Job(0, network, seed=0))
    ...     while events := executor.events():
    ...         print(*(type(event).__name__ for event in events))
    Reported
    Reported
    Finished

The rooms, from the roof down; each imports only those below it:

- ``testing``: the contracts of executors and problems as test classes, for yours too
- ``executors``: the catalog of executors by name
- ``pool``, ``tune``, ``inline``: executors, over Ray actors, over Ray Tune, and in this process
- ``remote``: what the executors on Ray share
- ``trial``: one trial, from its job to its last event
- ``speed``: how long a trial takes, before it begins
- ``bank``: a bank of weights that networks of a space share
- ``zero_cost``: what networks that nobody has trained say of how well they will do
- ``training``: the training of one network, with a report per epoch
- ``tabular``: an executor in simulated time, which answers from tables
- ``executor``: `Executor`, the base class of all of them, with its laws
- ``table``: tables of known answers in place of a problem
- ``problems``: data with a signature, and the catalog of problems
- ``recipe``: how a network is trained
- ``acceleration``: how a training makes use of its device
- ``weights``: weights as bytes, in the safetensors format
- ``failures``: what a failed candidate is recorded with
- ``job``: what passes between the driver and a worker

``cluster`` and ``tune_search`` are addresses of `workers.remote.cluster` and `workers.tune` in scripts.

Importing this package is cheap: torch and Ray are loaded with the first name that needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.acceleration import Acceleration
    from workers.executor import Executor
    from workers.inline import Inline
    from workers.job import Checkpoint, Event, Failed, Finished, Job, Paced, Report, Reported, Weights
    from workers.pool.pool import Pool
    from workers.problems.problem import Problem
    from workers.problems.split import Split
    from workers.recipe import Recipe
    from workers.training.training import train
    from workers.tune.tune import Tune

_HOMES = {
    "Acceleration": "workers.acceleration",
    "Checkpoint": "workers.job",
    "Event": "workers.job",
    "Executor": "workers.executor",
    "Failed": "workers.job",
    "Finished": "workers.job",
    "Inline": "workers.inline",
    "Job": "workers.job",
    "Paced": "workers.job",
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
    "Acceleration",
    "Checkpoint",
    "Event",
    "Executor",
    "Failed",
    "Finished",
    "Inline",
    "Job",
    "Paced",
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
