"""Searches as studies of Optuna, for its plots, its importances and whatever else reads them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.trial import FrozenTrial, TrialState

from controllers.optuna_controller import parameters, quiet
from nas.description import Description
from nas.passwords import without_passwords
from nas.records import EpochReport, Status, Trial
from nas.search.search import Search
from nas.store.store import DEFAULT_STORE, Store, open_store
from search_spaces.arguments import checked
from search_spaces.errors import SearchError
from search_spaces.holes import Hole

_STATES: dict[Status, str] = {
    "complete": "COMPLETE",
    "repeated": "COMPLETE",
    "paused": "PRUNED",
    "failed": "FAIL",
    "infeasible": "FAIL",
    "running": "RUNNING",
    "interrupted": "RUNNING",
    "queued": "RUNNING",
}


@checked(SearchError)
def to_optuna(
    search: Search | str | int | None = None,
    *,
    store: Store | str | Path = DEFAULT_STORE,
    storage: str | optuna.storages.BaseStorage | None = None,
    name: str | None = None,
    modules: Iterable[Callable[..., Any]] | None = None,
) -> optuna.Study:
    """Returns the trials of a search as an Optuna study, each with the number that it has in the search.

    Decisions are parameters, with the distributions of their holes. The objectives are values, and the first
    one after each epoch an intermediate value (not of several). Complete trials, and repeats answered from
    the record, are COMPLETE, those that have paused PRUNED; those that failed, broke a limit before any
    training or have a value that is not finite are FAIL. Limits are constraints. User attributes: ``id``,
    ``status``, ``origin``, ``reason``, ``seconds``, ``epochs``, every metric by its name, and every test
    metric with ``test_`` before it.

    Args:
        search: the search, or its name or number in the store; left out: the latest.
        store: the store that keeps it, unless a `Search` is given.
        storage: what `optuna.create_study` takes; left out: the study is kept in memory.
        name: the name of the study; left out: that of the search.
        modules: your own classes that its space uses, unless a `Search` is given.

    Raises:
        StoreError, UnknownNameError: there is no such store or search, or its space was not kept.
        SearchError: an argument is not what it should be, the storage cannot be used, or it has a study of
            this name.
    """
    opened = open_store(search.store if isinstance(search, Search) else store)
    with opened as found:
        record = found.search(search.name if isinstance(search, Search) else search)
        trials = found.trials(record.id)
        reports = found.curves(record.id, [trial.number for trial in trials if trial.epochs])
    description = record.description
    space = search.space if isinstance(search, Search) else description.load_space(modules)
    holes, wanted = space.holes(), [objective.metric for objective in description.objectives]
    with quiet():
        try:
            study = optuna.create_study(
                storage=storage,
                study_name=name or record.name,
                directions=[objective.direction for objective in description.objectives],
            )
        except optuna.exceptions.DuplicatedStudyError as error:
            raise SearchError(f"to_optuna: the storage has a study named {name or record.name!r}") from error
        except (sa.exc.SQLAlchemyError, ImportError, OSError, ValueError, RuntimeError) as error:
            why = without_passwords(" ".join(str(error).split()), storage)
            raise SearchError(f"to_optuna: the storage cannot be used: {why:.200}") from error
        study.set_metric_names(wanted)
        study.add_trials(
            [
                _trial(trial, reports.get(trial.number, []), holes, description, record.created_at)
                for trial in trials
            ]
        )
    return study


def _trial(
    trial: Trial,
    reports: Sequence[EpochReport],
    holes: Mapping[str, Hole],
    description: Description,
    created_at: float,
) -> FrozenTrial:
    """Returns a trial as Optuna has them."""
    wanted = [objective.metric for objective in description.objectives]
    found = [trial.metrics.get(metric, math.nan) for metric in wanted]
    state = TrialState[_STATES[trial.status]]
    values = found if state in (TrialState.COMPLETE, TrialState.PRUNED) else None
    if values is not None and not all(map(math.isfinite, values)):
        state, values = TrialState.FAIL, None
    start = trial.started_at or created_at
    end = datetime.fromtimestamp(start + (trial.seconds or 0.0))
    params, distributions = parameters(holes, trial.decisions)
    epochs = {report.epoch: report.metrics.get(wanted[0], math.nan) for report in reports}
    return FrozenTrial(
        number=trial.number,
        trial_id=trial.number,
        state=state,
        value=None,
        values=values,
        datetime_start=datetime.fromtimestamp(start),
        datetime_complete=end if state.is_finished() else None,
        params=params,
        distributions=distributions,
        user_attrs=_attributes(trial),
        # in this form every version of Optuna reads them
        system_attrs={"constraints": _violations(trial, description)} if description.limits else {},
        intermediate_values=epochs if len(wanted) == 1 else {},
    )


def _attributes(trial: Trial) -> dict[str, Any]:
    about = {
        "id": trial.architecture_id,
        "status": trial.status,
        "origin": trial.origin,
        "reason": trial.reason,
        "seconds": trial.seconds,
        "epochs": trial.epochs,
    }
    tests = {f"test_{name}": value for name, value in trial.test_metrics.items()}
    return about | dict(trial.metrics) | tests


def _violations(trial: Trial, description: Description) -> list[float]:
    """Returns by how much each limit is broken; 0 where that is unknown."""
    metrics = trial.metrics
    return [
        limit.violation(metrics[limit.metric]) if limit.metric in metrics else 0.0
        for limit in description.limits
    ]
