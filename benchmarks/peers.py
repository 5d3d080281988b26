"""Optuna as its users run it, on the tables: the peers of the comparison, with no help from our code."""

import warnings
from typing import Any

from benchmarks.driving import Drive, Seen
from workers.tabular import Table


def optuna_drive(
    table: Table,
    sampler: str,
    seed: int,
    *,
    trials: int | None = None,
    seconds: float | None = None,
    objectives: tuple[tuple[str, str], ...] = (("accuracy", "maximize"),),
) -> Drive:
    """A study by ask and tell over the holes of a table without conditions, each a categorical parameter.

    Args:
        table: what is optimised.
        sampler: ``tpe``, ``tpe-multivariate`` or ``nsga2``, each with Optuna's own defaults.
        seed: of the sampler.
        trials, seconds: the end, as in `benchmarks.driving.drive`.
        objectives: metrics with their directions.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")  # on what is experimental
    made: Any = {
        # said outright: the default of `multivariate` changed between Optuna's versions
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=False),
        "tpe-multivariate": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True),
        "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed),
    }[sampler]()
    study = optuna.create_study(directions=[direction for _, direction in objectives], sampler=made)
    holes = table.space.holes()
    result, clock = Drive(), 0.0
    while (trials is None or len(result.seen) < trials) and (seconds is None or clock < seconds):
        trial = study.ask()
        decisions = {path: trial.suggest_categorical(path, hole.values) for path, hole in holes.items()}
        answer = table.answer(table.space.architecture(decisions))
        assert answer is not None
        values = dict(answer.metrics) | dict(answer.costs)
        study.tell(trial, [values[metric] for metric, _ in objectives])
        result.seen.append(Seen(clock, clock + answer.seconds, values, answer.test_metrics))
        clock += answer.seconds
    return result
