"""What people do with the searches in a store: say what they are for, delete them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nas.lease import living
from nas.records import SearchRecord
from nas.schema import (
    compared,
    layouts,
    legs,
    logs,
    references,
    reports,
    reruns,
    searches,
    starts,
    trials,
    usage,
    weights,
)
from nas.writing import storable
from search_spaces.errors import SearchError, StoreError

OF_SEARCH = (layouts, trials, legs, reports, weights, logs, usage, starts, compared, reruns)
"""The tables with what belongs to one search, each after those that it refers to."""


def annotate(
    connection: Connection, search: SearchRecord, tags: Iterable[str] | None, notes: str | None
) -> None:
    """Put tags and notes in place of those that a search has; None: they stay.

    Raises:
        StoreError: a tag is no word.
    """
    values: dict[str, Any] = {}
    if tags is not None:
        values["tags"] = json.dumps(_words(tags))
    if notes is not None:
        values["notes"] = storable(notes)
    if values:
        connection.execute(searches.update().where(searches.c.id == search.id).values(**values))


def delete(connection: Connection, search: SearchRecord) -> None:
    """Forget a search with all that belongs to it, and the references that no other search is compared with.

    Raises:
        SearchError: it is being driven.
    """
    here = searches.c.id == search.id
    query = sa.select(searches.c.driver, searches.c.heartbeat_at).where(here).with_for_update()
    row = connection.execute(query).first()
    driver = None if row is None else living(row.driver, row.heartbeat_at)
    if driver is not None:
        raise SearchError(f"search {search.name!r} is being driven, by {driver.words()}: stop that first")
    linked = sa.select(compared.c.reference).where(compared.c.search_id == search.id)
    elsewhere = sa.select(compared.c.reference).where(compared.c.search_id != search.id)
    connection.execute(
        references.delete().where(references.c.key.in_(linked), references.c.key.not_in(elsewhere))
    )
    for table in reversed(OF_SEARCH):  # not left to the keys, which would look for each trial in each table
        connection.execute(table.delete().where(table.c.search_id == search.id))
    connection.execute(searches.delete().where(here))


def _words(tags: Iterable[str]) -> Sequence[str]:
    """The tags without what comes twice, in their order."""
    found = list(tags) if not isinstance(tags, str) else [tags]
    for tag in found:
        if not isinstance(tag, str) or not tag or not tag.isprintable() or any(map(str.isspace, tag)):
            raise StoreError(f"tag {tag!r:.80}: expected a word without spaces")
    return list(dict.fromkeys(found))
