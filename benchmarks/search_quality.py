"""How good the networks are that the controllers find, on tables that others measured, beside the literature.

Every row is over many seeds; the peers (Optuna with no help from us) run in the same process on the same
table. On NAS-Bench-201 (CIFAR-10): the published protocol (12-epoch fitness, each query billed its time, at
12,000 and at 20,000 seconds the test accuracy of the best by fitness), and the 200-epoch fitness counted in
evaluations, by one and by many simulated workers, for one objective and for two. On NAS-Bench-Macro:
evaluations. With scores of untrained networks, each billed: evaluations to the optimum of three tables. The
same defaults run everywhere.

Each part is written to its place in RESULTS.md, too.

Run: `python -m benchmarks.search_quality [--quick] [--seeds N] [--peer-seeds N] [--only PART ...]`
"""

import argparse
import math
import multiprocessing
import os
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from benchmarks.common import Target, at_least, at_most, finish, markdown, show
from benchmarks.driving import Drive, drive
from benchmarks.hypervolume import share_of_front
from benchmarks.measured import macro, nb201
from benchmarks.peers import optuna_drive
from benchmarks.recording import record
from benchmarks.tabled_scores import TableScores, macro_scores, nb201_scores
from controllers import Controller, catalog, maximize, minimize
from nas.search.hints import COUNTS

PUBLISHED = {
    "random": (93.70, 0.36),
    "evolution, published": (93.92, 0.30),
    "reinforce, published": (93.85, 0.37),
}
"""Test accuracy at 12,000 s: Dong & Yang 2020, as reprinted in RoBoT (ICLR 2024), Table 2."""

LATER = {"random": 93.86, "evolution, published": 94.08, "reinforce, published": 93.93}
"""Mean test accuracy at 20,000 s, of re-runs of the reference algorithms on this table."""

OURS = ("random", "evolution", "reinforce", "local", "nsga2", "predictor")
PEERS = {
    "Optuna TPE": "tpe",
    "Optuna TPE, multivariate": "tpe-multivariate",
    "Optuna NSGA-II": "nsga2",
}
BEST = "predictor"
"""The controller that the targets are about."""

FIRST_SEED = 1000
"""Defaults were chosen on lower seeds."""

TABLES: dict[str, tuple[Callable[[], Any], Callable[[Sequence[str]], TableScores]]] = {
    "NAS-Bench-201, 200 epochs": (partial(nb201, "200"), partial(nb201_scores, fitness="200")),
    "NAS-Bench-201, 12 epochs": (partial(nb201, "12"), partial(nb201_scores, fitness="12")),
    "NAS-Bench-Macro": (macro, macro_scores),
}
"""Tables by what the fitness is, with the scores of their networks."""

HINTS = {
    "none": (),
    "counts": COUNTS,
    "counts, synflow, naswot, jacov": (*COUNTS, "synflow", "naswot", "jacov"),
}
"""What controllers are handed; counts are what a search hands them that nobody tells anything else."""

CAP = 1500
"""Evaluations after which the optimum counts as not found."""


def make(name: str, space: Any, seed: int) -> Controller:
    """A controller of ours for the accuracy: with its defaults, or in its published setting."""
    objective = maximize("accuracy")
    if name == "evolution, published":
        options: dict[str, Any] = {"population": 10, "sample": 3, "crossover": 0.0, "repeats": True}
        return catalog["evolution"](space, objective, seed=seed, **options)
    if name == "reinforce, published":
        options = {
            "policy": "independent",
            "batch": 1,
            "advantage": "raw",
            "entropy": 0.0,
            "learning_rate": 0.01,
        }
        return catalog["reinforce"](space, objective, seed=seed, repeats=True, **options)
    return catalog[name](space, objective, seed=seed)


# -- what one seed does ------------------------------------------------------------------------------------


def _protocol(name: str, seed: int) -> tuple[float, float]:
    """Test accuracy at 12,000 and at 20,000 seconds."""
    table = nb201("12")
    if name in PEERS:
        run = optuna_drive(table, PEERS[name], seed, seconds=20_000)
    else:
        run = drive(make(name, table.space, seed), table, seconds=20_000)
    return tuple(run.best(until=until).test["accuracy"] for until in (12_000, 20_000))  # type: ignore[return-value]


def _optimum(name: str, seed: int) -> tuple[float, float]:
    """Evaluations until the optimum by 200-epoch validation accuracy, and test accuracy after 150."""
    table = nb201("200")
    best = _best_of("NAS-Bench-201, 200 epochs")
    if name in PEERS:
        run = optuna_drive(table, PEERS[name], seed, trials=150)
    else:
        run = drive(make(name, table.space, seed), table, trials=CAP, until=("accuracy", best))
    found = next(
        (i for i, seen in enumerate(run.seen, start=1) if seen.metrics["accuracy"] >= best), math.inf
    )
    return found, run.best(trials=150).test["accuracy"]


def _macro(name: str, seed: int) -> tuple[float, float]:
    """Accuracy of the best after 100 and after 200 evaluations."""
    table = macro()
    if name in PEERS:
        run = optuna_drive(table, PEERS[name], seed, trials=200)
    else:
        run = drive(make(name, table.space, seed), table, trials=200)
    return run.best(trials=100).metrics["accuracy"], run.best(trials=200).metrics["accuracy"]


def _workers(name: str, workers: int, seed: int) -> tuple[float, float]:
    """Test accuracy and simulated seconds of 120 evaluations by so many workers."""
    table = nb201("12")
    run = drive(make(name, table.space, seed), table, trials=120, workers=workers)
    return run.best().test["accuracy"], max(seen.at for seen in run.seen)


def _front(name: str, seed: int) -> tuple[float, float]:
    """Share of the true front's hypervolume after 300 evaluations: accuracy and latency on an edge GPU."""
    table = nb201("200")
    objectives = (("accuracy", "maximize"), ("edge_gpu_milliseconds", "minimize"))
    if name == "Optuna NSGA-II":
        run = optuna_drive(table, "nsga2", seed, trials=300, objectives=objectives)
    else:
        both = [maximize("accuracy"), minimize("edge_gpu_milliseconds")]
        run = drive(catalog[name](table.space, both, seed=seed), table, trials=300)
    points = [(seen.metrics["accuracy"], -seen.metrics["edge_gpu_milliseconds"]) for seen in run.seen]
    return share_of_front(points, _all_points()), 0.0


def _hinted(table: str, names: Sequence[str], seed: int) -> tuple[float, float]:
    """Evaluations of the predictor until the optimum, and what it has spent on scores, in evaluations."""
    networks, function = TABLES[table]
    controller = make("predictor", networks().space, seed)
    if names:
        if (table, names) not in _CACHE:
            _CACHE[table, names] = function(names)
        controller.use_scores(_CACHE[table, names])
    run = drive(controller, networks(), trials=CAP, until=("accuracy", _best_of(table)))
    return len(run.seen), 0.0 if controller.hints is None else controller.hints.spent


def _best_of(table: str) -> float:
    networks = TABLES[table][0]()
    if table not in _CACHE:
        _CACHE[table] = max(_answer(networks, a).metrics["accuracy"] for a in networks.space.enumerate())
    return float(_CACHE[table])


def _all_points() -> list[tuple[float, float]]:
    if "points" not in _CACHE:
        table = nb201("200")
        answers = [_answer(table, architecture) for architecture in table.space.enumerate()]
        _CACHE["points"] = [(a.metrics["accuracy"], -a.costs["edge_gpu_milliseconds"]) for a in answers]
    points: list[tuple[float, float]] = _CACHE["points"]
    return points


def _answer(table: Any, architecture: Any) -> Any:
    return table.answer(architecture)


_CACHE: dict[Any, Any] = {}


# -- what many seeds say -----------------------------------------------------------------------------------


class Runner:
    """Runs one function over many seeds on all cores; keeps the tables that come of it."""

    def __init__(self, seeds: int, peer_seeds: int, processes: int) -> None:
        self.seeds, self.peer_seeds = seeds, peer_seeds
        self.tables: list[str] = []
        self.pool = multiprocessing.get_context("spawn").Pool(processes)

    def over_seeds(
        self, name: str, function: Callable[[int], tuple[float, float]]
    ) -> list[tuple[float, float]]:
        """The function's answers for this row's seeds."""
        seeds = self.peer_seeds if name.startswith("Optuna") else self.seeds
        answers = self.pool.map(
            function, range(FIRST_SEED, FIRST_SEED + seeds), chunksize=max(1, seeds // 16)
        )
        print(f"  {name}: {seeds} seeds", flush=True)
        return answers


def present(runner: Runner, title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table, and keep it for the record."""
    show(title, heads, rows)
    runner.tables.append(markdown(title, heads, rows))


def p_value(first: Sequence[float], second: Sequence[float]) -> float:
    """That ``first`` is not larger on average than ``second``: Welch's t-test, one-sided."""
    from scipy.stats import ttest_ind

    return float(ttest_ind(first, second, equal_var=False, alternative="greater").pvalue)


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values) if len(values) > 1 else 0:.2f}"


def _stats(values: Sequence[float]) -> dict[str, float]:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": round(statistics.mean(values), 4), "std": round(spread, 4), "seeds": len(values)}


def protocol(runner: Runner, figures: dict[str, Any]) -> list[Target]:
    """The published protocol."""
    names = [*PUBLISHED, *(name for name in OURS if name != "random"), *PEERS]
    found = {name: runner.over_seeds(name, partial(_protocol, name)) for name in names}
    early = {name: [a for a, _ in runs] for name, runs in found.items()}
    late = {name: [b for _, b in runs] for name, runs in found.items()}
    rows = []
    for name in names:
        published = f"{PUBLISHED[name][0]:.2f} ± {PUBLISHED[name][1]:.2f}" if name in PUBLISHED else ""
        rows.append(
            [
                name,
                _spread(early[name]),
                published,
                _spread(late[name]),
                LATER.get(name, ""),
                len(early[name]),
            ]
        )
    heads = ["controller", "12,000 s", "published", "20,000 s", "reference re-run", "seeds"]
    present(runner, "NAS-Bench-201, 12-epoch fitness: test accuracy in percent (optimum 94.37)", heads, rows)
    figures["protocol"] = {n: {"12000": _stats(early[n]), "20000": _stats(late[n])} for n in names}
    targets = []
    for name, (mean, std) in PUBLISHED.items():
        off = abs(statistics.mean(early[name]) - mean)
        targets.append(at_most(f"{name}: distance from the published mean at 12,000 s", round(off, 3), 0.12))
        ratio = statistics.stdev(early[name]) / std
        targets.append(
            Target(f"{name}: std over the published", round(ratio, 2), "0.6 to 1.6", 0.6 <= ratio <= 1.6)
        )
        off = abs(statistics.mean(late[name]) - LATER[name])
        targets.append(at_most(f"{name}: distance from the reference at 20,000 s", round(off, 3), 0.12))
    p = p_value(early["evolution, published"], early["random"])
    targets.append(Target("evolution > random at 12,000 s, p", p, "< 0.01", p < 0.01))
    peer = "Optuna TPE, multivariate"
    for label, runs, bound in (("12,000", early, 94.27), ("20,000", late, 94.33)):
        value = statistics.mean(runs[BEST])
        targets.append(at_least(f"{BEST} at {label} s", round(value, 3), bound, "%"))
        p = p_value(runs[BEST], runs[peer])
        targets.append(Target(f"{BEST} > {peer} at {label} s, p", p, "< 0.01", p < 0.01))
    return targets


def optimum(runner: Runner, figures: dict[str, Any]) -> list[Target]:
    """How soon the optimum is found when the fitness is the 200-epoch validation accuracy."""
    rows, targets = [], []
    figures["optimum"] = {}
    for name in (*OURS, *PEERS):
        runs = runner.over_seeds(name, partial(_optimum, name))
        counts = [count for count, _ in runs]
        share = 100 * sum(count <= 150 for count in counts) / len(counts)
        peer = name in PEERS
        mean = statistics.mean(min(count, CAP) for count in counts)
        test = [accuracy for _, accuracy in runs]
        shown = "" if peer else f"{mean:.0f}"
        rows.append([name, f"{share:.0f} %", shown, _spread(test), len(runs)])
        figures["optimum"][name] = {"share_150": share, "test_150": _stats(test), "seeds": len(runs)}
        if not peer:
            figures["optimum"][name]["mean_evaluations"] = mean
        if name == BEST:
            targets.append(at_least(f"{BEST}: optimum within 150 evaluations", share, 90, "% of runs"))
            targets.append(at_most(f"{BEST}: evaluations to the optimum, mean", mean, 90))
    heads = [
        "controller",
        "optimum within 150",
        f"mean evaluations to it (at most {CAP:,})",
        "test after 150",
        "seeds",
    ]
    present(runner, "NAS-Bench-201, 200-epoch validation fitness", heads, rows)
    return targets


def other(runner: Runner, figures: dict[str, Any]) -> list[Target]:
    """Another table: NAS-Bench-Macro."""
    rows = []
    figures["macro"] = {}
    for name in (*OURS, *PEERS):
        runs = runner.over_seeds(name, partial(_macro, name))
        early, late = [a for a, _ in runs], [b for _, b in runs]
        rows.append([name, _spread(early), _spread(late), len(runs)])
        figures["macro"][name] = {"100": _stats(early), "200": _stats(late)}
    heads = ["controller", "100 evaluations", "200 evaluations", "seeds"]
    present(runner, "NAS-Bench-Macro: accuracy of the best in percent (optimum 93.13)", heads, rows)
    return []


def workers(runner: Runner, figures: dict[str, Any]) -> list[Target]:
    """Eight simulated workers against one, and a thousand."""
    rows, targets = [], []
    figures["workers"] = {}
    for name in ("evolution", BEST):
        one = runner.over_seeds(name, partial(_workers, name, 1))
        eight = runner.over_seeds(name, partial(_workers, name, 8))
        lost = statistics.mean(a for a, _ in one) - statistics.mean(a for a, _ in eight)
        faster = statistics.mean(s for _, s in one) / statistics.mean(s for _, s in eight)
        rows.append([name, _spread([a for a, _ in one]), _spread([a for a, _ in eight]), f"{faster:.2f}"])
        figures["workers"][name] = {"lost": lost, "faster": faster, "seeds": len(one)}
        targets.append(at_most(f"{name}: accuracy lost by 8 workers", round(lost, 3), 0.05, "%"))
        targets.append(at_least(f"{name}: 8 workers faster by", round(faster, 2), 7, "x"))
    present(
        runner, "120 evaluations, 12-epoch fitness", ["controller", "1 worker", "8 workers", "faster"], rows
    )
    table = nb201("12")
    controller = catalog["evolution"](table.space, maximize("accuracy"), seed=0, repeats=True)
    run: Drive = drive(controller, table, seconds=12_000, workers=1000)
    per_event = 1000 * run.driver_seconds / len(run.seen)
    busy = 100 * run.utilisation_until(12_000, 1000)
    present(
        runner,
        "1,000 workers for 12,000 simulated seconds",
        ["evaluations", "busy", "driver, ms per event", "real seconds"],
        [[f"{len(run.seen):,}", f"{busy:.1f} %", f"{per_event:.2f}", f"{run.driver_seconds:.1f}"]],
    )
    figures["cluster"] = {"busy_percent": busy, "driver_ms": per_event, "evaluations": len(run.seen)}
    targets.append(at_least("1,000 workers busy", round(busy, 2), 98, "%"))
    targets.append(at_most("1,000 workers: driver per event", round(per_event, 3), 1, "ms"))
    return targets


def hints(runner: Runner, figures: dict[str, Any]) -> list[Target]:
    """Scores of untrained networks in the hands of the predictor: evaluations to the optimum, all billed."""
    rows, means = [], {}
    for table in TABLES:
        for said, names in HINTS.items():
            runs = runner.over_seeds(f"{table}, {said}", partial(_hinted, table, names))
            whole = [trained + spent for trained, spent in runs]
            means[table, said] = statistics.mean(whole)
            deciles = statistics.quantiles(whole, n=10)
            spent = statistics.mean(spent for _, spent in runs)
            error = statistics.stdev(whole) / math.sqrt(len(whole))
            rows.append(
                [table, said, f"{means[table, said]:.1f} ± {error:.1f}", f"{statistics.median(whole):.0f}",
                 f"{deciles[-1]:.0f}", f"{spent:.2f}", len(runs)]
            )  # fmt: skip
    heads = ["table", "scores", "mean ± its error", "median", "90th percentile", "of that, scores", "seeds"]
    present(runner, "Predictor: evaluations to the optimum, scores among them", heads, rows)
    figures["hints"] = {f"{table}, {said}": mean for (table, said), mean in means.items()}
    first, _, other = TABLES
    return [
        at_most(f"{first}, counts: evaluations, mean", round(means[first, "counts"], 1), 40),
        at_most(f"{other}, counts: evaluations, mean", round(means[other, "counts"], 1), 46),
    ]


def front(runner: Runner, figures: dict[str, Any]) -> list[Target]:
    """Two objectives."""
    found = {
        name: [share for share, _ in runner.over_seeds(name, partial(_front, name))]
        for name in ("random", "evolution", "predictor", "nsga2", "Optuna NSGA-II")
    }
    rows = [
        [name, f"{statistics.mean(v):.4f} ± {statistics.stdev(v):.4f}", len(v)] for name, v in found.items()
    ]
    present(
        runner,
        "Accuracy and edge-GPU latency, 300 evaluations: hypervolume over the true front's",
        ["controller", "share", "seeds"],
        rows,
    )
    figures["front"] = {name: _stats(values) for name, values in found.items()}
    p = p_value(found["nsga2"], found["Optuna NSGA-II"])
    return [
        at_least("nsga2: share of the hypervolume", round(statistics.mean(found["nsga2"]), 4), 0.97),
        Target("nsga2 > Optuna NSGA-II, p", p, "< 0.01", p < 0.01),
    ]


PARTS = {
    "protocol": protocol,
    "optimum": optimum,
    "other": other,
    "workers": workers,
    "front": front,
    "hints": hints,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seeds; within a minute")
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--peer-seeds", type=int, default=50, help="of Optuna, which is slower")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"  # for the processes that are started now
    seeds, peers = (2, 2) if options.quick else (options.seeds, options.peer_seeds)
    runner = Runner(seeds, peers, options.processes)
    figures: dict[str, Any] = {}
    targets = []
    for part in options.only:
        runner.tables.clear()
        found = PARTS[part](runner, figures)
        targets += found
        if not options.quick:
            command = (
                f"python -m benchmarks.search_quality --only {part} --seeds {seeds} --peer-seeds {peers}"
            )
            record(f"search_quality {part}", command, runner.tables, found)
    runner.pool.close()
    finish("search_quality", figures, targets)


if __name__ == "__main__":
    main()
