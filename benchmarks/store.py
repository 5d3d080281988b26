"""The store at a million trials: appends, the best, the Pareto front, a frame; Optuna's storages beside it.

python -m benchmarks.store

A trial has 8 decisions and 3 metrics, as validation and as test metrics. What a search does for each is done:
it is recorded as running, then with the epoch that was reported and with its results, with the driver's
heartbeat, in as many transactions as the turns of a search have.
"""

import argparse
import random
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import Target, at_least, at_most, finish, markdown, show
from benchmarks.recording import record
from controllers.objectives import maximize, minimize
from nas.lease import new_driver, release
from nas.ranking import first_fronts
from nas.records import EpochReport, Trial
from nas.store.store import Store

_DECISIONS: dict[str, Callable[[random.Random], Any]] = {
    "model/depth": lambda rng: rng.randint(1, 8),
    "model/width": lambda rng: rng.choice([16, 32, 64, 128, 256]),
    "model/activation": lambda rng: rng.choice(["relu", "gelu", "silu"]),
    "model/normalisation": lambda rng: rng.choice(["batch", "layer", "none"]),
    "model/dropout": lambda rng: rng.random() / 2,
    "recipe/optimizer": lambda rng: rng.choice(["sgd", "adam", "adamw"]),
    "recipe/learning_rate": lambda rng: 10 ** rng.uniform(-5, -1),
    "recipe/batch_size": lambda rng: rng.choice([32, 64, 128]),
}
_TURN = 64  # trials in a turn of a search with many workers


def _trial(number: int, rng: random.Random) -> tuple[Trial, dict[str, float]]:
    decisions = {path: draw(rng) for path, draw in _DECISIONS.items()}
    metrics = {"loss": rng.random(), "accuracy": round(rng.betavariate(5, 2), 4)}
    running = Trial(
        number,
        f"{rng.getrandbits(64):016x}",
        decisions,
        "running",
        "mutation",
        (f"{rng.getrandbits(64):016x}",),
        asked_step=2 * number + 1,
        started_at=1.7e9 + number,
        metrics={"num_params": rng.randrange(10**3, 10**7)},
    )
    return running, metrics


def append(store: Store, name: str, trials: int, turn: int) -> float:
    """Record a search of so many trials; gives the seconds that the store took for it."""
    objectives = [asdict(maximize("accuracy")), asdict(minimize("num_params"))][: 2 if "both" in name else 1]
    driver, rng, seconds = new_driver(), random.Random(0), 0.0
    search = store.create_search(name, {"objectives": objectives, "limits": []}, driver).id
    before: list[tuple[Trial, dict[str, float]]] = []
    for start in range(0, trials + turn, turn):
        new = [_trial(number, rng) for number in range(start, min(start + turn, trials))]
        began = time.perf_counter()
        with store.writing(search, driver) as writing:
            for trial, metrics in before:
                writing.report(trial.number, EpochReport(1, metrics, 0.5, 1.25, 1000.0))
                writing.update(
                    replace(
                        trial,
                        status="complete",
                        told_step=trial.asked_step + 1,
                        score=metrics["accuracy"],
                        metrics=metrics | trial.metrics,
                        test_metrics=metrics | trial.metrics,
                        epochs=1,
                        seconds=1.25,
                    )
                )
            for trial, _ in new:
                writing.add(trial)
            writing.beat(time.perf_counter())
        seconds += time.perf_counter() - began
        before = new
    release(driver)
    return seconds


def timed(read: Callable[[], Any], times: int = 1) -> tuple[float, Any]:
    """The least seconds of several goes, and what it gave."""
    least = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        found = read()
        least = min(least, time.perf_counter() - began)
    return least, found


def ours(url: str, trials: int) -> dict[str, float]:
    """Figures of one store; times in seconds."""
    with Store(url, create=True) as store:
        few = min(trials, 5000)
        figures = {"appends_alone": few / append(store, "one at a time", few, 1)}
        name = "many at a time"
        figures["appends"] = trials / append(store, name, trials, _TURN)
        search = store.search(name).id
        figures["top"], best = timed(lambda: store.ranked(search, 100), times=5)
        assert len(best) == min(100, trials)
        figures["pareto"], front = timed(lambda: _pareto(store, search))
        figures["frame"], frame = timed(lambda: store.frame(search), times=2)
        assert len(frame) == trials
        assert front == _pareto_of(frame["accuracy"].to_numpy(), frame["num_params"].to_numpy())
        figures["count"], _ = timed(lambda: store.counts(search))
    return figures


def _pareto(store: Store, search: int) -> int:
    found = store.metrics(search, ["accuracy", "num_params"]).metrics
    return _pareto_of(found["accuracy"], found["num_params"])


def _pareto_of(accuracy: Any, size: Any) -> int:
    return int(first_fronts(np.stack([accuracy, -size.astype(float)], axis=1), 1).sum())


def optuna(trials: int, url: str | None) -> dict[str, float]:
    """Figures of a study of Optuna's by ask and tell, with random decisions: only the storage counts."""
    import optuna as peer

    peer.logging.set_verbosity(peer.logging.ERROR)
    sampler, rng = peer.samplers.RandomSampler(seed=0), random.Random(0)
    study = peer.create_study(storage=url, sampler=sampler, directions=["maximize", "minimize", "minimize"])
    began = time.perf_counter()
    for _ in range(trials):
        trial = study.ask()
        trial.suggest_int("depth", 1, 8)
        trial.suggest_categorical("width", [16, 32, 64, 128, 256])
        trial.suggest_categorical("activation", ["relu", "gelu", "silu"])
        trial.suggest_categorical("normalisation", ["batch", "layer", "none"])
        trial.suggest_float("dropout", 0, 0.5)
        trial.suggest_categorical("optimizer", ["sgd", "adam", "adamw"])
        trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)
        trial.suggest_categorical("batch_size", [32, 64, 128])
        study.tell(trial, [rng.random(), rng.randrange(10**3, 10**7), rng.random()])
    figures = {"appends": trials / (time.perf_counter() - began)}
    # a study that was opened anew has nothing in memory
    opened = study if url is None else peer.load_study(study_name=study.study_name, storage=url)
    figures["top"], _ = timed(
        lambda: sorted(opened.get_trials(deepcopy=False), key=lambda trial: -trial.values[0])[:100]
    )
    opened = study if url is None else peer.load_study(study_name=study.study_name, storage=url)
    if trials <= 10_000:  # it takes the square of them
        figures["pareto"], _ = timed(lambda: opened.best_trials)
    opened = study if url is None else peer.load_study(study_name=study.study_name, storage=url)
    figures["frame"], _ = timed(opened.trials_dataframe)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1_000_000)
    parser.add_argument("--server", help="also a PostgreSQL server: the URL of an empty database")
    parser.add_argument("--peers", type=int, nargs=2, default=[2000, 40_000], metavar=("SQLITE", "MEMORY"))
    parser.add_argument("--quick", action="store_true", help="20,000 trials; Optuna with 200 and 2,000")
    parser.add_argument("--record", action="store_true", help="write into RESULTS.md")
    options = parser.parse_args()
    if options.quick:
        options.trials, options.peers = 20_000, [200, 2000]
    figures: dict[str, dict[str, float]] = {}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "nas.db"
        stores = {"SQLite": f"sqlite:///{file}"} | ({"PostgreSQL": options.server} if options.server else {})
        for kind, url in stores.items():
            figures[kind] = ours(url, options.trials)
            rows.append((f"ours, {kind}", f"{options.trials:,}", *_cells(figures[kind])))
        figures["SQLite"]["bytes"] = sum(each.stat().st_size for each in file.parent.glob("nas.db*"))
        for kind, trials, at in (
            ("SQLite", options.peers[0], f"sqlite:///{folder}/optuna.db"),
            ("memory", options.peers[1], None),
        ):
            figures[f"Optuna, {kind}"] = optuna(trials, at)
            rows.append((f"Optuna, {kind}", f"{trials:,}", *_cells(figures[f"Optuna, {kind}"])))
    heads = ["store", "trials", "appends/s", "one a turn", "top 100, ms", "Pareto front, s", "frame, s"]
    show("Trials of 8 decisions and 3 metrics", heads, rows)
    size = figures["SQLite"]["bytes"] / 2**20
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    each = figures["SQLite"]["bytes"] / options.trials
    print(f"file {size:,.0f} MiB, {each:.0f} bytes a trial; {memory:.1f} GiB of memory at the most")
    targets: list[Target] = [
        at_least("appends to SQLite", figures["SQLite"]["appends"], 5000, "a second"),
        at_most("the top 100", 1000 * figures["SQLite"]["top"], 50, "ms"),
        at_most(f"a frame of {options.trials:,}", figures["SQLite"]["frame"], 5, "s"),
    ]
    if options.record:
        said = f"The file of {options.trials:,} trials has {size:,.0f} MiB."
        record("store", "python -m benchmarks.store", [markdown("Trials", heads, rows), said], targets)
    finish("store", figures, targets)


def _cells(seen: dict[str, float]) -> list[str]:
    alone = f"{seen['appends_alone']:,.0f}" if "appends_alone" in seen else ""
    return [
        f"{seen['appends']:,.0f}",
        alone,
        f"{1000 * seen['top']:,.1f}",
        f"{seen['pareto']:.2f}" if "pareto" in seen else "",
        f"{seen['frame']:.2f}",
    ]


if __name__ == "__main__":
    main()
