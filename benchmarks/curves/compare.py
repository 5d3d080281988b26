"""Compares strategies over tables: regrets by strategy, half of the problems and budget."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from benchmarks.common import Target, at_most, finish, show
from benchmarks.curves.problems import CASES
from benchmarks.curves.replay import Choice, Outcome, known, replay

AUTO = Choice("auto", "auto")
CONTROLLERS = ("random", "evolution", "predictor")
FIDELITIES = ("full", "asha", "hyperband")
FIXED = (
    *(Choice(one, fidelity) for one in CONTROLLERS for fidelity in FIDELITIES),
    *(Choice(one, "asha", near=True) for one in CONTROLLERS),
)
"""What the plan is compared with. Optuna is left out: its trials hold what it suggested, not the network
that stands for it."""

CHOICES = {str(one): one for one in (AUTO, *FIXED)}
BELOW = ("random, asha", "random, hyperband", "evolution, full", "predictor, full")
"""The plan is to be better than each of these."""

RATIO = 1.10
"""How much worse than the best fixed choice the plan may be, which does not know which one that is."""


@contextmanager
def constants(values: Mapping[str, Any]) -> Iterator[None]:
    """Sets constants of `nas.search.plan`, such as ``lengths.ENOUGH``, for a while."""
    before = []
    for name, value in values.items():
        module, _, constant = name.rpartition(".")
        place = importlib.import_module(f"nas.search.plan.{module}")
        before.append((place, constant, getattr(place, constant)))
        setattr(place, constant, value)
    try:
        yield
    finally:
        for place, constant, value in before:
            setattr(place, constant, value)


@dataclass(frozen=True)
class Comparison:
    """Searches by problem, strategy and budget, one for each seed.

    Attributes:
        names: the problems.
        choices: the names of the strategies.
        budgets: in trainings of the plain network.
        outcomes: what came of each, in the order of the seeds.
    """

    names: Sequence[str]
    choices: Sequence[str]
    budgets: Sequence[float]
    outcomes: Mapping[tuple[str, str, float], Sequence[Outcome]]

    def half(self, tuned: bool) -> Comparison:
        """The same of those problems that constants were chosen on, or of the others."""
        names = [name for name in self.names if CASES[name].tuned is tuned]
        return Comparison(names, self.choices, self.budgets, self.outcomes)

    def by_seed(self, choice: str, budget: float | None = None, figure: str = "regret") -> list[float]:
        """The mean of a figure of the outcomes over the problems, and budgets, for each seed."""
        budgets = self.budgets if budget is None else [budget]
        cells = [self.outcomes[name, choice, one] for name in self.names for one in budgets]
        return [fmean(getattr(one, figure) for one in seed) for seed in zip(*cells, strict=True)]


def compare(
    names: Sequence[str],
    folder: Path,
    choices: Sequence[str],
    budgets: Sequence[float],
    workers: int,
    seeds: int,
) -> Comparison:
    """Searches every table by every strategy."""
    outcomes = {}
    for name in names:
        for choice in choices:
            for budget in budgets:
                found = [
                    replay(name, folder, CHOICES[choice], budget, workers, seed) for seed in range(seeds)
                ]
                outcomes[name, choice, budget] = found
                figures = {figure: fmean(getattr(one, figure) for one in found) for figure in vars(found[0])}
                said = ", ".join(f"{figure} {value:.3f}" for figure, value in figures.items())
                print(f"{name}, {choice}, {budget:g}: {said}", flush=True)
    return Comparison(names, choices, budgets, outcomes)


def tables_there(folder: Path, only: Sequence[str]) -> list[str]:
    """The problems that there are tables of."""
    return [name for name in only or CASES if (folder / f"{name}.parquet").exists()]


def report(found: Comparison, folder: Path, seeds: int) -> None:
    """Prints what was found, and judges it on the half of the problems that is for that."""
    sizes = {name: len(known(name, folder)[1]) for name in found.names}
    figures: dict[str, Any] = {"networks": sizes, "seeds": seeds}
    targets: list[Target] = []
    for half, tuned in (("tuned", True), ("reported", False)):
        some = found.half(tuned)
        if not some.names:
            continue
        figures[half] = shown(some, half)
        if str(AUTO) in some.choices and len(some.choices) > 1:
            judged = ratios(some)
            figures[half]["ratios"] = judged
            if not tuned:
                targets += targets_of(judged)
    planned = [
        of for (_, choice, _), several in found.outcomes.items() if choice == str(AUTO) for of in several
    ]
    if planned:
        endless = sum(one.finished == 0 for one in planned)
        targets.append(at_most("searches of auto without a finished network", float(endless), 0))
    finish("curves", figures, targets)


def shown(found: Comparison, half: str) -> dict[str, Any]:
    """Prints the regrets of a half; returns them by strategy and budget."""
    rows, figures = [], {}
    for choice in found.choices:
        each = {f"after {budget:g}": fmean(found.by_seed(choice, budget)) for budget in found.budgets}
        whole, trained = found.by_seed(choice), found.by_seed(choice, figure="as_trained")
        error = stdev(whole) / len(whole) ** 0.5 if len(whole) > 1 else 0.0
        figures[choice] = each | {"all": fmean(whole), "error": error, "as trained": fmean(trained)}
        cells = [*(f"{one:.3f}" for one in each.values()), f"{fmean(whole):.3f} ± {error:.3f}"]
        rows.append([choice, *cells, f"{fmean(trained):.3f}"])
    heads = ["strategy", *(f"after {budget:g}" for budget in found.budgets), "all", "as trained"]
    show(f"Regret, {half} half ({', '.join(found.names)})", heads, rows)
    return figures


def ratios(found: Comparison) -> dict[str, Any]:
    """The regret of the plan over that of each other strategy, and of the best of them."""
    means = {choice: fmean(found.by_seed(choice)) for choice in found.choices}
    auto = means.pop(str(AUTO))
    best = min(means, key=means.__getitem__)
    over = {choice: auto / max(1e-9, value) for choice, value in means.items()}
    print(f"auto over the best fixed choice ({best}): {over[best]:.3f}")
    return over | {"best": over[best]}


def targets_of(judged: Mapping[str, float]) -> list[Target]:
    """What is claimed of the plan."""
    targets = [at_most("auto over the best fixed choice", judged["best"], RATIO)]
    return targets + [at_most(f"auto over {name}", judged[name], 1) for name in BELOW if name in judged]
