"""What is measured of cells: each trained alone, banks that score them all, and zero-cost scores."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.shared_weights.cases import problem, space
from controllers import Reinforce, maximize
from nas.search.lesson_networks import LessonNetworks
from nas.search.lessons import LessonPlan, lessons_of
from search_spaces import Architecture
from search_spaces.errors import NasError
from workers.bank.average import average
from workers.bank.bank import Bank
from workers.bank.inheriting import heir
from workers.bank.paths import Sampling, paths
from workers.bank.training import BankTraining
from workers.job import Finished, Job, Lesson, Reported, SharedWeights
from workers.problems.measures import main_metric
from workers.recipe import Recipe
from workers.training.random_state import IsolatedRandomState
from workers.training.training import train
from workers.trial.trial import run
from workers.zero_cost import score


@dataclass(frozen=True)
class Sampled:
    """How a bank is trained.

    Attributes:
        sampling: how the networks are drawn that train it.
        workers: how many workers' banks are averaged after each lesson; here they are trained in turn.
    """

    sampling: Sampling
    workers: int = 1

    def __str__(self) -> str:
        return self.sampling if self.workers == 1 else f"{self.sampling}*{self.workers}"


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
    name: str, cells: Sequence[Architecture], how: Sampled, networks: int, epochs: int, seed: int
) -> dict[str, Any]:
    """What the cells score with the weights of a bank."""
    data, recipe = problem(name), Recipe.of(space().plain())
    began = time.perf_counter()
    if how.sampling == "controller" or how.workers > 1:
        shared, losses = by_lessons(name, how, networks, epochs, seed)
    else:
        shared = Bank()
        groups = paths(space(), how.sampling, networks, seed)
        taught = how.sampling == "sandwich"
        training = BankTraining(shared, groups, data, recipe, seed=seed, taught=taught)
        losses = [report.train_loss for report in training.run(epochs)]
    trained = time.perf_counter() - began
    scores = {
        cell.id: heir(shared, cell, data, recipe, seed=seed).metrics(data.validation)[metric(name)]
        for cell in cells
    }
    took = (time.perf_counter() - began - trained) / len(cells)
    return {"scores": scores, "losses": losses, "seconds": trained, "seconds_each": took}


def by_lessons(name: str, how: Sampled, networks: int, epochs: int, seed: int) -> tuple[Bank, list[float]]:
    """A bank that is trained in the lessons of a search, and the losses of its epochs."""
    drawn = None
    if how.sampling == "controller":
        drawn = LessonNetworks(Reinforce(space(), maximize(metric(name)), seed=seed))
    before: Bank | None = None
    losses: list[float] = []
    count = lessons_of(LessonPlan(epochs, how.sampling, networks, how.workers))
    length = math.ceil(epochs / count)
    for begun in range(0, epochs, length):
        until = min(epochs, begun + length)
        new = () if drawn is None else drawn.draw(max(1, networks // count))
        given = new if drawn is None else (*drawn.earlier, *new)
        banks, scored = [], ()
        for worker in range(how.workers):
            part = (networks, epochs, begun, until, given, len(new), worker, how.workers)
            lesson = Lesson(space(), how.sampling, *part)
            held = None if before is None else SharedWeights.of(before.to_safetensors())
            events = list(run(Job(0, space().plain(), seed, bank=held, lesson=lesson), problem(name)))
            end = events[-1]
            if not isinstance(end, Finished):
                raise RuntimeError(f"the lesson from epoch {begun} has failed: {end}")
            if worker == 0:
                losses += [one.report.train_loss for one in events if isinstance(one, Reported)]
                scored = end.scored
            banks.append(Bank.from_safetensors(end.weights.read()))
        if drawn is not None:
            drawn.learn(scored)
        before = average(banks, before)
    assert before is not None
    return before, losses


def proxies(name: str, cell: Architecture) -> dict[str, float]:
    """The zero-cost scores of a cell, as far as it has them."""
    found: dict[str, float] = {}
    for one in PROXIES:
        try:
            found |= score(cell, problem(name), [one])
        except NasError:
            continue
    return found
