"""What a person sees of a search from the command line: how it goes, how it ended, how to go on."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from nas.commands.output.leaderboard import print_leaderboard
from nas.commands.output.tables import console
from nas.commands.saying import say, say_lines
from nas.environment import DEFAULT_STORE, in_job
from nas.escaping import for_terminal, one_line
from nas.passwords import without_password, without_passwords
from nas.results.causes import vain
from nas.results.leaderboard import entries
from nas.results.strangers import nothing_inherited
from nas.results.text import duration, ran_counts
from nas.search.callbacks import Callback
from nas.store.database import in_memory
from nas.store.store import Store
from search_spaces.errors import NasError

if TYPE_CHECKING:
    from nas.description import Description
    from nas.search.progress import Progress
    from nas.search.search import Search
    from nas.search_record import SearchRecord

_LINE_EVERY = 10.0  # seconds between lines of progress where there is no terminal
_LINES_OF_PROBLEM = 9


class Watcher(Callback):
    """Shows a search while it runs.

    Args:
        beginning: the text that is shown when the search begins; empty for none.
        say: the function that shows a text.
        show: the function that shows how the search stands.
    """

    def __init__(
        self, beginning: str, say: Callable[[str], object], show: Callable[[Progress], object]
    ) -> None:
        self._beginning, self._say, self._show = beginning, say, show

    def on_search_begin(self, search: SearchRecord, description: Description) -> None:
        if self._beginning:
            self._say(self._beginning)

    def on_turn(self, progress: Progress) -> None:
        self._show(progress)


def beginning_of(search: Search) -> str:
    """Returns what the networks of a search must learn, in a few lines, so that a wrong guess is seen."""
    describe = getattr(search.problem, "describe", None)  # a table of known answers has none
    if describe is None:
        return ""
    lines = describe().splitlines()
    shown = lines[:_LINES_OF_PROBLEM]
    if len(lines) > len(shown):
        shown.append(f"  ... and {len(lines) - len(shown)} more")
    return "\n".join(shown)


@contextmanager
def watching(beginning: str = "") -> Iterator[Watcher]:
    """Makes a callback that shows progress: one live line in a terminal, a line now and then elsewhere.

    Args:
        beginning: the text that it shows first.
    """
    out = console()
    if sys.stdout.isatty():
        with out.status("starting the workers ...") as status:

            def show(text: str) -> None:
                out.print(for_terminal(text), markup=False, highlight=False)

            def update(progress: Progress) -> None:
                for message in progress.messages:
                    out.print(Text(one_line(_short(message)), style="dim"))
                status.update(Text(one_line(progress_line(progress))))

            yield Watcher(beginning, show, update)
        return
    last = [time.monotonic()]

    def write(progress: Progress) -> None:
        for message in progress.messages:
            say(_short(message))
        if time.monotonic() - last[0] >= _LINE_EVERY:
            last[0] = time.monotonic()
            say(progress_line(progress))

    yield Watcher(beginning, say_lines, write)


def progress_line(progress: Progress) -> str:
    """Returns how a search stands, in one line."""
    wanted = f"/{progress.budget.trials}" if progress.budget.trials is not None else ""
    parts = [f"{progress.name}: {progress.trials}{wanted} trials"]
    if progress.best is not None:
        parts.append(f"best {progress.objective} {progress.best[0]:.4f} ({progress.best[1][:8]})")
    parts.append(f"{progress.running} running")
    parts.append(f"{progress.failed} failed")
    if progress.infeasible:
        parts.append(f"{progress.infeasible} over a limit")
    if progress.trials_here:
        parts.append(f"{progress.trials_per_minute:.0f}/min")
    left = progress.seconds_left
    if left is not None:
        parts.append(f"{duration(left)} left")
    return ", ".join(parts)


def print_stopped(search: Search, file: Path | None) -> None:
    """Prints how to go on with a search that was stopped."""
    try:
        with _store_of(search) as store:
            name = store.search(search.name).name if search.name is not None else None
    except NasError:
        name = None
    if name is None:
        say("stopped before anything was recorded")
        return
    say("stopped; what was trained is kept")
    say(go_on(search, name, file))


def go_on(search: Search, name: str, file: Path | None) -> str:
    """Returns how to go on with a search, in one line."""
    return f"go on with: {_again('resume', name, file)}{_store_option(search)}"


def print_warnings(search: Search) -> None:
    """Prints what the data of a search that begins are to be watched for."""
    for warning in search.description.warnings:
        say(f"warning: {warning}")


def print_end(search: Search, file: Path | None) -> bool:
    """Prints what a person needs after a search: its leaderboard, and what to do with it.

    Where nothing came out of it, its last words are why: the commonest causes of failures, with the ends of
    their tracebacks, and one line on standard error.

    Returns:
        Whether a network was trained that keeps the limits, or the search ended before it could tell.
    """
    with _store_of(search) as store:
        record = store.search(search.name)
        nothing, strangers = vain(store, record), nothing_inherited(store, record)
        _print_end(search, store, file)
    if strangers is not None:
        say(f"warning: {strangers}", err=True)
    if nothing is None:
        return True
    for line in nothing.lines:
        say_lines(line)
    say(f"error: {nothing.words}", err=True)
    return False


def _store_of(search: Search) -> AbstractContextManager[Store]:
    return nullcontext(search.store) if isinstance(search.store, Store) else Store(search.store)


def _store_option(search: Search) -> str:
    """Returns the option that names the store of a search; empty for the default store."""
    store = search.store.url if isinstance(search.store, Store) else str(search.store)
    return "" if store == DEFAULT_STORE else f" --store {shlex.quote(without_password(store))}"


def _again(verb: str, name: str, file: Path | None) -> str:
    described = "" if file is None else f"{shlex.quote(str(file))} --name "
    where = " --address ..." if in_job() else ""
    return f"nas {verb} {described}{shlex.quote(name)}{where}"


def _print_end(search: Search, store: Store, file: Path | None) -> None:
    option = _store_option(search)
    print_leaderboard(store, "table", search.name, top=10)
    record = store.search(search.name)
    say(f"search {record.name} ended after {duration(record.elapsed_seconds)}: {record.reason}")
    where = ran_counts(store.ran(record.id))
    if where:
        say(f"trained on:       {where}")
    best = next((row["id"] for row in entries(store, record.name, top=1) if row["rank"]), None)
    if in_memory(store.url):
        return  # it ends with this command: nothing can be done with it
    if best is not None:
        say(f"look at the best: nas show {best[:8]}{option}")
        say(f"take it with you: nas export {best[:8]} --to best{option}")
    if record.status == "finished":
        on = f"{_again('extend', record.name, file)}{option} --trials +50"
    else:
        on = f"{_again('resume', record.name, file)}{option}"
    say(f"search on:        {on}")


def _short(message: str) -> str:
    line = without_passwords(message).splitlines()[0] if message else ""
    return line if len(line) <= 160 else line[:157] + "..."
