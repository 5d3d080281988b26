"""What stopping trials early is worth: ASHA and Hyperband beside full trainings, on measured learning curves.

    python -m benchmarks.fidelity [--tables FOLDER] [--quick] [--seeds 300] [--tasks reported] [--cells]

`FOLDER` has `lcbench_even17.parquet`: 17 tasks, 1,000 configurations each, validation accuracy after each of
52 epochs (the YAHPO surrogate of LCBench; L. Zimmer et al., 2021). Without it, 6 synthetic tasks of the same
size: power laws whose first epochs foretell their last imperfectly. With `--cells` the one task is
NAS-Bench-201 (`nb201_cifar10.parquet`: validation accuracy after 12 and after 200 epochs).

Every run may train a budget of epochs, counted in full trainings (20 and 50 of 52 epochs), one trial at a
time. What counts is the incumbent, the best trial of the highest rung, by its accuracy after all its epochs:
normalised regret is (best - incumbent) / (best - median), by final accuracy over the configurations of the
task. Configurations are drawn at random without repeats ("random"), or proposed by a controller that sees
hyperparameters, of which the nearest measured configuration is looked up that is not taken yet ("random,
nearest", "evolution", "predictor", "optuna": multivariate TPE, so that "optuna, hyperband" is a union as in
BOHB; S. Falkner et al., ICML 2018). If two proposals could get the same configuration, a controller that has
found a good place would pay for one curve again and again. "ends only": pauses are not observed.
Mean over tasks and seeds, and its standard error over seeds. Every task has seeds of its own, for the tasks
of LCBench share their configurations; all are 1000 and up, on which no default was chosen. "No better" counts
the tasks, at each budget, on which random proposals trained in full do as well.

What controllers learn from pauses, and when evolutions begin, was chosen on every other task of LCBench
(`--tasks tuning`; `--tasks reported` are the others) and on NAS-Bench-201, with seeds below 1000.
"""

import argparse
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.common import Target, at_most, finish, show
from controllers import Proposal, RandomSearch, catalog, maximize
from controllers.fidelity import Fidelity, FullBudget, Hyperband, SuccessiveHalving
from controllers.planner import Planner
from controllers.records import Outcome
from search_spaces import Architecture, Space, choice, real

BUDGETS = [20, 50]  # full trainings
NEAREST = "random, nearest"
SEEDS = 1_000  # for each task; those below are for development
# by how much fewer seeds a controller runs, for they are slower; others: 10
FEWER = {"random": 1, "optuna": 30, "predictor": 30}
OBSERVING = ("predictor", "optuna")  # controllers that learn from trials which pause
LOGARITHMIC = ("batch_size", "learning_rate", "max_units")
HYPERPARAMETERS = (*LOGARITHMIC, "momentum", "weight_decay", "num_layers", "max_dropout")


@dataclass(frozen=True)
class Task:
    """Learning curves: `curves[i, t]` is the accuracy of configuration i after t + 1 epochs.

    `places[i]` are its hyperparameters on the unit interval, or `cells[i]` a letter for each operator. Trials
    pause first after `least` epochs (None: the default), and one in `factor` goes on.
    """

    name: str
    curves: np.ndarray
    places: np.ndarray
    cells: tuple[str, ...] = ()
    least: int | None = None
    factor: float = 3

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


def nas_bench_201() -> Task:
    """The cells of NAS-Bench-201 on CIFAR-10, by validation accuracy; of the epochs two are known."""
    import pandas

    rows = pandas.read_parquet(Path(__file__).parent / "tables" / "nb201_cifar10.parquet")
    curves = np.full((len(rows), 200), np.nan)
    for epochs in (12, 200):
        curves[:, epochs - 1] = rows[f"cifar10_valid_acc_{epochs}"]
    return Task("NAS-Bench-201", curves, np.empty((len(rows), 0)), tuple(rows.op_code), 12, 200 / 12)


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
    """A space of the hyperparameters, of which each proposal gets the nearest configuration that is left."""
    space = Space({name: real(0.0, 1.0) for name in HYPERPARAMETERS})
    got: dict[str, int] = {}
    left = np.full(len(task.places), True)

    def find(architecture: Architecture) -> int:
        if architecture.id not in got:
            place = [architecture.value[name] for name in HYPERPARAMETERS]
            distances = ((task.places - place) ** 2).sum(1)
            got[architecture.id] = int(np.where(left, distances, np.inf).argmin())
            left[got[architecture.id]] = False
        return got[architecture.id]

    return space, find


def by_cell(task: Task) -> tuple[Space, Callable[[Architecture], int]]:
    """The space of NAS-Bench-201: an operator for each of six edges."""
    numbers = {cell: number for number, cell in enumerate(task.cells)}
    operators = sorted(set("".join(task.cells)))
    space = Space({f"edge {edge}": choice(*operators) for edge in range(6)})
    return space, lambda it: numbers["".join(it.value.values())]


class EndsOnly(Planner):
    """Sets trials aside that pause, without letting the controller observe them."""

    def hear(self, proposal: Proposal, epochs: int, outcome: Outcome) -> None:
        pass


def run(task: Task, find: Callable[[Architecture], int], planner: Planner) -> list[float]:
    """The regret at each of the budgets."""
    trials, trained = [], {}
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
            before = float(task.curves[configuration, until - 2]) if until > 1 else math.nan
            known = None if math.isnan(before) else {"accuracy": before}
            planner.pause(proposal, until, {"accuracy": value}, known)


FIDELITIES: dict[str, Callable[[Task], Fidelity]] = {
    "full": lambda task: FullBudget(task.epochs),
    "asha": lambda task: SuccessiveHalving(task.epochs, task.least, task.factor),
    "hyperband": lambda task: Hyperband(task.epochs, task.least, task.factor),
}


def measure(
    tasks: list[Task], fidelity: str, controller: str, seeds: int, planner: type[Planner]
) -> np.ndarray:
    """Regrets by task, seed and budget."""
    found = []
    kind = RandomSearch if controller in ("random", NEAREST) else catalog[controller]
    for number, task in enumerate(tasks, 1):
        found.append([])
        for seed in range(SEEDS * number, SEEDS * number + seeds):
            ways = by_number if controller == "random" else by_hyperparameters
            space, find = (by_cell if task.cells else ways)(task)
            proposing = kind(space, maximize("accuracy"), seed=seed)
            found[-1].append(run(task, find, planner(proposing, FIDELITIES[fidelity](task))))
    return np.array(found)


def rows_of(
    controllers: list[str], arguments: argparse.Namespace
) -> Iterator[tuple[str, str, type[Planner]]]:
    """What is measured: controllers, fidelities, and whether trials that pause are observed."""
    for controller in controllers:
        if controller == NEAREST and arguments.cells:
            continue  # the same as random
        for fidelity in arguments.fidelities.split(","):
            yield controller, fidelity, Planner
            if controller in OBSERVING and fidelity != "full":
                yield controller, fidelity, EndsOnly


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
    parser.add_argument("--budgets", default="20,50", help="in full trainings, with a comma between")
    parser.add_argument("--fidelities", default="full,asha,hyperband", help="with commas between")
    parser.add_argument("--tasks", default="all", choices=["all", "tuning", "reported"])
    parser.add_argument(
        "--cells", action="store_true", help="NAS-Bench-201, whose table is in the repository"
    )
    arguments = parser.parse_args()
    BUDGETS[:] = map(int, arguments.budgets.split(","))
    if arguments.cells:
        tasks = [nas_bench_201()]
    else:
        tasks = list(synthetic() if arguments.tables is None else lcbench(arguments.tables))
    tasks = tasks[
        {"all": slice(None), "tuning": slice(0, None, 2), "reported": slice(1, None, 2)}[arguments.tasks]
    ]
    seeds = 3 if arguments.quick else arguments.seeds
    tasks = tasks[:3] if arguments.quick else tasks
    others = [name for name in arguments.controllers.split(",") if name]
    rows, figures, means = [], {}, {}
    for controller, fidelity, planner in rows_of(
        ["random", *([NEAREST, *others] if others else [])], arguments
    ):
        repeats = max(1, seeds // FEWER.get(controller, 10))
        began = time.perf_counter()
        regrets = measure(tasks, fidelity, controller, repeats, planner)
        taken = time.perf_counter() - began
        words = f"{controller}, {fidelity}" + (", ends only" if planner is EndsOnly else "")
        mean, means[words] = regrets.mean((0, 1)), regrets.mean(1)
        error = regrets.mean(0).std(0) / np.sqrt(repeats)
        cells = [
            f"{m:.3f} ± {e:.3f}" if repeats > 1 else f"{m:.3f}" for m, e in zip(mean, error, strict=True)
        ]
        full = means.get("random, full")
        no_better = (
            ""
            if full is None or fidelity == "full"
            else " and ".join(map(str, (means[words] >= full).sum(0)))
        )
        rows.append([words, *cells, no_better, repeats, f"{taken:.0f}"])
        figures[words] = dict(zip(map(str, BUDGETS), mean.tolist(), strict=True))
    which = "synthetic curves" if arguments.tables is None else "LCBench"
    which = tasks[0].name if arguments.cells else which
    heads = ["proposals, fidelity", *(f"at {b}" for b in BUDGETS), "no better"]
    title = f"Normalised regret on {len(tasks)} tasks ({which})"
    show(title, [*heads, "seeds", "seconds"], rows)
    targets = []
    if arguments.tables is not None and arguments.tasks == "all" and not arguments.cells:
        asha, full = means["random, asha"][:, 0], means["random, full"][:, 0]
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
