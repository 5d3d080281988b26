"""How Ray Tune is set up to run a search's trials."""

from __future__ import annotations

import copy
import dataclasses
import logging
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.schedulers import PopulationBasedTraining, PopulationBasedTrainingReplay
from ray.tune.stopper import FunctionStopper, Stopper

from search_spaces.errors import ExecutorError
from workers.tune.feed import FeedCallback, FeedSearcher, FeedStopper, TrialFeed

_OF_A_SEARCH = {
    "search_alg": "its controller",
    "num_samples": "its trials",
    "time_budget_s": "its seconds",
    "max_concurrent_trials": "the executor's workers",
}


def check(config: tune.TuneConfig | None) -> None:
    """Turns down what is a search's own to say, and schedulers that mix trials up.

    Raises:
        ExecutorError: there is such a thing.
    """
    if config is None:
        return
    default = tune.TuneConfig()
    for name, instead in _OF_A_SEARCH.items():
        if getattr(config, name) != getattr(default, name):
            raise ExecutorError(f"tune_config: {name} is a search's own to say, by {instead}")
    if isinstance(config.scheduler, PopulationBasedTraining | PopulationBasedTrainingReplay):
        raise ExecutorError(
            f"tune_config: {type(config.scheduler).__name__} gives trials the weights of others; expected a "
            "scheduler that only stops or pauses them, such as ASHAScheduler"
        )


def configure(
    tune_config: tune.TuneConfig | None,
    run_config: tune.RunConfig | None,
    feed: TrialFeed,
    objective: tuple[str, str],
    folder: Path,
) -> tuple[tune.TuneConfig, tune.RunConfig]:
    """Returns Tune's configurations, completed to run what is fed.

    Args:
        tune_config: the user's configuration of the tuner.
        run_config: the user's configuration of the run.
        feed: the feed that has the trials.
        objective: metric and direction, for a scheduler that was told none.
        folder: the folder for files that nobody asked for.
    """
    default = tune.RunConfig()
    tune_config, run_config = tune_config or tune.TuneConfig(), run_config or default
    metric, mode = tune_config.metric, tune_config.mode
    scheduler = copy.deepcopy(tune_config.scheduler)  # it keeps a run's trials
    if metric is None and getattr(scheduler, "metric", None) is None:
        metric, mode = objective[0], "max" if objective[1] == "maximize" else "min"
    tune_config = dataclasses.replace(
        tune_config,
        metric=metric,
        mode=mode,
        search_alg=FeedSearcher(feed),
        scheduler=scheduler,
        num_samples=-1,
        reuse_actors=True,
    )
    checkpoints, failures = run_config.checkpoint_config, run_config.failure_config
    verbose = 0 if run_config.verbose == default.verbose else run_config.verbose
    named = run_config.name is not None or run_config.storage_path != default.storage_path
    run_config = dataclasses.replace(
        run_config,
        name=run_config.name if named else folder.name,
        storage_path=run_config.storage_path if named else str(folder),
        verbose=verbose,
        callbacks=[FeedCallback(feed), *(run_config.callbacks or []), *([] if verbose else [_Unprinted()])],
        stop=_stoppers(feed, run_config.stop),
        failure_config=dataclasses.replace(failures, max_failures=0),
        checkpoint_config=dataclasses.replace(
            checkpoints, checkpoint_at_end=bool(checkpoints.checkpoint_at_end)
        ),
    )
    return tune_config, run_config


class _Unprinted(TrialProgressCallback):  # type: ignore[misc]  # Ray has no annotations
    """In place of the one that prints a line for each trial, however silent Tune is to be."""

    def log_result(self, trial: Any, result: dict[str, Any], error: bool = False) -> None:
        pass

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        pass


def _stoppers(feed: TrialFeed, asked: Any) -> list[Stopper]:
    """What the user wants trials to be stopped for, in each way to say it, and the end of the executor."""
    ours = FeedStopper(feed)
    if not asked:
        return [ours]
    if isinstance(asked, Mapping):
        bounds = dict(asked)

        def reached(trial: str, result: dict[str, Any]) -> bool:
            return any(name in result and result[name] >= bound for name, bound in bounds.items())

        return [ours, FunctionStopper(reached)]
    if isinstance(asked, Stopper | list):
        return [ours, *(asked if isinstance(asked, list) else [asked])]
    return [ours, FunctionStopper(asked)]


class Quiet:
    """Keeps a run of Tune from speaking up, and from touching what is the caller's.

    Args:
        loud: whether the user wants to hear of it all the same.
        logs: whether it writes the logs that it writes by default.
        pending: how many trials may wait for their worker to start.

    Attributes:
        variables: the environment variables that Tune is to find while it begins.
    """

    def __init__(self, *, loud: bool, logs: bool, pending: int) -> None:
        from ray.air.execution._internal import actor_manager

        # it shuffles with Python's global random state, which is the caller's
        actor_manager.random = random.Random()
        self._logger = logging.getLogger("ray.tune")
        self._level = self._logger.level
        self.variables = {"TUNE_MAX_PENDING_TRIALS_PG": str(pending)}
        if not logs:
            self.variables["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
        if not loud:
            self.variables["TUNE_PRINT_ALL_TRIAL_ERRORS"] = "0"
            self.variables["RAY_AIR_NEW_OUTPUT"] = "0"  # the new one prints at verbosity 0, too
            self._logger.setLevel(logging.CRITICAL)

    def end(self) -> None:
        """Lets Tune speak again."""
        self._logger.setLevel(self._level)
