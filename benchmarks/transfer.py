"""What a network found on one problem gives on another, beside the same network trained from nothing.

A search for the characters of five of Omniglot's alphabets, from image and pen; the best network, with a new
head, then learns the characters of the other three, of which there are a few drawings each.

Run: `python -m benchmarks.transfer [--quick] [--trials N] [--seeds N]`
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import nn

import nas
from benchmarks.common import Target, at_least, finish, markdown, show
from benchmarks.recording import record
from nas import Found, Search, at_most
from search_spaces import Signature, Space
from search_spaces.catalog import load, model_for, recipe_for
from search_spaces.signature import Classification
from workers.job import Report
from workers.pool.pool import Pool
from workers.problems import Problem
from workers.problems import load as load_problem
from workers.problems.split import Split
from workers.recipe import Recipe
from workers.training.criterion import adapt
from workers.training.metrics import evaluate
from workers.training.training import train

OLD, NEW = range(5), range(5, 8)
"""Alphabets that are searched on, and those that are learned afterwards."""

EPOCHS = 16
"""Passes over the few drawings, whatever is trained."""

RATES = (1.0, 0.3)
"""In multiples of the recipe's learning rate; each way takes the one that is best on the validation split."""

SHOTS = (1, 3, 11)
"""Drawings of each character to learn from; 11 are all there are."""


def characters(alphabets: Iterable[int], shots: int | None = None, seed: int = 0) -> Problem:
    """The characters of some of Omniglot's alphabets, with at most so many training drawings of each."""
    whole = load_problem("omniglot")
    chosen = torch.tensor([*alphabets])
    splits = {
        part: _of(getattr(whole, part), torch.isin(getattr(whole, part).targets["alphabet"], chosen))
        for part in ("train", "validation", "test")
    }
    known = splits["train"].targets["character"].unique()
    for part, split in splits.items():
        numbered = torch.searchsorted(known, split.targets["character"])
        splits[part] = Split(split.inputs, {"character": numbered})
    if shots is not None:
        labels = splits["train"].targets["character"]
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        rank = torch.zeros(len(labels), dtype=torch.long)
        for label in range(len(known)):
            own = order[labels[order] == label]
            rank[own] = torch.arange(len(own))
        splits["train"] = _of(splits["train"], rank < shots)
    signature = Signature(whole.signature.inputs, {"character": Classification(len(known))})
    return Problem(f"omniglot-{len(known)}", signature, **splits)


def _of(split: Split, which: torch.Tensor) -> Split:
    return split.select(which.nonzero().squeeze(1))


def winner(folder: Path, problem: Problem, trials: int, epochs: int, workers: int) -> Found:
    """The best network of a search in the problem's default space."""
    signature = problem.signature
    space = Space(
        {"model": load(model_for(signature), signature=signature), "recipe": recipe_for(signature, epochs)}
    )
    store = f"sqlite:///{folder / 'transfer.db'}"
    limits = [at_most("num_macs", 8e6)]
    search = Search(
        space, problem, trials=trials, limits=limits, executor=Pool(workers), store=store, keep_weights=1
    )
    search.run()
    return nas.load(store)


Way = Callable[[Found, Problem, Recipe, int], tuple[nn.Module, Iterator[Report]]]
"""Of a network, a problem, a recipe and a seed: what is trained, and its training."""


def from_nothing(
    found: Found, problem: Problem, recipe: Recipe, seed: int
) -> tuple[nn.Module, Iterator[Report]]:
    network = found.architecture.build(problem.signature)
    return network, train(network, problem, recipe, seed=seed)


def all_at_once(
    found: Found, problem: Problem, recipe: Recipe, seed: int
) -> tuple[nn.Module, Iterator[Report]]:
    network = found.for_signature(problem.signature)
    return network, train(network, problem, recipe, seed=seed)


def in_stages(
    found: Found, problem: Problem, recipe: Recipe, seed: int
) -> tuple[nn.Module, Iterator[Report]]:
    network = found.for_signature(problem.signature)
    every = max(1, recipe.epochs // (2 * len(nas.stages(network))))
    return network, nas.fine_tune(network, problem, recipe, seed=seed, every=every)


def head_alone(
    found: Found, problem: Problem, recipe: Recipe, seed: int
) -> tuple[nn.Module, Iterator[Report]]:
    network = found.for_signature(problem.signature)
    return network, nas.fine_tune(network, problem, recipe, seed=seed, every=recipe.epochs)


WAYS: dict[str, Way] = {
    "from nothing": from_nothing,
    "trained body, head alone learns": head_alone,
    "trained body, thawed in stages": in_stages,
    "trained body, all learns at once": all_at_once,
}


def accuracy(network: nn.Module, problem: Problem) -> float:
    """On the test split."""
    signature = problem.signature
    return evaluate(adapt(network, signature), network, problem.test, signature.tasks)["accuracy"]


def accuracies(
    way: Way, found: Found, shots: int, epochs: int, seeds: range, rates: Iterable[float]
) -> list[float]:
    """Test accuracies by seed, at the learning rate that is best on the validation split."""
    recipe = Recipe.of(found.architecture)
    found_by_rate: dict[float, tuple[float, list[float]]] = {}
    for rate in rates:
        of_rate = recipe.model_copy(update={"epochs": epochs, "learning_rate": rate * recipe.learning_rate})
        validation, test = [], []
        for seed in seeds:
            problem = characters(NEW, shots, seed)
            torch.manual_seed(seed)
            network, training = way(found, problem, of_rate, seed)
            *_, last = training
            validation.append(last.metrics["accuracy"])
            test.append(accuracy(network, problem))
        found_by_rate[rate] = statistics.fmean(validation), test
    return max(found_by_rate.values(), key=lambda one: one[0])[1]


def spread(values: list[float]) -> str:
    return f"{statistics.fmean(values):.3f} ±{statistics.stdev(values) if len(values) > 1 else 0:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if options.quick:
        trials, epochs, learn, seeds, shots, rates = 2, 1, 2, range(1), (1,), RATES[:1]
    else:
        trials, epochs, learn, shots, rates = options.trials, 12, EPOCHS, SHOTS, RATES
        seeds = range(options.seeds)
    old = characters(OLD)
    with tempfile.TemporaryDirectory() as folder:
        found = winner(Path(folder), old, trials, epochs, options.workers)
    figures: dict[str, dict[str, list[float]]] = {}
    for title, way in WAYS.items():
        figures[title] = {str(few): accuracies(way, found, few, learn, seeds, rates) for few in shots}
    new = characters(NEW)
    classes = int(new.test.targets["character"].max()) + 1
    there = found.test_metrics["accuracy"]
    title = (
        f"Test accuracy on {classes} characters of {len(NEW)} other alphabets; {learn} epochs, {len(seeds)} "
        f"seeds; the network: best of {trials} trials on {len(OLD)} alphabets, there {there:.3f}"
    )
    columns = ["drawings of each character", *map(str, shots)]
    rows = [[name, *(spread(values) for values in by_shots.values())] for name, by_shots in figures.items()]
    show(title, columns, rows)
    targets: list[Target] = []
    if not options.quick:
        for few in map(str, shots):
            means = {name: statistics.fmean(by_shots[few]) for name, by_shots in figures.items()}
            nothing = means.pop("from nothing")
            gain = 100 * (max(means.values()) - nothing)
            targets.append(at_least(f"gain over training from nothing, {few} drawings, points", gain, 0))
        record(
            "transfer",
            f"python -m benchmarks.transfer --trials {trials}",
            [markdown(title, columns, rows)],
            targets,
        )
    finish("transfer", figures, targets)


if __name__ == "__main__":
    main()
