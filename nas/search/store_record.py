"""The record of a search in its store: a new one, or the one to go on with."""

from __future__ import annotations

from collections.abc import Sequence

from nas.description import Description
from nas.lease import Driver
from nas.records import Start
from nas.search_record import SearchRecord, readable
from nas.store.store import Store
from search_spaces.errors import SearchError, StoreError


def new_record(
    store: Store, name: str | None, description: Description, driver: Driver, starts: Sequence[Start]
) -> SearchRecord:
    """Make the record of a new search; returns it.

    Args:
        store: the store that is to have it.
        name: the name of the search; None: one that is free.
        description: the description of the search.
        driver: the driver of the search from now on.
        starts: the older results that it starts from.

    Raises:
        StoreError: the name is taken.
    """
    described = description.to_dict()
    if name is not None:
        return store.create_search(name, described, driver, starts)
    stem = f"{description.problem}-{description.controller.split('.')[-1]}"
    while True:
        name = store.free_name(stem)
        try:
            return store.create_search(name, described, driver, starts)
        except StoreError:
            if name not in {search.name for search in store.searches()}:
                raise  # else another process was faster: the next name


def claimed_record(
    store: Store, name: str | None, description: Description, driver: Driver, accept_code: bool = False
) -> SearchRecord:
    """Let a driver go on with a search; returns the record of the search.

    Args:
        store: the store that has it.
        name: the name of the search; None: the latest that is described in the same way.
        description: the description of the search, perhaps with another end.
        driver: the driver of the search from now on.
        accept_code: whether the user's own code may be other code than when the search began.

    Raises:
        UnknownNameError, StoreError: the store has no such search.
        SearchError: the search in the store is another one, its code is, or somebody drives it.
    """
    record = find_record(store, name, description)
    changed = record.description.code_difference(description)
    if changed is not None and not accept_code:
        raise SearchError(
            f"search {record.name!r} cannot go on: {changed}; "
            "go on all the same with run(resume=True, accept_code=True), or --accept-code"
        )
    store.claim(record.id, driver, description.going_on_from(record.description).to_dict())
    return store.search(record.id)


def find_record(store: Store, name: str | None, description: Description) -> SearchRecord:
    """Returns the record of the search of a name; without one of the latest that is described as this one.

    One that has the same code goes before a later one that has not; else the code is not looked at.

    Raises:
        UnknownNameError, StoreError: the store has no such search.
        SearchError: the search in the store is another one.
    """
    if name is not None:
        record = store.search(name)
    else:
        searches = readable(store.searches())[::-1]
        same = (one for one in searches if description.continues(one.description))
        but_for_code = (one for one in searches if one.description.difference(description) is None)
        record = next(same, None) or next(but_for_code, None) or store.search()
    difference = record.description.difference(description)
    if difference is not None:
        raise SearchError(f"search {record.name!r} cannot go on: {difference}")
    return record
