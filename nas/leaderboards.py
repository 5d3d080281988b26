"""Leaderboards: the trials of a search as a pandas frame, best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controllers.objectives import Limit
from nas.description import Description
from nas.filters import conditions, kept
from nas.records import MEASURED, Status, Trial
from nas.scores import (
    SCORES,
    compared_metrics,
    delta_m_pct,
    gains_pct,
    mean_rank,
    ranks,
    reference_values,
    values_of,
    worst_task,
)
from nas.store import DEFAULT_STORE, Store

if TYPE_CHECKING:
    import pandas as pd

UNRANKED: tuple[Status, ...] = ("failed", "running", "interrupted")
"""The statuses on a leaderboard that have no rank: networks that failed, or are being trained."""


def leaderboard(
    store: Store | str | Path = DEFAULT_STORE,
    search: str | int | None = None,
    *,
    top: int | None = None,
    infeasible: bool = False,
    where: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """The trials of a search, best first.

    Ranked by the search's objectives on the validation split and by its limits; the test split plays no part.
    Several objectives: by non-dominated front, then by crowding distance. Where trials pause (a fidelity),
    those trained for more epochs come first. Trials that failed or are not over come last and have no rank.

    Args:
        store: where it is kept.
        search: its name or number; left out: the latest.
        top: so many rows at the most.
        infeasible: also the proposals that broke a limit before any training.
        where: only those for which this holds, or all of these: a decision (its path) or another column, an
            operator and a value, such as ``model.depth>=3``; see `nas.filters`. Ranks stay as they are.

    Returns:
        A frame indexed from 0 with the columns ``rank, id, status``, every validation metric and cost by its
        name; of several tasks ``mean_rank, worst_task, delta_m_pct`` (see `nas.scores`; the last is missing
        where `nas.compare` has no single-task runs); every test metric by its name with ``test_`` before it,
        then ``feasible`` (whether it keeps the limits; missing where that is unknown), ``epochs, seconds,
        number, origin, parents, reason, message``.

    Raises:
        StoreError, UnknownNameError: there is no such store or search.
        SearchError: ``where`` is no condition, or names what no trial has.
    """
    import pandas as pd

    rows = entries(store, search, top=top, infeasible=infeasible, where=where)
    frame = pd.DataFrame(rows, columns=None if rows else list(_entry(0, None, [], [], [], {})))
    kinds = {"rank": "Int64", "epochs": "Int64", "feasible": "boolean"}
    kinds |= {name: "float64" for name in ("mean_rank", "delta_m_pct") if name in frame}
    return frame.astype(kinds)


def entries(
    store: Store | str | Path = DEFAULT_STORE,
    search: str | int | None = None,
    *,
    top: int | None = None,
    infeasible: bool = False,
    where: str | Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """The rows of `leaderboard` as plain dicts."""
    if not isinstance(store, Store):
        with Store(store) as opened:
            return entries(opened, search, top=top, infeasible=infeasible, where=where)
    filters = conditions(where)
    record = store.search(search)
    description = Description.from_dict(record.description)
    others = (*UNRANKED, "infeasible") if infeasible else UNRANKED
    most = None if filters else top  # what a filter leaves is known when all are there
    ranked = store.ranked(record.id, most)
    if most is None or len(ranked) < most:
        rest = store.trials(record.id, statuses=others)
        rest.sort(key=lambda trial: others.index(trial.status))
        ranked = [*ranked, *rest][:most]
    metrics = list(dict.fromkeys(name for trial in ranked for name in trial.metrics))
    wanted = [objective.metric for objective in description.objectives]
    metrics = [*(m for m in wanted if m in metrics), *(m for m in metrics if m not in wanted)]
    tests = list(dict.fromkeys(name for trial in ranked for name in trial.test_metrics))
    tests.sort(key=lambda name: metrics.index(name) if name in metrics else len(metrics))
    several = len(description.signature.tasks) > 1
    scores = _scores(store, record.id, description) if several else {}
    unscored = dict.fromkeys(SCORES) if several else {}
    rows = [
        _entry(place, trial, metrics, tests, description.limits, scores.get(trial.number, unscored))
        for place, trial in enumerate(ranked, start=1)
    ]
    return kept(rows, [trial.decisions for trial in ranked], filters)[:top] if filters else rows


def _scores(store: Store, search_id: int, description: Description) -> dict[int, dict[str, Any]]:
    """The scores over tasks of the trials that have results, by their numbers."""
    tasks, references = description.signature.tasks, store.references.of_search(search_id)
    names = compared_metrics(tasks)
    columns = store.metrics(search_id, list(names.values()))
    rows = zip(*(columns.metrics[name].tolist() for name in names.values()), strict=True)
    found = [values_of(tasks, dict(zip(names.values(), row, strict=True))) for row in rows]
    scores = {}
    for number, values, own in zip(columns.numbers.tolist(), found, ranks(tasks, found), strict=True):
        alone = reference_values(tasks, references.get(number, {}))
        worst = worst_task(own, gains_pct(tasks, values, alone))
        row = mean_rank(own), worst, delta_m_pct(tasks, values, alone)
        scores[number] = dict(zip(SCORES, row, strict=True))
    return scores


def _entry(
    place: int,
    trial: Trial | None,
    metrics: list[str],
    tests: list[str],
    limits: Sequence[Limit],
    scores: Mapping[str, Any],
) -> dict[str, Any]:
    """One row; of no trial: its keys."""
    trial = trial or Trial(0, "", {}, "failed")
    return {
        "rank": place if trial.status in MEASURED else None,
        "id": trial.architecture_id,
        "status": trial.status,
        **{name: trial.metrics.get(name) for name in metrics},
        **scores,
        **{f"test_{name}": trial.test_metrics.get(name) for name in tests},
        "feasible": _feasible(trial, limits),
        "epochs": trial.epochs,
        "seconds": trial.seconds,
        "number": trial.number,
        "origin": trial.origin,
        "parents": list(trial.parents),
        "reason": trial.reason,
        "message": trial.message,
    }


def _feasible(trial: Trial, limits: Sequence[Limit]) -> bool | None:
    if trial.status not in (*MEASURED, "infeasible"):
        return None
    known = [limit for limit in limits if limit.metric in trial.metrics]
    return all(limit.violation(trial.metrics[limit.metric]) == 0 for limit in known)
