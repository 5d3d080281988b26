"""Callbacks: who hears of a search while it runs, to show it or to write it elsewhere too."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from traceback import format_exception
from typing import TYPE_CHECKING, final

from nas.passwords import without_passwords
from search_spaces.errors import SearchError

if TYPE_CHECKING:
    from nas.description import Description
    from nas.records import EpochReport, Trial
    from nas.search.progress import Progress
    from nas.search_record import SearchRecord

_logger = logging.getLogger(__name__)


class Callback:
    """Hears of a search. Each method does nothing unless a subclass says what.

    Laws:

    - They are called in the driver, one after the other, and the search waits for them.
    - What one is told of trials is in the store already; it cannot change it. A driver that is killed may
      have recorded more than it told.
    - An error in one never ends the search: the first of each callback is logged, and it is called on all the
      same. (What is no `Exception` ends the search as ever: Ctrl-C does.)
    """

    def on_search_begin(self, search: SearchRecord, description: Description) -> None:
        """A driver begins with a search, a new one or one that goes on: ``search.elapsed_seconds`` is above 0
        then, and its store knows its trials so far."""

    def on_report(self, trial: Trial, report: EpochReport) -> None:
        """A trial in training has ended an epoch."""

    def on_trial_end(self, trial: Trial) -> None:
        """A trial is over, or has paused; see its ``status``. Also those that were never trained: answered
        from the record, or turned down for a limit."""

    def on_turn(self, progress: Progress) -> None:
        """A turn of the search is over; some come every second, also when nothing has happened."""

    def on_search_end(self, status: str, reason: str) -> None:
        """The driver leaves: ``finished``, or ``stopped`` and to be resumed; the reason in words."""


@final
class OnTurn(Callback):
    """Calls a function with the `Progress` at every turn."""

    def __init__(self, function: Callable[[Progress], object]) -> None:
        self._function = function

    def on_turn(self, progress: Progress) -> None:
        self._function(progress)


class Callbacks:
    """The callbacks of one driver.

    Args:
        callbacks: who is told, in this order.
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self._callbacks = tuple(callbacks)
        self._noted: list[Callable[[Callback], None]] = []
        self._failed: set[int] = set()  # places of those that have

    def note(self, call: Callable[[Callback], None]) -> None:
        """Keep a call until the store has what it tells."""
        if self._callbacks:
            self._noted.append(call)

    def tell_noted(self) -> None:
        """Make the calls that were kept."""
        noted, self._noted = self._noted, []
        for call in noted:
            self.tell(call)

    def tell(self, call: Callable[[Callback], None]) -> None:
        """Make a call to each."""
        for place, callback in enumerate(self._callbacks):
            try:
                call(callback)
            except Exception as error:
                if place in self._failed:
                    continue
                self._failed.add(place)
                name, kind = type(callback).__qualname__, type(error).__name__
                # where it writes may be a URL with a password
                said, trace = (without_passwords(one) for one in (error, "".join(format_exception(error))))
                _logger.warning(
                    "callback %s: %s: %s; the search goes on, more of its errors are not shown\n%s",
                    *(name, kind, said, trace),
                )  # fmt: skip


def callbacks_of(given: Sequence[Callback]) -> list[Callback]:
    """Returns callbacks as a list of a search's own.

    Raises:
        SearchError: it holds something else.
    """
    if not isinstance(given, Sequence):
        raise SearchError(f"callbacks: expected a list of instances of nas.Callback, got {given!r:.80}")
    found = list(given)
    for callback in found:
        if not isinstance(callback, Callback):
            raise SearchError(f"callbacks: expected instances of nas.Callback, got {callback!r:.80}")
    return found
