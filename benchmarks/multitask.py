"""What searches find on problems of several tasks and modalities, beside networks that nobody searched.

Run: `python -m benchmarks.multitask [--quick] [--problems NAME ...] [--seeds N] [--trials N]`
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nas
from benchmarks.common import Target, at_least, finish, markdown, show
from benchmarks.multitask_baselines import baseline, joined_splits
from benchmarks.recording import record
from nas import Search, at_most
from nas.results.scores import delta_m_pct, values_of
from search_spaces import Space
from search_spaces.catalog import load, model_for, recipe_for
from workers.job import Failed, Finished, Job
from workers.pool.pool import Pool
from workers.problems import Problem
from workers.problems import load as load_problem
from workers.problems.measures import main_metric

CONTROLLERS = ("random", "evolution", "reinforce")


@dataclass(frozen=True)
class Budget:
    """What a search may spend: trials of so many epochs, of networks of at most so many multiply-adds."""

    trials: int
    epochs: int
    num_macs: float


BUDGETS = {
    "digit_pairs": Budget(trials=16, epochs=8, num_macs=2e6),
    "omniglot": Budget(trials=16, epochs=12, num_macs=15e6),
    "snips": Budget(trials=8, epochs=5, num_macs=8e6),
}
"""By problem."""

Scores = dict[str, float]
"""All metrics on the test split, by name."""


class Runner:
    """Runs searches in a store of their own, on one pool of workers.

    Args:
        folder: of the store.
        workers: trials at the same time.
    """

    def __init__(self, folder: Path, workers: int) -> None:
        self.store, self.workers = f"sqlite:///{folder / 'multitask.db'}", workers

    def search(
        self, space: Space, problem: Problem, controller: str, budget: Budget, seed: int
    ) -> tuple[Scores, str]:
        """The test scores of the best network (by validation) of a search, and the search's name."""
        search = Search(
            space,
            problem,
            controller,
            trials=budget.trials,
            epochs=budget.epochs,
            limits=[at_most("num_macs", budget.num_macs)],
            executor=Pool(self.workers),
            store=self.store,
            seed=seed,
            keep_weights=0,
        )
        frame = search.run()
        assert search.name is not None
        return test_scores(frame.iloc[0].to_dict()), search.name

    def train(self, value: Mapping[str, Any], problem: Problem, epochs: int, seeds: range) -> list[Scores]:
        """The test scores of one network for each seed."""
        architecture = Space(dict(value)).architecture({})
        scores: dict[int, Scores] = {}
        with Pool(self.workers) as pool:
            pool.open(problem)
            waiting = [Job(number, architecture, seed, epochs) for number, seed in enumerate(seeds)]
            flying = 0
            while len(scores) < len(seeds):
                while waiting and flying < pool.slots:
                    pool.start(waiting.pop(0))
                    flying += 1
                for event in pool.events(timeout=10):
                    if isinstance(event, Failed):
                        raise SystemExit(f"a baseline failed: {event.message}")
                    if isinstance(event, Finished):
                        scores[event.number] = dict(event.test_metrics)
                        flying -= 1
        return [scores[number] for number in sorted(scores)]

    def delta(self, search: str) -> float:
        """The gain in percent of a search's best network over single-task networks of its own backbone."""
        frame = nas.compare(self.store, search, top=1, executor=Pool(self.workers))
        return float(frame["test_delta_m_pct"].iloc[0])


def test_scores(row: Mapping[str, Any]) -> Scores:
    """The metrics on the test split in a row of a leaderboard."""
    return {
        name.removeprefix("test_"): float(value) for name, value in row.items() if name.startswith("test_")
    }


def space_for(problem: Problem) -> Space:
    """What `nas search --problem NAME` searches."""
    signature = problem.signature
    name = model_for(signature)
    return Space({"model": load(name, signature=signature), "recipe": recipe_for(signature)})


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean and standard deviation over seeds."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.{digits}f} ±{deviation:.{digits}f}"


def compare(runner: Runner, name: str, budget: Budget, seeds: range) -> tuple[str, dict[str, Any]]:
    """One problem: its table in Markdown, and its figures."""
    problem = load_problem(name)
    tasks, inputs = problem.signature.tasks, list(problem.signature.inputs)
    network = baseline(problem)
    # By the names that the metrics have among those of all tasks.
    singles: list[Scores] = [{} for _ in seeds]
    for task in tasks:
        alone = runner.train(network, problem.only(tasks=[task]), budget.epochs, seeds)
        for known, run in zip(singles, alone, strict=True):
            known |= {f"{task}.{metric}": value for metric, value in run.items()}
    what = "hard sharing, equal weights" + (", late fusion" if len(inputs) > 1 else "")
    results = {"single-task networks": singles}
    results[what] = runner.train(network, problem, budget.epochs, seeds)
    if len(inputs) > 1:
        for one in inputs:
            part = problem.only(inputs=[one])
            results[f"{one} alone"] = runner.train(network, part, budget.epochs, seeds)
    gaps = {"label_dropout": 0.5} | ({"modality_dropout": 0.3} if len(inputs) > 1 else {})
    less = load_problem(name, **gaps)
    said = "half of the labels" + (", three tenths of the modalities" if len(inputs) > 1 else "")
    results[f"hard sharing without {said}"] = runner.train(network, less, budget.epochs, seeds)
    own: dict[str, list[float]] = {}
    for controller in CONTROLLERS:
        title = f"best of {controller}"
        began = time.monotonic()
        for seed in seeds:
            scores, search = runner.search(space_for(problem), problem, controller, budget, seed)
            results.setdefault(title, []).append(scores)
            own.setdefault(title, []).append(runner.delta(search))
        print(f"{name}, {controller}: {time.monotonic() - began:.0f} s", flush=True)
    metrics = [f"{task}.{main_metric(kind)}" for task, kind in tasks.items()]
    rows = []
    for title, runs in results.items():
        pairs = zip(runs, singles, strict=True)
        gains = [
            delta_m_pct(tasks, values_of(tasks, run), values_of(tasks, ref)) or 0.0 for run, ref in pairs
        ]
        of_own = spread(own[title], 1) if title in own else ""
        shown = [spread([run[metric] for run in runs]) for metric in metrics]
        rows.append([title, *shown, spread(gains, 1), of_own])
    columns = ["", *metrics, "delta_m_pct", "over its own backbone"]
    title = (
        f"{name}: test scores, mean and standard deviation of {len(seeds)} seeds; {budget.epochs} epochs; "
        f"searches of {budget.trials} trials of at most {budget.num_macs:,.0f} multiply-adds"
    )
    show(title, columns, rows)
    found = {
        title: {metric: statistics.fmean(run[metric] for run in runs) for metric in metrics}
        for title, runs in results.items()
    }
    return markdown(title, columns, rows), found


def alphabets(runner: Runner, epochs: int, seeds: range) -> tuple[str, dict[str, Any], list[Target]]:
    """Omniglot's alphabets from both modalities and from each alone, trained on drawers 0 to 13."""
    problem = joined_splits(load_problem("omniglot", tasks=["alphabet"]))
    network = baseline(problem)
    runs: dict[str, list[float]] = {}
    for inputs in (None, ["image"], ["pen"]):
        part = problem if inputs is None else problem.only(inputs=inputs)
        title = "both" if inputs is None else f"{inputs[0]} alone"
        runs[title] = [run["accuracy"] for run in runner.train(network, part, epochs, seeds)]
    rows = [[title, spread(values)] for title, values in runs.items()]
    title = f"Omniglot, alphabet: test accuracy after {epochs} epochs on drawers 0-13, {len(seeds)} seeds"
    show(title, ["", "accuracy"], rows)
    both, alone = runs.pop("both"), max(runs.values(), key=statistics.fmean)
    noise = (statistics.variance(both) + statistics.variance(alone)) ** 0.5 if len(both) > 1 else 0.0
    targets = [
        at_least("omniglot, alphabet from both modalities", statistics.fmean(both), 0.75),
        at_least(
            "gain of both over the better one alone, in standard deviations of its seeds",
            (statistics.fmean(both) - statistics.fmean(alone)) / max(noise, 1e-9),
            1,
        ),
    ]
    return markdown(title, ["", "accuracy"], rows), {"both": both, "alone": alone}, targets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--problems", nargs="+", default=list(BUDGETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--alphabets", action="store_true", help="only omniglot's alphabets, by modality")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    seeds = range(1000, 1000 + options.seeds)
    figures: dict[str, Any] = {}
    targets: list[Target] = []
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(Path(folder), options.workers)
        if options.quick:
            problem = load_problem("digit_pairs")
            scores, _ = runner.search(space_for(problem), problem, "random", Budget(2, 1, 5e5), 0)
            finish("multitask", {"digit_pairs": scores}, [])
            return
        if options.alphabets:
            options.problems = []
            table, figures["alphabet"], targets = alphabets(runner, 24, seeds)
            record("multitask-alphabets", "python -m benchmarks.multitask --alphabets", [table], targets)
        for name in options.problems:
            table, found = compare(runner, name, BUDGETS[name], seeds)
            figures[name], own = found, []
            if name == "snips":
                best = max(
                    (run for title, run in found.items() if "best" in title), key=lambda r: sum(r.values())
                )
                own = [
                    at_least("snips, intent", best["intent.accuracy"], 0.97),
                    at_least("snips, slot F1 from the same networks", best["slots.f1"], 0.88),
                ]
            record(f"multitask-{name}", f"python -m benchmarks.multitask --problems {name}", [table], own)
            targets += own
    finish("multitask", figures, targets)


if __name__ == "__main__":
    main()
