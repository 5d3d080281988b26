"""What the store of a search has of it, for tests of searches."""

from __future__ import annotations

from nas import Search
from nas.records import Trial
from nas.store.store import open_store


def trials(search: Search) -> list[Trial]:
    """The trials of a search that was run, by number."""
    with open_store(search.store) as store:
        return store.trials(store.search(search.name).id)
