"""What the engine costs: trials of nothing through a search on our pool, Ray Tune, and plain Ray actors.

    python -m benchmarks.engine_overhead [--quick] [--trials 1000 4000 20000] [--repeats 3]

A trial looks its answer up in a table and takes no time, so all that is measured is what surrounds it. Ours
is the whole of a search: `nas.Search` with random proposals, the pool of Ray actors, and every trial in a
SQLite store. Ray Tune is run as its documentation recommends for many short trials (`reuse_actors`), with its
loggers (CSV, JSON, TensorBoard) and without, with random proposals and the same answers. "Plain actors" keep
two calls in flight at each of as many actors and record nothing: no engine on Ray can be much cheaper. All in
one run, on one Ray, two workers each, one after the other; the median of the repeats is shown.
"""

import argparse
import logging
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")

import ray

from benchmarks.common import Target, at_least, at_most, finish, show
from search_spaces import Architecture, Classification, Signature, Space, Vector, real
from workers import Pool
from workers.remote import cluster
from workers.tabular import Answer, Table

WORKERS = 2
HOLES = 8


def answer(architecture: Architecture) -> Answer:
    """What a trial of nothing gives."""
    return Answer({"accuracy": sum(architecture.decisions.values()) / HOLES}, seconds=0.0)  # type: ignore[arg-type]


def table() -> Table:
    """A space of real numbers: no two proposals are alike."""
    space = Space({f"x{number}": real(0.0, 1.0) for number in range(HOLES)})
    return Table("nothing", space, Signature({"row": Vector(1)}, {"class": Classification(2)}), answer)


def ours(trials: int, seed: int) -> float:
    """Seconds of a search on our pool."""
    from nas import Search
    from nas.search.callbacks import OnTurn

    problem = table()
    with tempfile.TemporaryDirectory() as folder:
        search = Search(
            problem.space,
            problem,
            "random",
            trials=trials,
            executor=Pool(workers=WORKERS),
            store=Path(folder) / "nas.db",
            seed=seed,
            keep_weights=0,
        )
        marks: list[float] = []

        def mark(progress: object) -> None:
            if not marks and getattr(progress, "complete", 0):  # the workers are up
                marks.append(time.perf_counter())
                counts.append(getattr(progress, "complete", 0))
            last[0] = time.perf_counter()

        counts: list[int] = []
        last = [0.0]
        search.callbacks.append(OnTurn(mark))
        search.run()
        return (last[0] - marks[0]) / (trials - counts[0]) * trials


def plain(trials: int, seed: int) -> float:
    """Seconds of plain actors."""

    class Actor:
        def run(self, values: dict[str, float]) -> dict[str, float]:
            return {"accuracy": sum(values.values()) / HOLES}

    actors = [ray.remote(Actor).remote() for _ in range(WORKERS)]
    draw = random.Random(seed)

    def values() -> dict[str, float]:
        return {f"x{number}": draw.random() for number in range(HOLES)}

    ray.get([actor.run.remote(values()) for actor in actors])
    began = time.perf_counter()
    asked, at = 0, {}
    while asked < 2 * WORKERS:
        actor = actors[asked % WORKERS]
        at[actor.run.remote(values())] = actor
        asked += 1
    while at:
        ready, _ = ray.wait(list(at), num_returns=1)
        for call in ready:
            actor = at.pop(call)
            ray.get(call)
            if asked < trials:
                at[actor.run.remote(values())] = actor
                asked += 1
    taken = time.perf_counter() - began
    for actor in actors:
        ray.kill(actor)
    return taken


def tune(trials: int, seed: int, loggers: bool = True) -> float:
    """Seconds of Ray Tune, from its first result to its end."""
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "0" if loggers else "1"
    from ray import tune as ray_tune

    class Nothing(ray_tune.Trainable):
        def setup(self, config: dict[str, float]) -> None:
            self.values = config

        def step(self) -> dict[str, object]:
            return {"accuracy": sum(self.values.values()) / HOLES, "done": True}

        def reset_config(self, config: dict[str, float]) -> bool:
            self.values = config
            return True

    first: list[float] = []

    class First(ray_tune.Callback):
        def on_trial_complete(self, iteration: int, trials: list, trial: object, **info: object) -> None:
            if not first:
                first.append(time.perf_counter())

    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        tuner = ray_tune.Tuner(
            ray_tune.with_resources(Nothing, {"cpu": 1}),
            param_space={f"x{number}": ray_tune.uniform(0.0, 1.0) for number in range(HOLES)},
            tune_config=ray_tune.TuneConfig(
                num_samples=trials,
                reuse_actors=True,
                max_concurrent_trials=WORKERS,
                metric="accuracy",
                mode="max",
            ),
            run_config=ray_tune.RunConfig(
                storage_path=folder,
                verbose=0,
                callbacks=[First()],
                checkpoint_config=ray_tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        random.seed(seed)
        tuner.fit()
        return time.perf_counter() - first[0]


ENGINES: dict[str, Callable[[int, int], float]] = {
    "plain actors": plain,
    "ours": ours,
    "Ray Tune": tune,
    "Ray Tune, no loggers": partial(tune, loggers=False),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="within a minute: 30 trials")
    parser.add_argument("--trials", type=int, nargs="*", default=[1_000, 4_000, 20_000])
    parser.add_argument("--tune-trials", type=int, default=4_000, help="the most that Tune is given")
    parser.add_argument("--repeats", type=int, default=3, help="of ours and of plain actors")
    options = parser.parse_args()
    sizes = [30] if options.quick else sorted(options.trials)
    repeats = 1 if options.quick else options.repeats
    cluster.start_local(cpus=WORKERS + 1)
    each: dict[str, dict[int, float]] = {name: {} for name in ENGINES}  # milliseconds per trial
    for trials in sizes:
        seen: dict[str, list[float]] = {name: [] for name in ENGINES}
        for repeat in range(repeats):
            for name, engine in ENGINES.items():
                if name.startswith("Ray Tune") and (repeat or trials > options.tune_trials):
                    continue
                seen[name].append(1000 * engine(trials, repeat) / trials)
        for name, values in seen.items():
            if values:
                each[name][trials] = statistics.median(values)
        found = ", ".join(f"{name} {by[trials]:.2f} ms" for name, by in each.items() if trials in by)
        print(f"  {trials:,} trials: {found}", flush=True)
    ray.shutdown()
    heads = ["engine", *(f"{trials:,} trials" for trials in sizes), "growth"]
    rows = []
    for name, found in each.items():
        ends = [found[trials] for trials in sizes if trials in found]
        cells = [f"{found[trials]:.2f}" if trials in found else "" for trials in sizes]
        rows.append([name, *cells, f"{ends[-1] / ends[0]:.2f}"])
    show("Milliseconds per trial of nothing", heads, rows)
    mine, least = each["ours"], each["plain actors"]
    targets: list[Target] = []
    for name in ("Ray Tune", "Ray Tune, no loggers"):
        compared = max((trials for trials in sizes if trials in each[name]), default=None)
        if compared is not None:
            times = each[name][compared] / mine[compared]
            targets.append(at_least(f"less than {name} at {compared:,} trials", times, 50, "x"))
    targets += [
        at_most(f"of plain actors at {sizes[-1]:,}", mine[sizes[-1]] / least[sizes[-1]], 2, "x"),
        at_most(f"growth from {sizes[0]:,} to {sizes[-1]:,}", mine[sizes[-1]] / mine[sizes[0]], 1.2, "x"),
    ]
    figures = {name: {str(trials): value for trials, value in found.items()} for name, found in each.items()}
    finish("engine_overhead", figures, targets)


if __name__ == "__main__":
    main()
