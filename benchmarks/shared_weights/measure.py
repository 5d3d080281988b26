"""What is measured of cells: each trained alone, banks that score them all, and zero-cost scores."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from benchmarks.shared_weights.cases import problem, space
from search_spaces import Architecture
from search_spaces.errors import NasError
from workers.bank.bank import Bank
from workers.bank.inheriting import heir
from workers.bank.paths import Sampling, paths
from workers.bank.training import BankTraining
from workers.problems.measures import main_metric
from workers.recipe import Recipe
from workers.training.random_state import IsolatedRandomState
from workers.training.training import train
from workers.zero_cost import score

PROXIES = ("num_params", "num_macs", "synflow", "naswot", "az_nas")


def metric(name: str) -> str:
    """The metric by which cells are compared."""
    tasks = problem(name).signature.tasks
    return "score" if len(tasks) > 1 else main_metric(next(iter(tasks.values())))


def alone(name: str, cell: Architecture, seed: int) -> dict[str, Any]:
    """A cell that is trained by itself."""
    began = time.perf_counter()
    data = problem(name)
    with IsolatedRandomState(seed):
        network = cell.build(data.signature)
    reports = list(train(network, data, Recipe.of(cell), seed=seed))
    params = sum(parameter.numel() for parameter in network.parameters())
    last = reports[-1].metrics
    return {"value": last[metric(name)], "params": params, "seconds": time.perf_counter() - began}


def bank(
    name: str, cells: Sequence[Architecture], sampling: Sampling, networks: int, epochs: int, seed: int
) -> dict[str, Any]:
    """What the cells score with the weights of a bank."""
    data, recipe = problem(name), Recipe.of(space().plain())
    began = time.perf_counter()
    shared = Bank()
    groups = paths(space(), sampling, networks, seed)
    taught = sampling == "sandwich"
    training = BankTraining(shared, groups, data, recipe, seed=seed, taught=taught)
    losses = [report.train_loss for report in training.run(epochs)]
    trained = time.perf_counter() - began
    scores = {
        cell.id: heir(shared, cell, data, recipe, seed=seed).metrics(data.validation)[metric(name)]
        for cell in cells
    }
    took = (time.perf_counter() - began - trained) / len(cells)
    return {"scores": scores, "losses": losses, "seconds": trained, "seconds_each": took}


def proxies(name: str, cell: Architecture) -> dict[str, float]:
    """The zero-cost scores of a cell, as far as it has them."""
    found: dict[str, float] = {}
    for one in PROXIES:
        try:
            found |= score(cell, problem(name), [one])
        except NasError:
            continue
    return found
