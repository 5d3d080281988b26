"""Whether a search is at its end, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from nas.description import HOURS, Budget, Description
from nas.records import MEASURED, Status, Trial
from nas.results.causes import cause_of, failure_words, nearest_words
from nas.results.text import duration
from nas.search.history import TrialHistory
from nas.search.progress import Progress
from nas.search_record import SearchRecord
from nas.store.store import Store
from search_spaces.errors import SearchError

LATE_IN_A_ROW = 20
"""After so many networks in a row that would not come to their end in time nothing more is begun."""


@dataclass(frozen=True)
class End:
    """Why nothing more is begun.

    Attributes:
        words: the reason for people.
        waits: whether what is running is waited for.
        fails: whether no network is within the limits, as far as the search has looked: an error.
        stops: whether the search stops before any end of its own, so that it can go on.
    """

    words: str
    waits: bool
    fails: bool = False
    stops: bool = False


class FailureStreak:
    """The trials of one driver that failed one after the other for one cause, while none was measured.

    A failure for another cause begins it anew. What was never trained (turned down for a limit, or answered
    from the record) changes nothing.

    Attributes:
        count: the number of trials of the streak; 0 once a trial was measured.
        trial: the last trial of the streak.
    """

    def __init__(self) -> None:
        self.count = 0
        self.trial: Trial | None = None
        self._cause: tuple[str, str] | None = None
        self._measured = False

    def take(self, trial: Trial) -> None:
        """Take in how a trial ended or paused."""
        if trial.status in MEASURED:
            self.count, self.trial, self._measured = 0, None, True
        elif trial.status == "failed" and not self._measured:
            cause = cause_of(trial)
            self.count = self.count + 1 if cause == self._cause else 1
            self.trial, self._cause = trial, cause


def end_of(
    description: Description,
    history: TrialHistory,
    streak: FailureStreak,
    *,
    begun: int,
    rejected: int,
    late: int,
    exhausted: bool,
) -> End | None:
    """Returns why a search should begin nothing more; None if it should.

    Args:
        description: the description of the search.
        history: the trials of the search that are over or have paused.
        streak: the last failures of this driver.
        begun: the number of trials that are over or on their way.
        rejected: the number of proposals in a row that broke a limit.
        late: the number of proposals in a row that would not have come to their end in time.
        exhausted: whether every network has been proposed.
    """
    budget, objective, progress = description.budget, description.objectives[0], history.progress
    measured = progress.complete or progress.paused
    if budget.failures and streak.count >= budget.failures and streak.trial is not None and not measured:
        words = f"{streak.count} trials in a row failed for one reason and none was trained: "
        return End(words + failure_words(streak.trial), waits=False, stops=True)
    ends_at = progress.ends_at
    if ends_at is not None and progress.elapsed >= ends_at:
        return End(_over(budget, ends_at), waits=False)
    if budget.target is not None and progress.best is not None:
        best = progress.best[0]
        if objective.score(best) >= objective.score(budget.target):
            return End(f"{objective.metric} {best:.4g} reached the target", waits=False)
    if budget.trials is not None and begun >= budget.trials:
        return End(f"{budget.trials} trials are done", waits=True)
    if late >= LATE_IN_A_ROW and ends_at is not None:
        left = duration(max(0.0, ends_at - progress.elapsed))
        words = f"none of the last {late} networks comes to its end in the {left} that are left"
        return End(words, waits=True)
    limits = ", ".join(map(str, description.limits))
    nearest = None if begun or history.nearest is None else nearest_words(history.nearest, description.limits)
    if exhausted:
        if nearest is not None:
            words = f"every network of the space breaks a limit ({limits}): {nearest}"
            return End(words, waits=False, fails=True)
        return End("every network of the space has been tried", waits=True)
    if budget.rejections and rejected >= budget.rejections:
        words = f"the last {rejected} proposals all broke a limit ({limits})"
        if nearest is not None:
            words = f"{words}, the space may hold no network within it: {nearest}"
            return End(words, waits=False, fails=True)
        return End(words, waits=True)
    return None


def _over(budget: Budget, ends_at: float) -> str:
    """Says which part of a budget is over at its end."""
    if budget.seconds is not None and ends_at >= budget.seconds:
        return f"{budget.seconds:g} seconds are over"
    return " or ".join(
        f"{most:g} {hours.replace('_', ' ')} are over"
        for hours in HOURS
        if (most := getattr(budget, hours)) is not None
    )


_COUNTED: tuple[Status, ...] = (*MEASURED, "failed", "repeated")

Number = TypeVar("Number", int, float)


def extended(
    store: Store,
    record: SearchRecord,
    trials: int | None = None,
    seconds: float | None = None,
    target: float | None = None,
) -> Budget:
    """Returns the budget of a search with its end moved out.

    The search ends so many trials or seconds after its own end; or after where it stands, if it came to
    another end before or has none of that kind. Its other ends stay, but those that it has reached fall away:
    they would end it at once.

    Args:
        store: the store of the search.
        record: the record of the search.
        trials, seconds: how many more.
        target: another target in place of its own.

    Raises:
        SearchError: nothing is to be moved, or not by a number above 0.
    """
    if trials is None and seconds is None and target is None:
        raise SearchError("say how much further the search should go: trials, seconds or a target")
    Budget(trials, seconds, target)  # each a number that can be one
    description = record.description
    own, objective = description.budget, description.objectives[0]
    progress = Progress(record.name, own, objective.metric)
    history = TrialHistory(description, progress)
    for trial in store.trials(record.id, statuses=_COUNTED):
        history.count(history.ranking.judge(trial))
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
        **(dict.fromkeys(HOURS) if over else {}),
    )


def _moved(end: Number | None, stands: Number, more: Number | None, over: bool) -> Number | None:
    """Returns one end of a search moved out.

    Args:
        end: the end so far.
        stands: how far the search is.
        more: how much further it is to go; None: as far as so far.
        over: whether it has come to some end.
    """
    reached = end is not None and stands >= end
    if more is None:
        return None if reached else end
    return (stands if end is None or (over and not reached) else end) + more
