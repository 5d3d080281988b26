"""The later end of a search that is to go on for longer."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from nas.budget import Budget
from nas.description import Description
from nas.progress import Progress
from nas.records import MEASURED, SearchRecord, Status
from nas.standing import Standing
from nas.store import Store
from search_spaces.errors import SearchError

_COUNTED: tuple[Status, ...] = (*MEASURED, "failed", "repeated")

Number = TypeVar("Number", int, float)


def extended(
    store: Store,
    record: SearchRecord,
    trials: int | None = None,
    seconds: float | None = None,
    target: float | None = None,
) -> Budget:
    """The budget of a search with its end moved out.

    So many trials or seconds more than its own end; or than where it stands, if it came to another end before
    or has none of that kind. Its other ends stay, but those that it has reached fall away: they would end it
    at once.

    Args:
        store: that knows it.
        record: the search in it.
        trials, seconds: how many more.
        target: in place of its own.

    Raises:
        SearchError: nothing is to be moved, or not by a number above 0.
    """
    if trials is None and seconds is None and target is None:
        raise SearchError("say how much further the search should go: trials, seconds or a target")
    Budget(trials, seconds, target)  # each a number that can be one
    description = Description.from_dict(record.description)
    own, objective = description.budget, description.objectives[0]
    progress = Progress(record.name, own, objective.metric)
    standing = Standing(description, progress)
    for trial in store.trials(record.id, statuses=_COUNTED):
        standing.count(trial)
    reached = (
        own.target is not None
        and progress.best is not None
        and objective.score(progress.best[0]) >= objective.score(own.target)
    )
    over = record.status == "finished"
    return replace(
        own,
        trials=_moved(own.trials, progress.trials, trials, over),
        seconds=_moved(own.seconds, record.elapsed_seconds, seconds, over),
        target=target if target is not None else None if reached else own.target,
    )


def _moved(end: Number | None, stands: Number, more: Number | None, over: bool) -> Number | None:
    """One end of a search that stands somewhere, ``more`` further out; ``over``: it has ended at some end."""
    reached = end is not None and stands >= end
    if more is None:
        return None if reached else end
    return (stands if end is None or (over and not reached) else end) + more
