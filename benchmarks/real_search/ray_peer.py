"""Ray Tune as its users run it: random search with ASHA over our space, one trial at a time."""

from __future__ import annotations

import json
import logging
import os
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.real_search.ours import space_of
from benchmarks.real_search.trials import Handed, Kept, TimeIsOver, Trainer, epochs_within
from search_spaces import Architecture, Space
from workers.problems import Problem
from workers.recipe import Recipe

# before Ray is imported: nothing is printed or logged for each trial
os.environ |= {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import BasicVariantGenerator

HANDED = "handed.jsonl"
FAILED = -1e9
"""The score of what cannot be trained: it is stopped, and never the best."""


class RayCandidate(tune.Trainable):  # type: ignore[misc]  # Ray has no annotations
    """A trial: an epoch of a network of our space for each result that Tune asks for.

    What would be handed over now is written into a file whenever it changes; Tune is told of validation only.
    """

    def setup(self, config: dict[str, Any], problem: Problem, end: float, seed: int, folder: str) -> None:
        # by the clock of the machine: this process has another origin of `perf_counter`
        self._trainer = Trainer(problem, end - time.time(), seed)
        self._file = Path(folder) / HANDED
        self._noted: Kept | None = None
        self.reset_config(config)

    def reset_config(self, config: dict[str, Any]) -> bool:
        problem, self._epochs = self._trainer.problem, config["epochs"]
        architecture = Architecture.from_json(config["architecture"])
        recipe = Recipe.of(architecture).model_copy(update={"epochs": self._epochs})
        self._values: Iterator[float] = self._trainer.values(
            lambda: architecture.build(problem.signature), recipe, architecture.id
        )
        self._epoch = 0
        return True

    def step(self) -> dict[str, Any]:
        try:
            value = next(self._values, None)
        except TimeIsOver:
            value = None
        if value is None:
            return {"score": FAILED, tune.result.DONE: True}
        self._epoch += 1
        if self._trainer.kept is not self._noted:
            self._noted = self._trainer.kept
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(self._trainer.handed())) + "\n")
        return {"score": value, tune.result.DONE: self._epoch == self._epochs}


def ray_tune(problem: Problem, seconds: float, seed: int) -> Handed:
    """Random search with ASHA; the start of Ray and of its worker is not of the method's time."""
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        ray.get(ray.remote(_warm).remote(problem.name))
        with tempfile.TemporaryDirectory() as folder:
            return _tuned(problem, seconds, seed, Path(folder))
    finally:
        ray.shutdown()


def _warm(name: str) -> str:
    """Has a worker import what it needs."""
    return f"{name} {time.time()}"


def _tuned(problem: Problem, seconds: float, seed: int, folder: Path) -> Handed:
    trainer = Trainer(problem, seconds, seed)
    space = space_of(problem, pauses=True)
    plain = space.plain()
    recipe = Recipe.of(plain)
    epoch = trainer.epoch_seconds(lambda: plain.build(problem.signature), recipe)
    epochs = epochs_within(trainer.left, epoch, recipe.epochs)
    found = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(
                RayCandidate,
                problem=problem,
                end=time.time() + trainer.left,
                seed=seed,
                folder=str(folder),
            ),
            {"cpu": 1},
        ),
        param_space={"architecture": tune.sample_from(_sampler(space, seed)), "epochs": epochs},
        tune_config=tune.TuneConfig(
            metric="score",
            mode="max",
            scheduler=ASHAScheduler(max_t=epochs, grace_period=1, reduction_factor=3),
            search_alg=BasicVariantGenerator(max_concurrent=1, random_state=seed),
            num_samples=-1,
            time_budget_s=trainer.left,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            storage_path=str(folder / "tune"),
            verbose=0,
            # a save that the class has not would fail its trial, and end the worker that others use
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    ).fit()
    took = trainer.elapsed
    finished = sum(result.metrics.get("training_iteration") == epochs for result in found if result.metrics)
    return _chosen(folder / HANDED, finished, len(found), took, f"trials of {epochs} epochs")


def _sampler(space: Space, seed: int) -> Any:
    rng = random.Random(seed)
    return lambda spec: space.sample(rng).to_json()


def _chosen(file: Path, finished: int, begun: int, seconds: float, note: str) -> Handed:
    """What was best of what the workers have written."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    handed = [Handed(**json.loads(line)) for line in lines]
    best = max(handed, key=lambda one: (one.whole, one.validation), default=None)
    if best is None:
        return Handed(None, None, False, finished, begun, seconds, note=note)
    return Handed(best.test, best.validation, best.whole, finished, begun, seconds, best.network, note)
