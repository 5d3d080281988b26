"""Why trials failed: those with one cause counted together, and why nothing came out of a search."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controllers.objectives import Limit
from nas.records import Trial
from nas.results.text import cell
from nas.search_record import SearchRecord
from nas.store.store import Store

_ID = re.compile(
    r"0x[0-9a-f]+|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
    r"|\b(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}\b",
    re.IGNORECASE,
)
"""Addresses in memory, and the ids that clusters give to workers, nodes and the like."""
_NUMBER = re.compile(
    r"[-+]?(?:\d+(?:[.,_]\d+)*(?:e[-+]?\d+)?|\b(?:nan|inf(?:inity)?)\b)(?:\s?(?:[kmgt]i?b|bytes)\b)?",
    re.IGNORECASE,
)
_NUMBERS = re.compile(r"#(?:\s?[x,]\s?#)+")

MOST_CAUSES = 3
"""So many causes are told, the commonest first."""

TRACEBACK_LINES = 12
"""So many lines of the end of a traceback are told."""

_SHOWN = 400  # characters of a message


@dataclass(frozen=True)
class Cause:
    """Why some trials failed.

    Attributes:
        count: the number of trials that failed for it.
        trial: the last of them.
    """

    count: int
    trial: Trial

    @property
    def words(self) -> str:
        """The reason and the message of the last trial, in one line."""
        return failure_words(self.trial)

    @property
    def traceback(self) -> Sequence[str]:
        """The last lines of the traceback of the last trial; none where no exception was raised."""
        return (self.trial.traceback or "").rstrip().splitlines()[-TRACEBACK_LINES:]


def failure_words(trial: Trial) -> str:
    """Returns why a trial failed, in one line: its reason and its message."""
    message = " ".join((trial.message or "").split())
    message = message if len(message) <= _SHOWN else message[: _SHOWN - 3] + "..."
    return f"{trial.reason or 'unknown'}: {message}" if message else trial.reason or "unknown"


def cause_of(trial: Trial) -> tuple[str, str]:
    """Returns what failed trials of one cause share: the reason, and the message but for numbers and ids."""
    message = _NUMBER.sub("#", _ID.sub("#", trial.message or ""))
    return trial.reason or "", _NUMBERS.sub("#", message)


def causes(trials: Iterable[Trial]) -> list[Cause]:
    """Returns why trials failed, the commonest cause first."""
    found: dict[tuple[str, str], Cause] = {}
    for trial in trials:
        key = cause_of(trial)
        before = found.get(key)
        found[key] = Cause(1 if before is None else before.count + 1, trial)
    return sorted(found.values(), key=lambda cause: -cause.count)


def nearest_words(trial: Trial, limits: Sequence[Limit]) -> str:
    """Returns how near a network came to the limits of its search, in words.

    Args:
        trial: the trial that broke them least.
        limits: the limits of the search.
    """
    values = [
        f"{limit.metric} {cell(_whole(trial.metrics[limit.metric]), limit.metric)}"
        for limit in limits
        if limit.metric in trial.metrics and limit.violation(trial.metrics[limit.metric]) > 0
    ]
    return f"the nearest network is {trial.architecture_id[:8]} with {', '.join(values)}"


def _whole(value: float) -> float:
    """Returns a number as an integer if it is one."""
    return int(value) if float(value).is_integer() else value


@dataclass(frozen=True)
class Vain:
    """Why nothing came out of a search: no network was trained that keeps its limits.

    Attributes:
        words: what became of its trials, in one line.
        causes: why its trials failed, the commonest first; at most `MOST_CAUSES`.
    """

    words: str
    causes: tuple[Cause, ...]

    @property
    def lines(self) -> list[str]:
        """The causes as lines of text, each with the end of its traceback."""
        found = []
        for cause in self.causes:
            found.append(f"{cause.count} failed, {cause.words}")
            found += [f"    {line}" for line in cause.traceback]
        return found


def vain(store: Store, record: SearchRecord) -> Vain | None:
    """Returns why nothing came out of a search; None where something did, or where no trial is over.

    Args:
        store: the store that has it.
        record: the record of the search.
    """
    description = record.description
    best = next(iter(store.judged(record.id, top=1)), None)
    if best is not None and best.outcome.feasible:
        return None
    over_limits = best is not None and not best.outcome.failed
    counts = store.counts(record.id)
    failed, turned_down = counts.get("failed", 0), counts.get("infeasible", 0)
    measured = counts.get("complete", 0) + counts.get("paused", 0)
    if not failed and not turned_down and not measured:
        return None
    parts = []
    found = causes(store.trials(record.id, statuses=("failed",))) if failed else []
    if failed:
        parts.append(f"{failed} failed ({found[0].words})")
    if turned_down:
        parts.append(f"{turned_down} broke a limit before any training")
    if measured:
        what = "broke a limit" if over_limits else f"have no finite {description.objectives[0].metric}"
        parts.append(f"{measured} {what} after their training")
    if turned_down or over_limits:
        limits = ", ".join(map(str, description.limits))
        over = store.trials(record.id, statuses=("infeasible", "complete", "paused"))
        judged = [one for one in map(description.ranking.judge, over) if one.outcome.violation > 0]
        nearest = min(judged, key=lambda one: one.outcome.violation, default=None)
        parts.append(f"the limits: {limits}")
        parts += [] if nearest is None else [nearest_words(nearest.trial, description.limits)]
    return Vain(
        f"no network came out of search {record.name}: {'; '.join(parts)}", tuple(found[:MOST_CAUSES])
    )
