"""What a new search can take from older ones."""

from __future__ import annotations

from collections.abc import Sequence

from nas.description import Description
from nas.records import Start
from nas.store.store import Store
from search_spaces.errors import SearchError

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
    return [
        Start(trial.decisions, trial.metrics if trial.status == "complete" else None, comparable)
        for trial in over
        if trial.status == "complete" or trial.reason in OWN_FAULTS
    ]
