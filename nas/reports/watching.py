"""Reports written to a file: once, or again and again while a search runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from nas.files import write_file
from nas.reports.content import content
from nas.reports.page import page
from nas.store.store import DEFAULT_STORE, Store, open_store
from search_spaces.arguments import checked
from search_spaces.errors import SearchError

_SHARE = 0.2
"""Of its time at the most that a watcher spends on writing: a large search is looked at less often."""


@checked(SearchError)
def report(
    store: Store | str | Path = DEFAULT_STORE,
    search: str | int | None = None,
    to: str | Path = "report.html",
    *,
    beside: str | int | None = None,
) -> Path:
    """Writes a page about a search that is one file and needs no network; returns its path.

    Args:
        store: the store that holds it.
        search: the name or number of the search; left out: the latest.
        to: the file; one that is there is replaced.
        beside: a search to show its progress beside; left out: the latest random search on the same data with
            the same first objective, if there is one.

    Raises:
        StoreError, UnknownNameError: there is no such store or search, or the file cannot be written.
        SearchError: an argument is not what it should be.
    """
    path = Path(to)
    with open_store(store) as opened:
        write_file(path, page(content(opened, search, beside=beside)), "report")
    return path


def watch(
    store: Store,
    search: str | int | None,
    path: Path,
    *,
    seconds: float,
    beside: str | int | None = None,
    written: Callable[[str], None] = lambda state: None,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Writes the page again and again as long as the search runs; meanwhile the page loads itself again.

    Args:
        store: the store that holds the search.
        search: the name or number of the search; None: the latest.
        path: the file.
        seconds: the seconds between two pages, at the least.
        beside: a search to show its progress beside, see `report`.
        written: what is called after each page, with the state of the search.
        sleep: what waits for so many seconds.

    Returns:
        The state in which the search ended, or in which it was when this was interrupted (Ctrl-C).
    """
    search_id = store.search(search).id
    while True:
        began = time.monotonic()
        shown = content(store, search_id, beside=beside)
        state = str(shown["search"]["state"])
        running = state == "running"
        write_file(path, page(shown, reload_seconds=seconds if running else None), "report")
        written(state)
        if not running:
            return state
        try:
            sleep(max(seconds, (time.monotonic() - began) / _SHARE))
        except KeyboardInterrupt:
            write_file(path, page(shown), "report")
            return state
