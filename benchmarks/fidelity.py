"""What stopping trials early is worth: ASHA and Hyperband beside full trainings, on measured learning curves.

    python -m benchmarks.fidelity [--tables FOLDER] [--quick] [--seeds 300]

`FOLDER` has `lcbench_even17.parquet`: 17 tasks, 1,000 configurations each, validation accuracy after each of
52 epochs (the YAHPO surrogate of LCBench; L. Zimmer et al., 2021). Without it, 6 synthetic tasks of the same
size: power laws whose first epochs foretell their last imperfectly.

Every run may train a budget of epochs, counted in full trainings (20 and 50 of 52 epochs), one trial at a
time. What counts is the incumbent, the best trial of the highest rung, by its accuracy after all its epochs:
normalised regret is (best - incumbent) / (best - median), by final accuracy over the configurations of the
task. Configurations are drawn at random without repeats ("random"), or proposed by a controller that sees
hyperparameters, of which the nearest measured configuration is looked up ("random, nearest", "evolution",
"optuna": multivariate TPE, so that "optuna, hyperband" is a union as in BOHB; S. Falkner et al., ICML 2018).
Mean over tasks and seeds, and its standard error over seeds. Every task has seeds of its own, for the tasks
of LCBench share their configurations; all are 1000 and up, on which no default was chosen. "No better" counts
the tasks, at each budget, on which random proposals trained in full do as well.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.common import Target, at_most, finish, show
from controllers import Controller, Proposal, RandomSearch, catalog, maximize
from controllers.fidelity import Fidelity, FullBudget, Hyperband, SuccessiveHalving
from controllers.planner import Planner
from search_spaces import Architecture, Space, choice, real

BUDGETS = (20, 50)  # full trainings
NEAREST = "random, nearest"
SEEDS = 1_000  # for each task; those below are for development
FEWER = {
    "random": 1,
    "optuna": 50,
}  # by how much fewer seeds a controller runs, for they are slower; others: 10
LOGARITHMIC = ("batch_size", "learning_rate", "max_units")
HYPERPARAMETERS = (*LOGARITHMIC, "momentum", "weight_decay", "num_layers", "max_dropout")


@dataclass(frozen=True)
class Task:
    """Learning curves: `curves[i, t]` is the accuracy of configuration i after t + 1 epochs.

    `places[i]` are its hyperparameters on the unit interval.
    """

    name: str
    curves: np.ndarray
    places: np.ndarray

    @property
    def epochs(self) -> int:
        return int(self.curves.shape[1])

    def regret(self, configuration: int) -> float:
        final = self.curves[:, -1]
        return float((final.max() - final[configuration]) / (final.max() - np.median(final)))


def lcbench(folder: Path) -> Iterator[Task]:
    """The tasks of `lcbench_even17.parquet`."""
    import pandas

    path = folder / "lcbench_even17.parquet"
    if not path.exists():
        raise SystemExit(f"no {path.name} in {folder}: name the folder that has it")
    for name, rows in pandas.read_parquet(path).groupby("task", observed=True):
        columns = []
        for hyperparameter in HYPERPARAMETERS:
            values = rows[hyperparameter].to_numpy(float)
            values = np.log(values) if hyperparameter in LOGARITHMIC else values
            columns.append((values - values.min()) / (values.max() - values.min()))
        yield Task(str(name), np.stack(rows.val_accuracy.to_numpy()), np.stack(columns, axis=1))


def synthetic(tasks: int = 6, configurations: int = 1_000, epochs: int = 52) -> Iterator[Task]:
    """Power laws: where a curve ends and how fast it gets there are smooth functions of 7 hyperparameters."""
    for number in range(tasks):
        rng = np.random.default_rng(number)
        places = rng.random((configurations, len(HYPERPARAMETERS)))
        best, weights = rng.random(places.shape[1]), rng.exponential(size=places.shape[1])
        end = 95 - 60 * ((places - best) ** 2 @ weights) / weights.sum()
        speed = np.exp(0.5 * rng.normal(size=configurations) + (places @ rng.normal(size=places.shape[1])))
        steps = np.arange(1, epochs + 1)
        curves = end[:, None] - 40 * (1 + steps * speed[:, None]) ** -0.7
        noise = rng.normal(size=curves.shape) * 2 / np.sqrt(steps)
        yield Task(f"synthetic {number}", curves + noise, places)


def by_number(task: Task) -> tuple[Space, Callable[[Architecture], int]]:
    """A space that says nothing of the configurations but which."""
    return Space({"configuration": choice(*range(len(task.curves)))}), lambda it: it.value["configuration"]


def by_hyperparameters(task: Task) -> tuple[Space, Callable[[Architecture], int]]:
    """A space of the hyperparameters; the nearest configuration stands for the others around it."""
    from scipy.spatial import cKDTree

    tree = cKDTree(task.places)
    space = Space({name: real(0.0, 1.0) for name in HYPERPARAMETERS})
    return space, lambda it: int(tree.query([it.value[name] for name in HYPERPARAMETERS])[1])


def run(
    task: Task, find: Callable[[Architecture], int], controller: Controller, fidelity: Fidelity
) -> list[float]:
    """The regret at each of the budgets."""
    planner, trials, trained = Planner(controller, fidelity), [], {}
    incumbent, best, spent, regrets = -1, (0, -np.inf), 0, []
    while True:
        leg = planner.next_leg()
        if leg is None:
            trials.append(planner.ask())
            leg = len(trials) - 1, planner.begin(trials[-1]) or task.epochs
        else:
            planner.resume(*leg)
        number, until = leg
        cost = until - trained.get(number, 0)
        while spent + cost > BUDGETS[len(regrets)] * task.epochs:
            regrets.append(task.regret(incumbent))
            if len(regrets) == len(BUDGETS):
                return regrets
        spent += cost
        trained[number] = until
        proposal: Proposal = trials[number]
        configuration = find(proposal.architecture)
        value = float(task.curves[configuration, until - 1])
        if (until, value) > best:
            best, incumbent = (until, value), configuration
        if until == task.epochs:
            planner.end(proposal, {"accuracy": value})
        else:
            planner.pause(proposal, until, {"accuracy": value})


def fidelities(epochs: int) -> dict[str, Callable[[], Fidelity]]:
    """Ours with their defaults."""
    return {
        "full": lambda: FullBudget(epochs),
        "asha": lambda: SuccessiveHalving(epochs),
        "hyperband": lambda: Hyperband(epochs),
    }


def measure(tasks: list[Task], fidelity: str, controller: str, seeds: int) -> np.ndarray:
    """Regrets by task, seed and budget."""
    found = []
    for number, task in enumerate(tasks, 1):
        space, find = (by_number if controller == "random" else by_hyperparameters)(task)
        kind = RandomSearch if controller in ("random", NEAREST) else catalog[controller]
        make = fidelities(task.epochs)[fidelity]
        found.append(
            [
                run(task, find, kind(space, maximize("accuracy"), seed=SEEDS * number + seed), make())
                for seed in range(seeds)
            ]
        )
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, help="folder that has lcbench_even17.parquet")
    parser.add_argument("--quick", action="store_true", help="within a minute: few seeds and tasks")
    parser.add_argument(
        "--seeds", type=int, default=300, help="of random, at most 1000; the others have fewer"
    )
    parser.add_argument(
        "--controllers", default="evolution,optuna", help="besides random, with commas between"
    )
    arguments = parser.parse_args()
    tasks = list(synthetic() if arguments.tables is None else lcbench(arguments.tables))
    seeds = 3 if arguments.quick else arguments.seeds
    tasks = tasks[:3] if arguments.quick else tasks
    others = [name for name in arguments.controllers.split(",") if name]
    rows, figures, means = [], {}, {}
    for controller in ("random", *([NEAREST, *others] if others else [])):
        repeats = max(1, seeds // FEWER.get(controller, 10))
        for fidelity in fidelities(1):
            began = time.perf_counter()
            regrets = measure(tasks, fidelity, controller, repeats)
            taken = time.perf_counter() - began
            mean, means[controller, fidelity] = regrets.mean((0, 1)), regrets.mean(1)
            error = regrets.mean(0).std(0) / np.sqrt(repeats)
            not_better = (means[controller, fidelity] >= means["random", "full"]).sum(0)
            cells = [
                f"{m:.3f} ± {e:.3f}" if repeats > 1 else f"{m:.3f}" for m, e in zip(mean, error, strict=True)
            ]
            no_better = " and ".join(map(str, not_better)) if fidelity != "full" else ""
            rows.append([f"{controller}, {fidelity}", *cells, no_better, repeats, f"{taken:.0f}"])
            figures[f"{controller}, {fidelity}"] = dict(zip(map(str, BUDGETS), mean.tolist(), strict=True))
    which = "synthetic curves" if arguments.tables is None else "LCBench"
    heads = ["proposals, fidelity", *(f"at {b}" for b in BUDGETS), "no better"]
    title = f"Normalised regret on {len(tasks)} tasks ({which})"
    show(title, [*heads, "seeds", "seconds"], rows)
    targets = []
    if arguments.tables is not None:
        asha, full = means["random", "asha"][:, 0], means["random", "full"][:, 0]
        targets = [
            at_most("ASHA at 20 full trainings", float(asha.mean()), 0.14),
            Target(
                "tasks where ASHA is not better than random, at 20",
                float((asha >= full).sum()),
                "<= 0",
                bool((asha < full).all()),
            ),
        ]
    finish("fidelity", figures, targets)


if __name__ == "__main__":
    main()
