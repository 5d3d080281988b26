"""What the networks of a search are worth: read from its trials and their reruns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nas.estimates import BEST, Estimator, estimator
from nas.ranking import WHOLE, Ranked, Ranking
from nas.records import Rerun, Trial
from nas.store.runs import read_reruns
from nas.store.schema import trials


def read_estimator(connection: Connection, search_id: int, ranking: Ranking) -> Estimator | None:
    """Returns what says what the networks of a search are worth; None where that is not known.

    However many trials there are, few are read.
    """
    if not ranking.estimated:
        return None
    found = read_reruns(connection, search_id)
    if not ranking.examples and not found:
        return None
    columns = trials.c.number, trials.c.score, trials.c.epochs, trials.c.origin
    ended = sa.and_(
        trials.c.search_id == search_id,
        trials.c.violation == 0,
        trials.c.rung == (WHOLE if ranking.paused else 0),
    )  # the index has all of it: what was not measured has no violation, what paused another rung
    count = connection.scalar(sa.select(sa.func.count()).where(ended)) or 0
    highest = sa.select(trials.c.score).where(ended).order_by(trials.c.score.desc()).limit(BEST)
    best = [score for score in connection.scalars(highest) if isinstance(score, float)]
    few = trials.c.number.in_(list(found)) | (trials.c.number < ranking.given)
    rows = connection.execute(sa.select(*columns).where(ended, few))
    known = {
        row.number: Trial(row.number, "", {}, "complete", row.origin, score=row.score, epochs=row.epochs)
        for row in rows
        if isinstance(row.score, float)
    }
    return estimator_of(ranking, known, found, best, count)


def estimator_of(
    ranking: Ranking,
    known: Mapping[int, Trial],
    found: Mapping[int, Sequence[Rerun]],
    best: Sequence[float],
    count: int,
) -> Estimator | None:
    """Returns what says what networks are worth; None where that is not known.

    Args:
        ranking: the ranking of the search.
        known: trials that came to their ends within the limits, by number; at least those of which there are
            reruns, and those that the search began with.
        found: the reruns by the trial's number.
        best: the best scores of such trials, the highest first.
        count: the number of such trials.
    """
    objective = ranking.objectives[0]
    again = {}
    for number, runs in found.items():
        trial = known.get(number)
        values = [run.metrics.get(objective.metric, math.nan) for run in runs if trial and run.repeats(trial)]
        scores = [objective.score(value) for value in values if math.isfinite(value)]
        if scores and trial is not None and trial.score is not None:
            again[number] = [trial.score, *scores]
    named = frozenset(number for number, trial in known.items() if trial.origin == "plain")
    return estimator(best, count, again, named, ranking.examples)


def with_estimates(judged: Iterable[Ranked], estimates: Estimator | None) -> list[Ranked]:
    """Returns judged trials, those that came to their ends with what their networks are worth."""
    if estimates is None:
        return list(judged)
    return [
        replace(one, estimate=estimates.of(one.trial.number, one.outcome.scores[0])) if one.ended else one
        for one in judged
    ]
