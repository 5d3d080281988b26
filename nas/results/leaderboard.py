"""Leaderboards: the trials of searches as a pandas frame, best first."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.description import Description
from nas.ranking import Ranked
from nas.records import FINALS, MEASURED, PlanChoice, Status, Trial
from nas.results.filters import Filter, filters_of, kept
from nas.results.rows import ESTIMATED, RowLayout, entry, network_entry
from nas.results.scores import (
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
from nas.results.seeds import trained_networks
from nas.search_record import SearchRecord, readable
from nas.store.store import DEFAULT_STORE, Store
from search_spaces.arguments import Whole, checked
from search_spaces.errors import SearchError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

_logger = logging.getLogger(__name__)

UNRANKED: tuple[Status, ...] = ("failed", "running", "interrupted", "queued")
"""The statuses on a leaderboard that have no rank: networks that failed, or whose training is not over."""

Searches = str | int | Sequence[str | int] | None
"""A search by its name or number, several of them, or None: the latest."""


@checked(SearchError)
def leaderboard(
    store: Store | str | Path = DEFAULT_STORE,
    search: Searches = None,
    *,
    problem: str | None = None,
    top: Whole | None = None,
    infeasible: bool = False,
    where: str | Sequence[str] | None = None,
    over_seeds: bool = False,
) -> pd.DataFrame:
    """Returns the trials of one search or several, best first.

    Ranked by the search's objectives on the validation split and by its limits; the test split plays no part.
    One objective: by estimates of what trained networks are worth, if there are any, else by their values.
    Several objectives: by non-dominated front, then by crowding distance. Where trials pause (a fidelity),
    those that came to their ends come first, then those trained for more epochs. Trials that failed or are
    not over come last and have no rank. Several searches, of the same data, are ranked together, by the
    objectives and limits of the first one (by estimates, if all of them have some); a warning says so where
    the networks of some standardise inputs and targets and those of others do not.

    Args:
        store: the store that holds them.
        search: the name or number of a search, or several; left out: the latest.
        problem: the name of a problem, in place of ``search``: all searches on the data that the latest of
            them has, the latest first.
        top: the number of rows at the most.
        infeasible: whether proposals that broke a limit before any training have rows, too.
        where: what must hold of a row, or several such: a decision (its path) or another column, an operator
            and a value, such as ``model.depth>=3``; see `nas.results.filters`. Ranks stay as they are.
        over_seeds: whether there is a row for each network that was measured (and each number of epochs), not
            for each trial: the means over all its trainings in these searches and by `nas.retrain`, how many
            there are in ``n``, and of every metric its standard deviation in ``<metric>_std``. One good run
            of a network is luck; the mean of several is not.

    Returns:
        A frame indexed from 0 with the columns ``rank, id, status``, of several searches ``search``; every
        validation metric and cost by its name; of several tasks ``mean_rank, worst_task, delta_m_pct`` (see
        `nas.results.scores`; the last is missing where `nas.compare` has no single-task runs); every test
        metric by its name with ``test_`` before it; what the network of a trial that came to its end is
        worth, with its weights (`nas.estimates`), in the units of the first objective: ``estimate``, ``low``
        and ``high`` (the 95 % interval), ``trainings`` (of how many trainings of the network that is known)
        and ``gap`` (the test value less the estimate); missing where the noise is unknown (nothing was
        trained again, and the objective is no share of examples), with several objectives and where weights
        are inherited; of
        several objectives ``front`` (no other is better in all of them; `nas.pareto_front` returns these rows
        and their hypervolume); then ``feasible`` (whether it keeps the limits; missing where that is
        unknown), ``phase`` (``finals`` of what the plan trained last in the finals of the search, ``search``
        of all else; missing where no plan has chosen anything), ``evaluation`` (``full``, or ``inherited``:
        not trained, but scored with weights that all networks share; missing where nothing was measured),
        ``training`` (whose metrics, estimate, seconds and weights these are: 0, of the trial itself; n, of
        the n-th time that its search trained the network again, for that ended better, and its weights are
        kept in place of the trial's own; missing where there is no result), ``epochs, seconds, number,
        origin, parents, reason, message``; last what ran (`workers.acceleration.Ran`), missing where that is
        unknown: ``device, precision, compiled, graphs, deterministic``. With ``over_seeds`` ``n`` in place of
        ``status``, ``searches`` (names) in place of ``search, training, number, reason, message``, no scores
        over tasks, and ``code`` where networks were trained again with other code of your own: whose.

    Raises:
        StoreError, UnknownNameError: there is no such store, search or problem.
        SearchError: an argument is not what it should be; ``where`` is no condition, or names what no trial
            has; or searches of several data.
    """
    import pandas as pd

    options: dict[str, Any] = {"problem": problem, "top": top, "infeasible": infeasible, "where": where}
    rows = entries(store, search, over_seeds=over_seeds, **options)
    frame = pd.DataFrame(rows, columns=None if rows else list(entry(0, None, RowLayout())))
    kinds = {"rank": "Int64", "epochs": "Int64", "feasible": "boolean", "front": "boolean"}
    kinds |= dict.fromkeys(("mean_rank", "delta_m_pct", *ESTIMATED), "float64")
    kinds |= {"trainings": "Int64", "training": "Int64", "phase": "str", "evaluation": "str"}
    return frame.astype({name: kind for name, kind in kinds.items() if name in frame})


def entries(
    store: Store | str | Path = DEFAULT_STORE,
    search: Searches = None,
    *,
    problem: str | None = None,
    top: int | None = None,
    infeasible: bool = False,
    where: str | Sequence[str] | None = None,
    over_seeds: bool = False,
) -> list[dict[str, Any]]:
    """Returns the rows of `leaderboard` as plain dicts."""
    if not isinstance(store, Store):
        options: dict[str, Any] = {"problem": problem, "top": top, "infeasible": infeasible, "where": where}
        with Store(store) as opened:
            return entries(opened, search, over_seeds=over_seeds, **options)
    filters = filters_of(where)
    records = searches_of(store, search, problem)
    _warn_of_units(records)
    if over_seeds:
        return _over_seeds(store, records, top, filters)
    others = (*UNRANKED, "infeasible") if infeasible else UNRANKED
    most = None if filters else top  # what a filter leaves is known when all are there
    ranked = _ranked(store, records, most)
    judge = records[0].description.ranking.judge
    if most is None or len(ranked) < most:
        rest = [
            (record, judge(trial))
            for status in others
            for record in records
            for trial in store.trials(record.id, statuses=(status,))
        ]
        ranked = [*ranked, *rest][:most]
    rows = rows_of(store, ranked, records)
    return kept(rows, [one.trial.decisions for _, one in ranked], filters)[:top] if filters else rows


def _warn_of_units(records: Sequence[SearchRecord]) -> None:
    """Warn of searches whose networks are trained in other units, so that losses do not compare."""
    older = [record.name for record in records if not record.description.standardise]
    if 0 < len(older) < len(records):
        _logger.warning(
            "an older version began %s: there networks standardise neither inputs nor targets, in the other "
            "searches they do; their losses do not compare",
            ", ".join(older),
        )


def rows_of(
    store: Store, ranked: Sequence[tuple[SearchRecord, Ranked]], records: Sequence[SearchRecord]
) -> list[dict[str, Any]]:
    """Returns the rows of trials that were ranked, each with its search.

    Args:
        store: the store that holds them.
        ranked: the trials, best first, judged by the ranking of the first search.
        records: the searches, in the order in which they were asked for.
    """
    description = records[0].description
    several = len(description.signature.tasks) > 1
    scores = {record.id: _scores(store, record.id, description) if several else {} for record in records}
    layout = RowLayout.of(description, [one for _, one in ranked], several=len(records) > 1)
    phases = {record.id: _Phases(store.choices(record.id)) for record in records}
    rows = []
    for place, (record, one) in enumerate(ranked, start=1):
        number = one.trial.number
        own, phase = scores[record.id].get(number), phases[record.id].of(number)
        how = _evaluation(one.trial)
        rows.append(entry(place, one, layout, record.name, own, phase, how))
    return rows


def _evaluation(trial: Trial) -> str | None:
    """With which weights the values of a trial were measured; None: it has none."""
    if trial.status not in MEASURED:
        return None
    return "inherited" if trial.inherited else "full"


class _Phases:
    """In which phase of a search its plan trained each trial last."""

    def __init__(self, choices: Sequence[PlanChoice]) -> None:
        self._planned = bool(choices)
        self._finalists = {one.value.get("number") for one in choices if one.part == FINALS}

    def of(self, number: int) -> str | None:
        if not self._planned:
            return None
        return FINALS if number in self._finalists else "search"


def names_of(searches: Searches) -> list[str | int | None]:
    """Returns the names or numbers of searches, the first one first; None: the latest."""
    if searches is None or isinstance(searches, str | int):
        return [searches]
    return list(searches) or [None]


def searches_of(store: Store, search: Searches = None, problem: str | None = None) -> list[SearchRecord]:
    """Returns the searches that a leaderboard is about; see `leaderboard`."""
    if problem is not None:
        if search is not None and search != []:
            raise SearchError(f"expected searches or a problem, got both: {search!r} and {problem!r}")
        every = readable(store.searches())[::-1]
        records = [record for record in every if record.description.problem == problem]
        if not records:
            raise UnknownNameError(
                "problem", problem, dict.fromkeys(record.description.problem for record in every)
            )
        latest = records[0].description
        return [record for record in records if record.description.same_data(latest)]
    records = [store.search(name) for name in names_of(search)]
    records = list({record.id: record for record in records}.values())
    for other in records[1:]:
        if not other.description.same_data(records[0].description):
            raise SearchError(
                f"searches {records[0].name!r} and {other.name!r} do not compare: "
                "expected the same data, inputs and tasks"
            )
    return records


def _ranked(
    store: Store, records: Sequence[SearchRecord], top: int | None
) -> list[tuple[SearchRecord, Ranked]]:
    """Returns the measured trials of some searches, best first, as the first of them ranks."""
    if len(records) == 1:
        return [(records[0], one) for one in store.judged(records[0].id, top)]
    ranking = records[0].description.ranking
    one_objective = len(ranking.objectives) == 1
    # the best of all are among the best of each; but a front is known when all are there
    most = top if one_objective and not ranking.limits else None
    alike = one_objective and all(
        record.description.ranking.objectives == ranking.objectives for record in records
    )
    for estimated in (True, False) if alike else (False,):
        found = [
            (record, replace(judged, estimate=one.estimate if judged.ended else None))
            for record in records
            for one in store.judged(record.id, most, estimated=estimated)
            for judged in [ranking.judge(one.trial)]  # by the limits of the first search, not by its own
        ]
        if all(one.estimate is not None for _, one in found if one.ended):
            break  # else those that have an estimate would not compare with the others
    owners = {id(one.trial): record for record, one in found}
    return [(owners[id(one.trial)], one) for one in ranking.order([one for _, one in found])][:top]


def _over_seeds(
    store: Store, records: Sequence[SearchRecord], top: int | None, filters: Sequence[Filter]
) -> list[dict[str, Any]]:
    """Returns a row for each network, best mean first."""
    found = trained_networks(
        (record, store.trials(record.id, statuses=MEASURED), store.reruns.of_search(record.id))
        for record in records
    )
    of_trial = {id(network.trial): network for network in found}
    description = records[0].description
    ranked = description.ranking.rank([network.trial for network in found])
    layout = RowLayout.of(description, ranked, over_seeds=found)
    rows = [
        network_entry(place, of_trial[id(one.trial)], one, layout)
        for place, one in enumerate(ranked, start=1)
    ]
    return kept(rows, [one.trial.decisions for one in ranked], filters)[:top] if filters else rows[:top]


def _scores(store: Store, search_id: int, description: Description) -> dict[int, dict[str, Any]]:
    """Returns the scores over tasks of the trials that have results, by their numbers."""
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
