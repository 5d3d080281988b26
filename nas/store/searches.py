"""The searches of a store: made, driven by one process at a time, found by name or number."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nas.lease import Driver, living
from nas.ranking import Ranking
from nas.records import Start
from nas.search_record import SearchRecord
from nas.store.cells import check_row
from nas.store.damages import damages_of
from nas.store.encoding import plain, storable
from nas.store.schema import (
    banks,
    cards,
    choices,
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
from search_spaces.errors import SearchError, StoreError


def insert_search(
    connection: Connection,
    name: str,
    description: Mapping[str, Any],
    driver: Driver | None,
    given: Sequence[Start],
) -> int:
    """Adds a search that starts from the results ``given``; returns its number."""
    now = time.time()
    row: dict[str, Any] = {"name": name, "status": "running", "created_at": now, "description": description}
    if driver is not None:
        row |= {"driver": driver.to_json(), "heartbeat_at": now}
    made = connection.execute(searches.insert().values(**row)).inserted_primary_key
    assert made is not None
    if given:
        rows = [_start(start) | {"search_id": made[0], "place": i} for i, start in enumerate(given)]
        connection.execute(starts.insert(), rows)
    return int(made[0])


def claim_search(
    connection: Connection, search_id: int, driver: Driver, description: Mapping[str, Any]
) -> None:
    """Lets ``driver`` go on with a search that nobody drives.

    Raises:
        SearchError: somebody does.
    """
    here = searches.c.id == search_id
    query = sa.select(searches.c.name, searches.c.driver, searches.c.heartbeat_at).where(here)
    row = connection.execute(query.with_for_update()).one()
    other = living(row.driver, row.heartbeat_at)
    if other is not None:
        ago = max(0.0, time.time() - (row.heartbeat_at or 0.0))
        raise SearchError(
            f"search {row.name!r} is being driven already, by {other.words()} "
            f"(last heard of {ago:.0f} s ago): stop that first"
        )
    values: dict[str, Any] = {"status": "running", "reason": None, "description": description}
    values |= {"driver": driver.to_json(), "heartbeat_at": time.time()}
    connection.execute(searches.update().where(here).values(**values))


def read_searches(connection: Connection) -> list[SearchRecord]:
    """Returns every search, the latest last."""
    rows = connection.execute(sa.select(searches).order_by(searches.c.id)).mappings().all()
    return [record for row in rows if (record := _record(connection, row)) is not None]


def find_search(connection: Connection, name: str | int | None) -> SearchRecord | None:
    """Returns the search of that name or number, a name before a number; the latest where none is given."""
    query = sa.select(searches).order_by(searches.c.id.desc()).limit(1)
    row = None
    if name is None:
        row = connection.execute(query).mappings().first()
    if isinstance(name, str):
        row = connection.execute(query.where(searches.c.name == name)).mappings().first()
    if row is None and name is not None and (number := _number(name)) is not None:
        row = connection.execute(query.where(searches.c.id == number)).mappings().first()
    if row is None:
        return None
    check_row(searches, row)
    return _record(connection, row)


def read_ranking(connection: Connection, search_id: int) -> Ranking:
    """Returns by what the trials of a search are ranked."""
    query = sa.select(searches.c.description).where(searches.c.id == search_id)
    return Ranking.of(connection.scalar(query) or {})


def _record(connection: Connection, row: Mapping[Any, Any]) -> SearchRecord | None:
    """Returns the record of a row; None, and a warning, where it is damaged beyond its description."""
    try:
        check_row(searches, row)
    except StoreError as damage:
        damages_of(connection).tell(damage)
        return None
    said = {"tags": tuple(json.loads(row["tags"] or "[]")), "notes": row["notes"] or ""}
    columns = {"stored" if name == "description" else name: value for name, value in row.items()}
    return SearchRecord(**{**columns, **said})


def _start(start: Start) -> dict[str, Any]:
    metrics = None if start.metrics is None else plain(start.metrics)
    curve = [[epochs, plain(values)] for epochs, values in start.curve.items()]
    told = {"decisions": dict(start.decisions), "metrics": metrics, "comparable": start.comparable}
    return told | {"curve": curve or None}


def _number(name: str | int) -> int | None:
    """Returns the number that a name may be, if a search can have it."""
    digits = str(name)
    if not (digits.isascii() and digits.isdigit() and len(digits) < 12):
        return None
    return number if (number := int(digits)) < 2**31 else None


OF_SEARCH = (
    layouts, trials, legs, reports, weights, logs, usage, cards, choices, starts, compared, reruns, banks
)  # fmt: skip
"""The tables with what belongs to one search, each after those that it refers to."""


def annotate(
    connection: Connection, search: SearchRecord, tags: Iterable[str] | None, notes: str | None
) -> None:
    """Puts tags and notes in place of those that a search has; None: they stay.

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
    """Forgets a search with all that belongs to it, and the references that no other search is compared with.

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
    """Returns the tags without what comes twice, in their order."""
    found = list(tags) if not isinstance(tags, str) else [tags]
    for tag in found:
        if not isinstance(tag, str) or not tag or not tag.isprintable() or any(map(str.isspace, tag)):
            raise StoreError(f"tag {tag!r:.80}: expected a word without spaces")
    return list(dict.fromkeys(found))
