"""What a report shows of a search, as plain data: by column, so that ten thousand trials stay small."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import nas.results.cards as cards
import nas.results.usage as usages
from controllers.objectives import Objective
from nas.description import Description
from nas.ranking import Ranked, Ranking
from nas.records import MEASURED, TRAINED, Status, Trial
from nas.reports.columns import decision_columns, finite, label, leaderboard_columns, text_of
from nas.results.best_so_far import best_after_each, front
from nas.results.importance import NOTHING, importances
from nas.results.inherited import inherited_scores
from nas.results.leaderboard import UNRANKED, rows_of
from nas.results.learning_curves import correlations, stopped_early
from nas.search_record import SearchRecord, readable
from nas.store.store import Store
from search_spaces.errors import NasError

MOST_ROWS = 20_000
"""Of more trials the best so many are in the table and the plots of single trials: a page with all of a
million would not open."""

MOST_CURVES = 300
"""Of so many trials learning curves are shown: of the best half as many, the others evenly from the rest."""

MOST_DRAWINGS = 5
"""So many of the best networks are drawn."""

MOST_CHOICES = 100
"""So many choices of the plan are listed."""

MOST_CARDS = 16
"""So many cards are drawn."""

MOST_POINTS = 2000
"""A curve or a timeline has no more points."""


def content(
    store: Store, search: str | int | None = None, *, beside: str | int | None = None
) -> dict[str, Any]:
    """Returns all that a report of a search shows, ready for JSON.

    Args:
        store: the store that holds it.
        search: the name or number of the search; left out: the latest.
        beside: a search to show its progress beside; left out: the latest random search on the same data with
            the same first objective, if there is one.

    Raises:
        StoreError, UnknownNameError: there is no such search.
    """
    record = store.search(search)
    description = record.description
    trials = store.trials(record.id)
    judged = [description.ranking.judge(trial) for trial in trials]
    measured = [one for one in judged if one.trial.status in MEASURED]
    board = description.ranking.order(store.estimated(record.id, measured))
    board += [one for status in UNRANKED for one in judged if one.trial.status == status]
    listed, board = len(board), board[:MOST_ROWS]
    rows = rows_of(store, [(record, one) for one in board], [record])
    ranked = [one.trial for one in board]
    places = {trial.number: place for place, trial in enumerate(ranked)}
    own_front = front(judged, description.objectives)
    several = len(description.objectives) > 1
    other = store.search(beside) if beside is not None else _random_search(store, record, description)
    return {
        "search": _search(record, description),
        "counts": _counts(trials),
        "left_out": listed - len(rows),
        "columns": leaderboard_columns(rows, description),
        "decisions": decision_columns(ranked),
        "messages": [text_of(trial.message) for trial in ranked],
        "progress": _progress(store, record, description, judged, other),
        "front": [places[number] for number in own_front.numbers if number in places] if several else None,
        "hypervolume": finite(own_front.hypervolume) if several else None,
        "reference": [finite(value) for value in own_front.reference],
        "curves": _curves(store, record, description.objectives[0], ranked, places),
        "importance": _importance(trials, description.objectives[0]),
        "failures": _failures(trials),
        "plan": _plan(store, record),
        "shared": _shared(store, record, places),
        "usage": _usage(store, record),
        "cards": _cards(store, record),
        "drawings": _drawings(description, ranked),
    }


def _search(record: SearchRecord, description: Description) -> dict[str, Any]:
    tasks = [f"{name} ({type(task).__name__.lower()})" for name, task in description.signature.tasks.items()]
    return {
        "name": record.name,
        "state": record.state,
        "reason": record.reason,
        "problem": description.problem,
        "inputs": list(description.signature.inputs),
        "tasks": tasks,
        "controller": description.controller,
        "fidelity": description.fidelity and description.fidelity["name"],
        "objectives": [{"metric": o.metric, "direction": o.direction} for o in description.objectives],
        "limits": [str(limit) for limit in description.limits],
        "warnings": [text_of(warning) for warning in description.warnings],
        "seed": description.seed,
        "began_at": record.created_at,
        "elapsed_seconds": record.elapsed_seconds,
        "written_at": time.time(),
    }


def _counts(trials: Sequence[Trial]) -> dict[str, int]:
    found: dict[str, int] = {}
    for trial in trials:
        found[trial.status] = found.get(trial.status, 0) + 1
    return found


# -- progress, curves ----------------------------------------------------------------------------------------


def _random_search(store: Store, record: SearchRecord, description: Description) -> SearchRecord | None:
    """Returns the latest other random search on the same data with the same first objective.

    One of the same space comes before others.
    """
    if description.controller == "random":
        return None
    found: list[tuple[bool, int, SearchRecord]] = []
    for other in readable(store.searches()):
        theirs = other.description
        if other.id == record.id or theirs.controller != "random":
            continue
        if theirs.same_data(description) and theirs.objectives[0] == description.objectives[0]:
            found.append((theirs.space == description.space, other.id, other))
    return max(found, key=lambda one: one[:2])[2] if found else None


def _progress(
    store: Store,
    record: SearchRecord,
    description: Description,
    judged: Sequence[Ranked],
    other: SearchRecord | None,
) -> list[dict[str, Any]]:
    objective = description.objectives[0]
    lines = [_line(record.name, description.controller, judged, objective)]
    if other is not None:
        # by the limits of this search, and by no objective that the other may not have measured
        ranking = Ranking((objective,), description.limits)
        theirs = [ranking.judge(trial) for trial in store.trials(other.id, statuses=TRAINED)]
        lines.append(_line(other.name, other.description.controller, theirs, objective))
    return lines


def _line(name: str, controller: str, judged: Sequence[Ranked], objective: Objective) -> dict[str, Any]:
    """Returns the best so far where it changed and at the end, and the value of each trial."""
    walked = best_after_each(judged, objective)
    turns = [
        step
        for before, step in zip([None, *walked], walked, strict=False)
        if before is None or step.best != before.best or step is walked[-1]
    ]
    points = [step for step in walked if step.value is not None]
    points = points[:: max(1, math.ceil(len(points) / (2 * MOST_POINTS)))]
    return {
        "name": name,
        "controller": controller,
        "trials": [step.trials for step in turns],
        "seconds": [finite(step.seconds) for step in turns],
        "best": [finite(step.best) for step in turns],
        "points": {
            "numbers": [step.trial.number for step in points],
            "trials": [step.trials for step in points],
            "seconds": [finite(step.seconds) for step in points],
            "values": [finite(step.value) for step in points],
        },
    }


def _curves(
    store: Store,
    record: SearchRecord,
    objective: Objective,
    ranked: Sequence[Trial],
    places: Mapping[int, int],
) -> dict[str, Any]:
    reported = store.last_epochs(record.id)
    trained = [trial for trial in ranked if trial.number in reported]
    half = MOST_CURVES // 2
    rest = trained[half:]
    chosen = trained[:half] + rest[:: max(1, math.ceil(len(rest) / half))]
    found = store.curves(record.id, [trial.number for trial in chosen])
    statuses = {trial.number: trial.status for trial in chosen}
    early = stopped_early(found)
    lines = []
    for number, reports in found.items():
        points = [(r.epoch, r.metrics[objective.metric]) for r in reports if objective.metric in r.metrics]
        if points:
            epochs, values = zip(*points, strict=True)
            lines.append(
                {
                    "row": places[number],
                    "epochs": epochs,
                    "values": [finite(value) for value in values],
                    "ended": _ended(statuses[number], number in early),
                }
            )
    complete = {n: reports for n, reports in found.items() if statuses[n] in MEASURED}
    return {
        "metric": objective.metric,
        "lines": lines,
        "of": len(trained),
        "correlations": [
            {"epoch": one.epoch, "spearman": finite(one.spearman), "trials": one.trials}
            for one in correlations(complete, objective.metric)
        ],
    }


def _ended(status: Status, early: bool) -> str:
    """Returns how a curve ended, in a word."""
    if status in ("failed", "running"):
        return status
    return "stopped" if early or status == "paused" else "complete"


# -- what else there is to know -----------------------------------------------------------------------------


def _importance(trials: Sequence[Trial], objective: Objective) -> dict[str, Any]:
    measured = [trial for trial in trials if trial.status in MEASURED]
    try:
        found = importances(measured, objective)
    except ValueError:  # sklearn's; numbers that are too large for its trees
        found = NOTHING
    return {
        "explained": finite(found.explained),
        "trials": found.trials,
        "decisions": [
            {
                "path": one.path,
                "importance": finite(one.importance),
                "std": finite(one.std),
                "best": None if one.best is None else label(one.best),
            }
            for one in found.decisions
        ],
    }


def _failures(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Returns by reason how many failed or broke a limit before training, with what one of them said."""
    found: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        if trial.status in ("failed", "infeasible"):
            found.setdefault((trial.status, trial.reason or "unknown"), []).append(trial)
    ranked = sorted(found.items(), key=lambda item: -len(item[1]))
    return [
        {"status": status, "reason": text_of(reason), "count": len(own), "message": text_of(own[-1].message)}
        for (status, reason), own in ranked
    ]


def _plan(store: Store, record: SearchRecord) -> list[dict[str, Any]]:
    """Returns what the plan chose; of very many choices the first ones and the last."""
    found = store.choices(record.id)
    half = MOST_CHOICES // 2
    shown = found if len(found) <= MOST_CHOICES else found[:half] + found[-half:]
    return [{"seconds": finite(one.at), "part": one.part, "reason": text_of(one.reason)} for one in shown]


def _shared(store: Store, record: SearchRecord, places: Mapping[int, int]) -> dict[str, Any] | None:
    """Returns how a bank of shared weights was trained, and what its scores were worth."""
    epochs = store.bank_epochs(record.id)
    if not epochs:
        return None
    found = inherited_scores(store, record)
    return {
        "epochs": [one.epoch for one in epochs],
        "losses": [finite(one.train_loss) for one in epochs],
        "seconds": finite(sum(one.seconds for one in epochs)),
        "metric": record.description.objectives[0].metric,
        "networks": {
            "rows": [places.get(number) for number in found.numbers],
            "inherited": [finite(value) for value in found.inherited],
            "trained": [finite(value) for value in found.trained],
        },
        "agreement": finite(found.agreement),
        "regret": finite(found.regret),
    }


def _usage(store: Store, record: SearchRecord) -> dict[str, Any] | None:
    """Returns what shares of the workers' time went where, over the seconds of the search."""
    records = store.usage(record.id)
    spans = usages.over_time(records)
    if not spans:
        return None
    step = max(1, math.ceil(len(spans) / MOST_POINTS))
    groups = [spans[i : i + step] for i in range(0, len(spans), step)]
    shares: dict[str, list[float | None]] = {"busy": [], "overhead": [], "idle": []}
    for group in groups:
        spent = usages.Spent(
            *(sum(getattr(s, kind) for _, s in group) for kind in ("busy", "idle", "overhead"))
        )
        for kind, values in shares.items():
            values.append(finite(spent.share(kind)))
    return {
        "at": [finite(group[-1][0]) for group in groups],
        "shares": shares,
        "workers": len(usages.by_worker(records)),
        "busy": finite(usages.total(records).share("busy")),
    }


def _cards(store: Store, record: SearchRecord) -> dict[str, Any] | None:
    """Returns how busy and how full each card was over the seconds of the search; the busiest come first."""
    found = cards.by_card(store.cards(record.id))
    if not found:
        return None
    busy = {id: cards.mean([card.busy for _, card in own]) for id, own in found.items()}
    ranked = sorted(found, key=lambda id: -(busy[id] or 0.0))
    return {"of": len(found), "cards": [_card(found[id]) for id in ranked[:MOST_CARDS]]}


def _card(records: Sequence[cards.CardRecord]) -> dict[str, Any]:
    """Returns what a card did: in the mean, at last, and over time, each point the mean of some records."""
    last = records[-1][1]
    step = max(1, math.ceil(len(records) / MOST_POINTS))
    groups = [records[i : i + step] for i in range(0, len(records), step)]

    def shares(some: Sequence[cards.CardRecord]) -> dict[str, float | None]:
        return {
            "busy": finite(cards.mean([card.busy for _, card in some])),
            "full": finite(cards.mean([cards.memory_share(card) for _, card in some])),
        }

    over_time = [shares(group) for group in groups]
    return {
        "id": last.id,
        "name": last.name,
        "node": last.node,
        "trials": last.trials,
        "room": last.room,
        "memory_total": last.memory_total,
        **shares(records),
        "over_time": {
            "at": [finite(group[-1][0]) for group in groups],
            **{kind: [one[kind] for one in over_time] for kind in ("busy", "full")},
        },
    }


def _drawings(description: Description, ranked: Sequence[Trial]) -> list[dict[str, Any]]:
    """Returns the best networks in text; for what cannot be drawn here (a user's own modules) why not."""
    found = []
    for row, trial in enumerate(ranked[:MOST_DRAWINGS]):
        if trial.status not in MEASURED:
            break
        try:
            text = description.load_space().architecture(trial.decisions).draw(description.signature)
        except NasError as error:
            text = f"(no drawing: {error})"
        found.append({"row": row, "text": text})
    return found
