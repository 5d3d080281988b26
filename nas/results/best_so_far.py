"""Best so far: how good the best network of a search was after so many trials and seconds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from controllers.objectives import Objective
from controllers.ranking import Scores, first_front, hypervolume
from nas.ranking import Ranked, first_fronts
from nas.records import TRAINED, Trial
from nas.results.leaderboard import Searches, leaderboard, names_of
from nas.store.store import DEFAULT_STORE, Store, open_store
from search_spaces.arguments import checked
from search_spaces.errors import SearchError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class BestSoFar:
    """Where a search stood when a trial was over.

    Attributes:
        trial: the trial.
        trials: how many had been trained by then, failed ones included.
        seconds: the seconds of training of all these trials together. The clock would say something else: so
            searches compare that had other numbers of workers, or were stopped in between.
        value: the value of the objective; None where the trial failed or broke a limit.
        best: the best value so far; None as long as there is none.
    """

    trial: Trial
    trials: int
    seconds: float
    value: float | None
    best: float | None


def best_after_each(judged: Iterable[Ranked], objective: Objective) -> list[BestSoFar]:
    """Returns where a search stood after each of its trials, in the order in which they ended.

    Args:
        judged: the trials of one search; those that no worker has had are left out, and the value of one that
            is not feasible does not count.
        objective: the objective by which values are better or worse.
    """
    ended = [one for one in judged if one.trial.status in TRAINED]
    ended.sort(key=lambda one: math.inf if one.trial.told_step is None else one.trial.told_step)
    found: list[BestSoFar] = []
    best, seconds = -math.inf, 0.0
    for count, one in enumerate(ended, start=1):
        trial = one.trial
        seconds += trial.seconds or 0.0
        value = trial.metrics[objective.metric] if one.outcome.feasible else None
        if value is not None:
            best = max(best, objective.score(value))
        shown = None if math.isinf(best) else objective.score(best)
        found.append(BestSoFar(trial, count, seconds, value, shown))
    return found


@dataclass(frozen=True)
class Front:
    """The networks that no other is better than in every objective.

    Attributes:
        numbers: the numbers of their trials, the best in the first objective first.
        hypervolume: what they dominate.
        reference: the point above which that is measured, in the objectives' own units.
    """

    numbers: tuple[int, ...]
    hypervolume: float
    reference: tuple[float, ...]


def front(judged: Iterable[Ranked], objectives: Sequence[Objective]) -> Front:
    """Returns the non-dominated trials among those that keep the limits.

    The reference point of the hypervolume has the worst value of each objective among these trials, so that
    it grows as a search goes on but is not to be compared between searches.

    Args:
        judged: the trials, judged by these objectives.
        objectives: the objectives.
    """
    kept = [one for one in judged if one.outcome.feasible and one.trial.status in TRAINED]
    if not kept:
        return Front((), 0.0, ())
    scores: list[Scores] = [one.outcome.scores for one in kept]
    first = first_front(scores)
    reference = tuple(map(min, zip(*scores, strict=True)))
    return Front(
        tuple(kept[i].trial.number for i in first),
        hypervolume([scores[i] for i in first], reference),
        tuple(o.score(value) for o, value in zip(objectives, reference, strict=True)),
    )


@checked(SearchError)
def best_so_far(
    store: Store | str | Path = DEFAULT_STORE,
    searches: Searches = None,
    *,
    metric: str | None = None,
) -> pd.DataFrame:
    """Returns how good the best network of each search was after so many trials and seconds of training.

    Args:
        store: the store that holds them.
        searches: the names or numbers of the searches; left out: the latest.
        metric: one of the objectives; left out: the first.

    Returns:
        A frame with a row for each trial that was trained, in the order in which they ended: ``search,
        trials, seconds, number, id, value, best``. ``value`` and ``best`` are missing where nothing counts.

    Raises:
        StoreError, UnknownNameError: there is no such store, search or objective.
        SearchError: an argument is not what it should be.
    """
    import pandas as pd

    rows = []
    with open_store(store) as opened:
        for name in names_of(searches):
            record = opened.search(name)
            description = record.description
            objective = description.objective(metric)
            judged = map(description.ranking.judge, opened.trials(record.id, statuses=TRAINED))
            for step in best_after_each(judged, objective):
                trial = step.trial
                ids = trial.number, trial.architecture_id
                rows.append([record.name, step.trials, step.seconds, *ids, step.value, step.best])
    columns = ["search", "trials", "seconds", "number", "id", "value", "best"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"value": "float64", "best": "float64"})


@checked(SearchError)
def pareto_front(store: Store | str | Path = DEFAULT_STORE, search: str | int | None = None) -> pd.DataFrame:
    """Returns the rows of the leaderboard of those networks that no other is better than in every objective.

    Args:
        store: the store that holds it.
        search: the name or number of the search; left out: the latest.

    Returns:
        A frame with the columns of `nas.leaderboard`, the best in the first objective first; in its ``attrs``
        ``hypervolume`` (what the front dominates) and ``reference`` (the point above which that is measured:
        the worst value of each objective among all feasible networks of the search).

    Raises:
        StoreError, UnknownNameError: there is no such store or search.
        SearchError: an argument is not what it should be.
    """
    import numpy as np

    with open_store(store) as opened:
        record = opened.search(search)
        description = record.description
        objectives = description.objectives
        columns = opened.metrics(record.id, [o.metric for o in objectives], feasible=True)
        signs = [objective.score(1.0) for objective in objectives]
        scores = np.stack([columns.metrics[o.metric] for o in objectives], axis=1) * signs
        first = np.flatnonzero(first_fronts(scores, 1))
        first = first[np.argsort(-scores[first, 0], kind="stable")]
        # the front comes first on a leaderboard, unless trials rank by their epochs, or by estimates
        by_values = description.fidelity is None and len(objectives) > 1
        frame = leaderboard(opened, record.id, top=len(first) if by_values else None)
    rows: pd.DataFrame = frame.set_index("number", drop=False).loc[columns.numbers[first].tolist()]
    reference = scores.min(axis=0) if len(first) else np.empty(0)
    rows.attrs["hypervolume"] = hypervolume(list(map(tuple, scores[first].tolist())), tuple(reference))
    rows.attrs["reference"] = tuple((reference * signs[: len(reference)]).tolist())
    return rows.reset_index(drop=True)
