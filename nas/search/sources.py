"""What a new search can take from older ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from controllers.curves import PAIRS, OlderCurve
from controllers.objectives import Limit, Objective
from controllers.records import judge
from nas.description import Description
from nas.records import Start, Trial
from nas.store.store import Store
from search_spaces.errors import ControllerError, DecisionError, SearchError
from search_spaces.space import Space

OWN_FAULTS = ("build", "exception", "not_finite", "out_of_memory")
"""Reasons of failures that the same network would fail for again."""

Source = str | int | tuple[str, str | int]
"""A search of the same store by name or number, or of another: ``(store, search)``."""


def sources_of(given: Source | Sequence[Source] | None) -> list[Source]:
    """Returns the searches to start from.

    Raises:
        SearchError: it names none.
    """
    if given is None:
        return []
    found = list(given) if isinstance(given, list) else [given]
    for source in found:
        pair = isinstance(source, tuple) and len(source) == 2 and isinstance(source[0], str)
        if not pair and (not isinstance(source, str | int) or isinstance(source, bool)):
            raise SearchError(
                f"start_from: expected names of searches, or pairs (store, search), got {source!r:.80}"
            )
    return found  # type: ignore[return-value]


def starts_of(store: Store, sources: Sequence[Source], description: Description) -> list[Start]:
    """Returns the results of older searches that a new one can start from, in the order in which they came.

    They are trained networks with their values, and networks that failed for a reason of their own. Values
    compare if they were measured in the same way (see `Description.comparable`).

    Args:
        store: the store of the new search.
        sources: the older searches.
        description: the description of the new search.

    Raises:
        NasError: there is no such store or search.
    """
    starts: list[Start] = []
    for source in sources:
        if isinstance(source, tuple):
            with Store(source[0]) as other:
                starts += _starts(other, source[1], description)
        else:
            starts += _starts(store, source, description)
    return starts


def _starts(store: Store, search: str | int, description: Description) -> list[Start]:
    record = store.search(search)
    comparable = record.description.comparable(description)
    over = store.trials(record.id, statuses=("complete", "failed"))
    over.sort(key=lambda trial: trial.told_step or 0)
    curves = _curves(store, record.id, over, description.ranked_by) if comparable else {}
    return [
        Start(
            trial.decisions,
            trial.metrics if trial.status == "complete" else None,
            comparable,
            curves.get(trial.number, {}),
        )
        for trial in over
        if trial.status == "complete" or trial.reason in OWN_FAULTS
    ]


def _curves(
    store: Store, search_id: int, over: Sequence[Trial], ranked_by: Collection[str]
) -> dict[int, dict[int, dict[str, float]]]:
    """Returns by trial and epoch what the latest ones that were trained to their ends scored before that."""
    ended = [trial for trial in over if trial.status == "complete"][-PAIRS:]
    found = store.curves(search_id, [trial.number for trial in ended])
    last = {trial.number: trial.epochs or 0 for trial in ended}
    return {
        number: {
            one.epoch: {name: value for name, value in one.metrics.items() if name in ranked_by}
            for one in reports
            if one.epoch < last[number]
        }
        for number, reports in found.items()
    }


def older_curves(
    starts: Iterable[Start], space: Space, objectives: Sequence[Objective], limits: Sequence[Limit]
) -> list[OlderCurve]:
    """Returns how older trials came to their ends, of those that compare and fit the space."""
    found = []
    for start in starts:
        if not start.comparable or start.metrics is None or not start.curve:
            continue
        try:
            trial = space.architecture(start.decisions).id
            end = judge(start.metrics, objectives, limits)
            way = {
                epochs: judge({**start.metrics, **values}, objectives, limits)
                for epochs, values in start.curve.items()
                if any(one.metric in values for one in objectives)
            }
        except (DecisionError, ControllerError):  # of another space, or it measured other things
            continue
        if end.feasible:
            scores = {epochs: outcome.scores for epochs, outcome in way.items() if outcome.feasible}
            found.append(OlderCurve(trial, scores, end.scores))
    return found
