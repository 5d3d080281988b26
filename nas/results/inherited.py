"""What scores with shared weights were worth, beside what the same networks came to when trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nas.search_record import SearchRecord
from nas.store.store import Store

TOP = 5
"""Of so many of the best by inherited scores one is to be the best of all."""


@dataclass(frozen=True)
class Inherited:
    """How the networks of a search scored with shared weights, and when they were trained.

    Attributes:
        numbers: the numbers of their trials.
        inherited: the first objective with inherited weights, for each.
        trained: the first objective at the end of its training, for each.
        agreement: Kendall's tau of the two; see `agreement`.
        regret: what the best of the `TOP` best by inherited scores lacks to the best of all, in units of the
            objective; None where there are no more than `TOP`.
    """

    numbers: tuple[int, ...]
    inherited: tuple[float, ...]
    trained: tuple[float, ...]
    agreement: float
    regret: float | None


def inherited_scores(store: Store, record: SearchRecord) -> Inherited:
    """Returns what inherited scores were worth in a search, by its networks that have both."""
    objective = record.description.objectives[0]
    first = {
        leg.number: leg.metrics[objective.metric]
        for leg in store.legs(record.id)
        if leg.until == 0 and leg.metrics is not None and objective.metric in leg.metrics
    }
    ended = {
        trial.number: trial.metrics[objective.metric]
        for trial in (store.trials(record.id, statuses=("complete",)) if first else ())
        if trial.number in first and objective.metric in trial.metrics
    }
    numbers = tuple(ended)
    before, after = ([objective.score(some[number]) for number in numbers] for some in (first, ended))
    regret = None
    if len(numbers) > TOP:
        best = sorted(range(len(numbers)), key=lambda place: -before[place])[:TOP]
        regret = max(after) - max(after[place] for place in best)
    return Inherited(
        numbers,
        tuple(first[number] for number in numbers),
        tuple(ended.values()),
        agreement(before, after),
        regret,
    )


def agreement(scores: Sequence[float], ends: Sequence[float]) -> float:
    """Returns Kendall's tau-a of two orders: the share of pairs in one order, less that of the others.

    From -1 to 1; 0.0 where there are fewer than two.
    """
    count = len(scores) * (len(scores) - 1) // 2
    if not count:
        return 0.0
    pairs = [
        _sign(scores[i] - scores[j]) * _sign(ends[i] - ends[j]) for i in range(len(scores)) for j in range(i)
    ]
    return sum(pairs) / count


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
