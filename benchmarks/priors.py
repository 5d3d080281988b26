"""What a prior over decisions is worth, and what a wrong one costs.

`draws`: ten networks drawn from the prior around the plain network beside ten uniform ones, trained for a few
epochs on the embedded problems with the space that fits each: their validation scores, and their time over
the plain network's (CPU time of this thread). `tables`: evaluations that a controller needs, on tables that
others measured, to a score that without a prior it has after 100: with priors around networks of the worst
tenth, of the middle and of the best tenth, another network for each seed.

Run: `python -m benchmarks.priors [--quick] [--only draws tables] [--problems NAME ...] [--tables NAME ...]
[--seeds N] [--controllers NAME ...]`
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.common import Target, at_most, finish, show
from benchmarks.driving import drive
from benchmarks.measured import macro, nb201
from controllers import Prior, catalog, maximize
from controllers.prior import prior_of
from nas.commands.assemble import read_space
from search_spaces import Architecture
from workers import problems
from workers.inline import Inline
from workers.job import Failed, Finished, Job
from workers.tabular import Table

EPOCHS = {"digits": 3, "omniglot": 1}
TABLES: dict[str, Callable[[], Table]] = {"nb201": lambda: nb201("200"), "macro": macro}
DRAWS = 10
EVALUATIONS = 100
"""Those after which a controller without a prior has the score that is to be reached."""

MOST = 250
"""Evaluations after which the score counts as reached, by the latest."""

CONTROLLERS = ("evolution", "nsga2", "local", "predictor")


def trained(
    executor: Inline, number: int, network: Architecture, epochs: int, metric: str
) -> tuple[float, float]:
    """A network's validation score, 0 where it failed, and the CPU seconds of its training."""
    began = time.thread_time()
    executor.start(Job(number, network, seed=0, epochs=epochs))
    while True:
        for event in executor.events():
            if isinstance(event, Finished | Failed):
                score = event.metrics[metric] if isinstance(event, Finished) else 0.0
                return score, time.thread_time() - began


def draws(name: str, count: int) -> list[list[object]]:
    """The rows of one problem: the plain network, draws from the prior, uniform draws."""
    problem = problems.load(name)
    space = read_space(None, problem.signature)
    metric, _ = problem.objective
    prior, rng = prior_of("plain", space), random.Random(0)
    networks = {
        "plain": [space.plain()],
        "prior": [prior.sample(space, rng, told) for told in range(count)],
        "uniform": [space.sample(rng) for _ in range(count)],
    }
    rows: list[list[object]] = []
    with Inline() as executor:
        executor.open(problem)
        trained(executor, 0, space.plain(), 1, metric)  # what is slow the first time
        seconds = None
        for kind, several in networks.items():
            found = [trained(executor, 1, network, EPOCHS[name], metric) for network in several]
            seconds = seconds or found[0][1]
            scores = [score for score, _ in found]
            ratio = [took / seconds for _, took in found]
            summary = [
                statistics.median(scores),
                max(scores),
                statistics.median(ratio),
                max(ratio),
                sum(ratio),
            ]
            rows.append([f"{name}, {metric}: {kind}", *(f"{value:.3f}" for value in summary)])
            print("  ", *rows[-1], f"(plain: {seconds:.1f} s)", flush=True)
    return rows


def best_so_far(table: Table, name: str, seed: int, center: Architecture | None, most: int) -> list[float]:
    """The best accuracy after each evaluation."""
    controller = catalog[name](table.space, maximize("accuracy"), seed=seed)
    if center is not None:
        controller.use_prior(Prior((center.decisions,)))
    found: list[float] = []
    for seen in drive(controller, table, trials=most).seen:
        found.append(max([seen.metrics["accuracy"], *found[-1:]]))
    return found


def reached(best: Sequence[float], score: float) -> int:
    """The evaluations to a score; all of them where it is not reached."""
    return next((count for count, value in enumerate(best, start=1) if value >= score), len(best))


def table_rows(table: Table, name: str, seeds: int, most: int) -> tuple[list[list[object]], float]:
    """The rows of one controller, and by what share a wrong prior needs more evaluations."""

    def accuracy(network: Architecture) -> float:
        return float(table.answer(network).metrics["accuracy"])

    ranked = sorted(table.space.enumerate(), key=accuracy)
    tenth, rng = len(ranked) // 10, random.Random(0)
    middle = len(ranked) // 2
    among: dict[str, Any] = {
        "none": None,
        "worst tenth": ranked[:tenth],
        "middle": ranked[middle - tenth // 2 : middle + tenth // 2],
        "best tenth": ranked[-tenth:],
    }
    rows: list[list[object]] = []
    runs: dict[str, list[list[float]]] = {}
    for label, networks in among.items():
        centers = [None if networks is None else rng.choice(networks) for _ in range(seeds)]
        runs[label] = [best_so_far(table, name, seed, center, most) for seed, center in enumerate(centers)]
    scores = [
        statistics.median(best[min(count, most) - 1] for best in runs["none"])
        for count in (EVALUATIONS // 4, EVALUATIONS)
    ]
    means: dict[str, list[float]] = {}
    for label, found in runs.items():
        counts = [[reached(best, score) for best in found] for score in scores]
        means[label] = [statistics.mean(several) for several in counts]
        error = [statistics.stdev(several) / seeds**0.5 for several in counts]
        shown = [f"{mean:.1f} ± {off:.1f}" for mean, off in zip(means[label], error, strict=True)]
        rows.append([f"{table.name}, {name}: {label}", *shown])
    return rows, 100 * (means["worst tenth"][1] / means["none"][1] - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two draws, two seeds; within a minute")
    parser.add_argument("--only", nargs="*", choices=("draws", "tables"), default=["draws", "tables"])
    parser.add_argument("--problems", nargs="*", choices=EPOCHS, default=list(EPOCHS))
    parser.add_argument("--tables", nargs="*", choices=TABLES, default=list(TABLES))
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--controllers", nargs="*", choices=catalog, default=CONTROLLERS)
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    targets: list[Target] = []
    if "draws" in options.only:
        rows = [row for name in options.problems for row in draws(name, 2 if options.quick else DRAWS)]
        heads = ["problem", "median", "best", "time, median", "time, longest", "time, all"]
        show("Validation scores, and CPU time over the plain network's", heads, rows)
        figures["draws"] = rows
    if "tables" in options.only:
        rows, costs = [], []
        for table in (TABLES[name]() for name in options.tables):
            for name in options.controllers:
                less = (2, 20) if options.quick else (options.seeds, MOST)
                more, cost = table_rows(table, name, *less)
                rows += more
                costs.append(cost)
                print(f"  {table.name}, {name}: {cost:+.1f} %", flush=True)
        heads = ["prior", f"to the score of {EVALUATIONS // 4}", f"to that of {EVALUATIONS}"]
        show("Evaluations to the score that is reached without a prior", heads, rows)
        figures["tables"] = rows
        mean = statistics.mean(costs)
        targets.append(at_most("evaluations that a wrong prior costs", round(mean, 1), 10, "%"))
    finish("priors", figures, targets)


if __name__ == "__main__":
    main()
