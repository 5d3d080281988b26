"""How long a controller takes per ask + tell, as results accumulate, beside Optuna's TPE and NSGA-II.

    python -m benchmarks.controller_cost [--quick] [--results 100000]

A space of 30 decisions (24 choices, 4 short integers, an integer of 1,000 values, a real). Our controllers
run ask + tell up to each number of results and are timed on the last ones before it; Optuna is given the
results and timed on the next ones, with a distribution per hole and nothing else. The predictor is shown on a
space of the catalog as well (`cnn`), of which most holes are conditional. Milliseconds of one processor: the
median over chunks (of 50 ask + tell for ours, so that each holds its share of updates; of one for Optuna) of
the mean within a chunk, because other processes on the machine slow some chunks down. The predictor, whose
refits are rarer than that, has the mean over all chunks.
"""

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

# before torch and numpy are imported: threads would measure the machine, not the controller
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.common import Target, at_most, finish, show
from controllers import Controller, Reinforce, catalog, maximize
from search_spaces import Architecture, Space, choice, integer, real
from search_spaces.catalog import load
from search_spaces.holes import Choice, Hole, Value
from search_spaces.ranges import Integer

BOUNDS_MS = {
    "random": 1.0,
    "evolution": 1.0,
    "local": 1.0,
    "reinforce": 5.0,
    "reinforce, ppo": 5.0,
    "predictor": 20.0,
    "predictor, conditional": 20.0,
}
# those whose cost grows by design are followed no further
MOST_RESULTS = {"predictor": 10_000, "predictor, conditional": 10_000, "optuna": 1_000}
MEAN = ("predictor", "predictor, conditional")  # it refits now and then, which a median would not see
GROWTH = 1.5
DECISIONS = 30
CHUNK = 50


def cost_space() -> Space:
    """Thirty decisions, all active, of every kind."""
    return Space(
        {f"op{i}": choice("none", "skip", "conv1", "conv3", "pool") for i in range(24)}
        | {f"width{i}": integer(1, 8) for i in range(4)}
        | {"units": integer(1, 1000, log=True), "rate": real(1e-4, 1e-1, log=True)}
    )


def value_of(architecture: Architecture, rng: random.Random) -> float:
    """A noisy score; what it is does not matter for the time, that it can be learnt does."""
    places = [hole.to_unit(architecture.decisions[path]) for path, hole in architecture.holes.items()]
    return sum(places) / len(places) + 0.05 * rng.gauss(0.0, 1.0)


def time_controller(
    controller: Controller, marks: Sequence[int], timed: int, *, mean: bool = False
) -> list[float]:
    """Milliseconds per ask + tell over the last `timed` (or half of the) results before each mark."""
    rng = random.Random(0)
    typical = statistics.fmean if mean else statistics.median
    medians = []
    for mark in marks:
        window = min(timed, mark // 2)
        seconds: list[float] = []
        while controller.num_told < mark:
            counts = controller.num_told >= mark - window
            start = time.process_time()
            proposal = controller.ask()
            between = time.process_time()
            value = value_of(proposal.architecture, rng)
            resumed = time.process_time()
            controller.tell(proposal, {"value": value})
            if counts:
                seconds.append((between - start) + (time.process_time() - resumed))
        chunks = [statistics.fmean(seconds[i : i + CHUNK]) for i in range(0, window, CHUNK)]
        medians.append(1000.0 * typical(chunks))
    return medians


def time_optuna(make: Callable[[], Any], marks: Sequence[int], timed: int) -> list[float]:
    """Milliseconds per ask + tell of a sampler of Optuna's, `timed` times at each number of results."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space, rng = cost_space(), random.Random(0)
    distributions = {path: _distribution(hole) for path, hole in space.holes().items()}
    medians = []
    for mark in marks:
        sampler = make()
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for _ in range(mark):
            architecture = space.sample(rng)
            study.add_trial(
                optuna.trial.create_trial(
                    params=dict(architecture.decisions),
                    distributions=distributions,
                    value=value_of(architecture, rng),
                )
            )
        seconds = []
        for _ in range(timed):
            start = time.process_time()
            trial = study.ask()
            space.fill(lambda path, hole, trial=trial: _suggest(trial, path, hole))  # type: ignore[misc]
            study.tell(trial, rng.random())
            seconds.append(time.process_time() - start)
        medians.append(1000.0 * statistics.median(seconds))
    return medians


def _distribution(hole: Hole) -> Any:
    import optuna.distributions as kinds

    if isinstance(hole, Choice):
        return kinds.CategoricalDistribution(hole.labels)
    if isinstance(hole, Integer):
        return kinds.IntDistribution(hole.low, hole.high, log=hole.log, step=hole.step)
    return kinds.FloatDistribution(hole.low, hole.high, log=hole.log)  # type: ignore[attr-defined]


def _suggest(trial: Any, path: str, hole: Hole) -> Value:
    if isinstance(hole, Choice):
        return trial.suggest_categorical(path, hole.labels)  # type: ignore[no-any-return]
    if isinstance(hole, Integer):
        return int(trial.suggest_int(path, hole.low, hole.high, log=hole.log, step=hole.step))
    return float(trial.suggest_float(path, hole.low, hole.high, log=hole.log))  # type: ignore[attr-defined]


def _samplers() -> dict[str, Callable[[], Any]]:
    """Optuna's, with their own defaults."""
    from optuna import samplers

    return {
        "Optuna TPE": lambda: samplers.TPESampler(seed=0),
        "Optuna TPE, multivariate": lambda: samplers.TPESampler(seed=0, multivariate=True),
        "Optuna NSGA-II": lambda: samplers.NSGAIISampler(seed=0),
    }


def _controllers() -> dict[str, Callable[[], Controller]]:
    def making(kind: type[Controller]) -> Callable[[], Controller]:
        return lambda: kind(cost_space(), maximize("value"), seed=0)

    made = {name: making(kind) for name, kind in catalog.items()}
    made["reinforce, independent"] = lambda: Reinforce(
        cost_space(), maximize("value"), policy="independent", seed=0
    )
    made["reinforce, ppo"] = lambda: Reinforce(cost_space(), maximize("value"), update="ppo", seed=0)
    made["predictor, conditional"] = lambda: catalog["predictor"](load("cnn"), maximize("value"), seed=0)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.controller_cost", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="within a minute: up to 200 results")
    parser.add_argument("--results", type=int, help="largest number of results told (default 10,000)")
    options = parser.parse_args(arguments)
    most = options.results or (200 if options.quick else 10_000)
    marks = [mark for mark in (100, 1_000, 10_000, 100_000) if mark < most] + [most]
    timed = 100 if options.quick else 1_000
    peer_marks = [50] if options.quick else [100, 1_000, 4_000]

    figures: dict[str, dict[str, float]] = {}
    targets: list[Target] = []
    for name, make in _controllers().items():
        most_of_it = 100 if options.quick and name == "optuna" else MOST_RESULTS.get(name, most)
        own = [mark for mark in marks if mark <= most_of_it]
        times = time_controller(make(), own, timed=timed, mean=name in MEAN)
        figures[name] = {str(mark): mean for mark, mean in zip(own, times, strict=True)}
        if name in BOUNDS_MS:
            targets.append(at_most(f"{name}, ms at {own[-1]:,} results", times[-1], BOUNDS_MS[name], "ms"))
            if 1_000 in own and own[-1] > 1_000 and name not in MOST_RESULTS:
                growth = times[-1] / times[own.index(1_000)]
                targets.append(at_most(f"{name}, growth from 1,000 to {own[-1]:,}", growth, GROWTH, "x"))
    for name, make_sampler in _samplers().items():
        times = time_optuna(make_sampler, peer_marks, timed=2 if options.quick else 20)
        figures[name] = {str(mark): mean for mark, mean in zip(peer_marks, times, strict=True)}

    columns = sorted({int(mark) for row in figures.values() for mark in row})
    rows = [
        [name, *[f"{row[str(mark)]:.3f}" if str(mark) in row else "" for mark in columns]]
        for name, row in figures.items()
    ]
    show(
        f"Milliseconds per ask + tell after so many results ({DECISIONS} decisions)",
        ["controller", *[f"{mark:,}" for mark in columns]],
        rows,
    )
    finish("controller_cost", {"milliseconds": figures, "decisions": DECISIONS}, targets)


if __name__ == "__main__":
    main()
