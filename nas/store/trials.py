"""Reading the trials of a search from the store: in order of asking or the best first, and their weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nas.ranking import Ranked, Ranking, first_fronts
from nas.records import MEASURED, Status, Trial
from nas.store.cells import Names, cell_error, check_packed, check_row, parsed
from nas.store.damages import damages_of
from nas.store.estimated import read_estimator, with_estimates
from nas.store.layouts import read_layouts
from nas.store.schema import trials, weights
from nas.store.trainings import read_repeats, with_repeats
from search_spaces.errors import StoreError

if TYPE_CHECKING:
    from nas.store.columns import MetricColumns

_PLAIN = (
    "number", "architecture_id", "status", "origin", "asked_step", "told_step", "reason", "message",
    "traceback", "score", "epochs", "seconds", "started_at",
)  # fmt: skip
_MOST = 500  # numbers in one query


def read_trials(
    connection: Connection,
    search_id: int,
    *where: sa.ColumnElement[bool],
    order: Sequence[sa.ColumnElement[Any] | sa.Column[Any]] = (trials.c.number,),
    limit: int | None = None,
    few: bool = False,
) -> list[Trial]:
    """Returns the trials of a search that fulfil all of `where`.

    Args:
        connection: a connection to the database.
        search_id: the number of the search.
        *where: the conditions.
        order: the order of the trials.
        limit: the number of trials at the most.
        few: whether the conditions, and not the search, are what finds the trials fast.
    """
    here = (trials.c.search_id + 0 if few else trials.c.search_id) == search_id  # as SQLite takes the hint
    query = sa.select(trials).where(here, *where).order_by(*order)
    layouts = read_layouts(connection, search_id)
    found: list[Trial] = []
    damaged, names = False, tuple(trials.columns.keys())
    for values in connection.execute(query.limit(limit)):
        row = dict(zip(names, values, strict=True))  # a dict is twice as fast as a mapping
        try:
            found.append(_trial(row, layouts))
        except StoreError as damage:
            damages_of(connection).tell(damage)
            damaged = True
    if limit is None or not damaged:
        return found
    # others take the places of what is left out
    return read_trials(connection, search_id, *where, order=order, few=few)[:limit]


def ranked_trials(
    connection: Connection,
    search_id: int,
    ranking: Ranking,
    top: int | None = None,
    *,
    estimated: bool = True,
) -> list[Ranked]:
    """Returns the trials that have results, the best first as `Ranking.order` has them.

    Where it is known what networks are worth, that is among what is returned, and decides their order. A
    trial whose best training is a repeat has the results of that (`nas.store.trainings`).

    Args:
        connection: a connection to the database.
        search_id: the number of the search.
        ranking: the ranking of the search.
        top: the number of trials at the most; None: all.
        estimated: whether networks are ranked by what they are worth; else by their scores.
    """
    estimates = read_estimator(connection, search_id, ranking) if estimated else None
    repeats = read_repeats(connection, search_id)
    if estimates is None and not repeats and top is not None:
        return [ranking.judge(one) for one in _by_scores(connection, search_id, ranking, top)]
    if top is None or (repeats and len(ranking.objectives) > 1):
        every = read_trials(connection, search_id, of_status(MEASURED))
    else:  # by what they are worth trials are in the order of their scores, but for a few
        few = trials.c.number.in_([*(estimates.moved if estimates else ()), *repeats])
        moved = read_trials(connection, search_id, trials.c.violation == 0, few)
        best = _by_scores(connection, search_id, ranking, top + len(moved))
        found = {one.number: one for one in [*best, *moved]}
        every = [found[number] for number in sorted(found)]
    judged = [ranking.judge(one) for one in with_repeats(every, repeats, ranking)]
    return ranking.order(with_estimates(judged, estimates))[:top]


def _by_scores(connection: Connection, search_id: int, ranking: Ranking, top: int) -> list[Trial]:
    """Returns the best trials that have results as `Ranking.rank` has them, by their own scores alone.

    With one objective the database finds the best by an index. With several their values are
    read as columns, and of the trials only those of the first fronts.
    """
    feasible = trials.c.violation == 0
    if len(ranking.objectives) > 1:
        numbers = _first_fronts(connection, search_id, ranking, top)
        found = [
            trial
            for start in range(0, len(numbers), _MOST)
            for trial in read_trials(
                connection, search_id, trials.c.number.in_(numbers[start : start + _MOST])
            )
        ]
        best = [one.trial for one in ranking.rank(found)[:top]]
    else:
        order = trials.c.rung.desc(), trials.c.score.desc(), trials.c.tie, trials.c.number
        best = read_trials(connection, search_id, feasible, order=order, limit=top)
    if len(best) < top:  # then those that break a limit, the least first
        worse = trials.c.violation, trials.c.tie, trials.c.number
        left = top - len(best)
        best += read_trials(connection, search_id, trials.c.violation > 0, order=worse, limit=left)
    if len(best) < top:  # and those that have no value to rank by
        none = of_status(MEASURED), trials.c.violation.is_(None)
        last = trials.c.tie, trials.c.number
        best += read_trials(connection, search_id, *none, order=last, limit=top - len(best))
    return best


def read_metrics(
    connection: Connection,
    search_id: int,
    ranking: Ranking,
    names: Sequence[str],
    where: sa.ColumnElement[bool],
) -> MetricColumns:
    """Returns validation metrics of the trials that fulfil `where`, as columns; see `Store.metrics`."""
    from nas.store.columns import metric_columns

    found = metric_columns(connection, search_id, names, where)
    repeats = read_repeats(connection, search_id)
    few = read_trials(connection, search_id, trials.c.number.in_(list(repeats)), where) if repeats else ()
    places = {number: place for place, number in enumerate(found.numbers.tolist())} if repeats else {}
    for trial in with_repeats(few, repeats, ranking):
        for name, values in found.metrics.items():
            values[places[trial.number]] = trial.metrics.get(name, math.nan)
    return found


def of_status(statuses: Sequence[Status]) -> sa.ColumnElement[bool]:
    """Returns the condition for trials of some statuses, or of one that there is not: that is told then."""
    return trials.c.status.in_(statuses) | trials.c.status.not_in(get_args(Status))


def count_by_status(connection: Connection, search_id: int) -> dict[Status, int]:
    """Returns how many trials of a search have each status that there is; only those that some have."""
    query = sa.select(trials.c.status, sa.func.count()).where(trials.c.search_id == search_id)
    rows = connection.execute(query.group_by(trials.c.status))
    return {row[0]: row[1] for row in rows if row[0] in get_args(Status)}


def read_ran(connection: Connection, search_id: int) -> list[tuple[dict[str, str], int]]:
    """Returns what ran in the trainings of a search, each with the number of its trials, the most first.

    Trials that were answered without a training count as what ran where theirs was; those of which nothing is
    known do not.
    """
    count = sa.func.count()
    query = sa.select(trials.c.ran, trials.c.ran_layout, count)
    query = query.where(trials.c.search_id == search_id, trials.c.ran.is_not(None))
    layouts = read_layouts(connection, search_id)
    rows = connection.execute(query.group_by(trials.c.ran, trials.c.ran_layout).order_by(count.desc()))
    found = []
    for text, layout, number in rows:
        values = parsed(text)
        if isinstance(values, list) and len(values) == len(layouts.get(layout, ())):
            found.append((dict(zip(layouts[layout], map(str, values), strict=True)), number))
    return found  # what is damaged is told where the trials are read


def read_weights(connection: Connection, search_id: int, number: int) -> bytes | None:
    """Returns the weights of a trial (safetensors), if they were kept.

    Raises:
        StoreError: what is there is no bytes.
    """
    here = sa.and_(weights.c.search_id == search_id, weights.c.number == number)
    try:
        data = connection.scalar(sa.select(weights.c.data).where(here))
    except TypeError:  # the driver's, of what is no bytes
        data = ""
    if data is None or isinstance(data, bytes):
        return data
    row = {"search_id": search_id, "number": number}
    raise cell_error(weights, row, "data", "bytes (safetensors)", "something else")


def read_kept(connection: Connection, search_id: int) -> set[int]:
    """Returns the numbers of the trials of a search whose weights are kept."""
    return set(connection.scalars(sa.select(weights.c.number).where(weights.c.search_id == search_id)))


def begins_with(architecture_id: str) -> tuple[list[sa.ColumnElement[bool]], bool]:
    """Returns the conditions for trials whose ids begin so, and whether an index finds those."""
    column = trials.c.architecture_id
    where: list[sa.ColumnElement[bool]] = [column.startswith(architecture_id, autoescape=True)]
    if not architecture_id or architecture_id.strip("0123456789abcdef"):
        return where, False
    return [*where, column >= architecture_id, column < architecture_id + "g"], True  # no digit comes after f


def _first_fronts(connection: Connection, search_id: int, ranking: Ranking, least: int) -> list[int]:
    """Returns the numbers of the feasible trials in the first fronts, those of the highest rungs first."""
    import numpy as np

    from nas.store.columns import metric_columns

    names = [objective.metric for objective in ranking.objectives]
    signs = [objective.score(1.0) for objective in ranking.objectives]
    where = trials.c.violation == 0
    found = metric_columns(connection, search_id, names, where)
    scores = np.stack([found.metrics[name] for name in names], axis=1) * signs
    best: list[int] = []
    for rung in np.unique(found.rungs)[::-1]:
        here = np.flatnonzero(found.rungs == rung)
        taken = first_fronts(scores[here], least - len(best))
        best += found.numbers[here[taken]].tolist()
        if len(best) >= least:
            break
    return best


def _trial(row: Mapping[Any, Any], layouts: Mapping[int | None, Names]) -> Trial:
    check_row(trials, row)
    packed = check_packed(row, layouts)
    return Trial(
        **{name: row[name] for name in _PLAIN},
        parents=tuple((row["parents"] or "").split()),
        decisions=packed["decisions"],
        metrics=packed["metrics"],
        test_metrics=packed["test_metrics"],
        ran=packed["ran"],
    )
