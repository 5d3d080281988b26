"""Copying searches from one store to another, of whichever kind, with all that belongs to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nas.store.cells import Names, cell_error, check_packed, check_row, parsed
from nas.store.database import Database
from nas.store.schema import banks, compared, layouts, references, searches, trials, weights
from nas.store.searches import OF_SEARCH
from search_spaces.errors import StoreError

ROWS = 1000
"""Rows that are in memory at a time."""

Row = Mapping[Any, Any]


@dataclass
class Copied:
    """What became of the searches that were to be copied.

    Attributes:
        copied: the names of the searches that were copied.
        known: the names of the searches that were there already, with as many trials.
    """

    copied: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)


class Source(Protocol):
    """Where searches are taken from, as rows of the tables of `nas.store.schema`."""

    def searches(self) -> Sequence[Row]:
        """Returns the searches that are to be taken."""
        ...

    def rows(self, table: sa.Table, search_id: int) -> Iterator[Sequence[Row]]:
        """Returns what a table has of a search, some rows at a time."""
        ...

    def references(self) -> Sequence[Row]:
        """Returns the single-task runs to be taken along."""
        ...

    def count(self, search_id: int) -> int:
        """Returns how many trials a search has."""
        ...

    def expected(self, table: sa.Table, search_id: int | None) -> int | None:
        """Returns how many rows a table should have of a search, or at all; None: that is not known."""
        ...


class StoreSource:
    """A store to take searches from.

    Args:
        connection: a connection to its database; what it reads is of one moment.
        search_id: the number of the search that is to be taken; None: all.
    """

    def __init__(self, connection: Connection, search_id: int | None) -> None:
        self._connection, self._search = connection, search_id

    def searches(self) -> Sequence[Row]:
        query = sa.select(searches).order_by(searches.c.id)
        if self._search is not None:
            query = query.where(searches.c.id == self._search)
        return self._connection.execute(query).mappings().all()

    def rows(self, table: sa.Table, search_id: int) -> Iterator[Sequence[Row]]:
        query = sa.select(table).where(table.c.search_id == search_id).order_by(*table.primary_key)
        size = 1 if table in (weights, banks) else ROWS  # each is as large as a network
        result = self._connection.execution_options(yield_per=size).execute(query)
        try:
            yield from result.mappings().partitions(size)
        except TypeError as error:  # the driver's, of what is no bytes
            raise StoreError(f"table {table.name}: expected bytes, got something else") from error

    def references(self) -> Sequence[Row]:
        query = sa.select(references)
        if self._search is not None:
            linked = sa.select(compared.c.reference).where(compared.c.search_id == self._search)
            query = query.where(references.c.key.in_(linked))
        return self._connection.execute(query).mappings().all()

    def count(self, search_id: int) -> int:
        return _count(self._connection, search_id)

    def expected(self, table: sa.Table, search_id: int | None) -> int | None:
        return None  # they are read from the table itself


@contextmanager
def source_of(database: Database, search_id: int | None) -> Iterator[StoreSource]:
    """A store to take searches from, as it is at this moment."""
    with database.reading() as connection:
        yield StoreSource(connection, search_id)


def take(source: Source, database: Database) -> Copied:
    """Takes the searches of a source into a store: all of them, in whole, or none.

    Each has a number of its own there. What is there already is left out, so that it can be done again.

    Raises:
        StoreError: the store has another search of that name, or what the source has is not what was written:
            rows or columns are missing, a cell holds something else, a row belongs to no trial.
    """
    done = Copied()
    given = source.searches()
    for row in given:
        check_row(searches, row)
    with database.transaction() as connection:
        _take_references(connection, source)
        for row in given:
            if _is_there(connection, row, source):
                done.known.append(row["name"])
            else:
                _take_search(connection, row, source)
                done.copied.append(row["name"])
    return done


def _take_search(connection: Connection, row: Row, source: Source) -> None:
    nobody = {"driver": None, "heartbeat_at": None, "written": None}
    values = {name: value for name, value in row.items() if name != "id"} | nobody
    made = connection.execute(searches.insert().values(**values)).inserted_primary_key
    assert made is not None
    names: dict[int | None, Names] = {None: ()}
    numbers: set[int] = set()
    for table in OF_SEARCH:
        count = 0
        for rows in source.rows(table, row["id"]):
            for one in rows:
                check_row(table, one)
                if table is layouts:
                    names[one["id"]] = tuple(parsed(one["names"]))
                elif table is trials:
                    check_packed(one, names)
                    numbers.add(one["number"])
                elif "number" in table.columns and one["number"] not in numbers:
                    raise cell_error(table, one, "number", "the number of a trial", one["number"])
            _insert(connection, table, [{**one, "search_id": made[0]} for one in rows])
            count += len(rows)
        _check_count(source.expected(table, row["id"]), count, f"search {row['name']!r}", table)
    _check_count(source.count(row["id"]), len(numbers), f"search {row['name']!r}", trials)


def _insert(connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    try:
        if rows:
            connection.execute(table.insert(), list(map(dict, rows)))
    except sa.exc.IntegrityError as error:
        raise StoreError(
            f"table {table.name}: a row is there twice, or belongs to nothing ({error.orig})"
        ) from error


def _check_count(expected: int | None, came: int, what: str, table: sa.Table) -> None:
    if expected is not None and expected != came:
        raise StoreError(f"{what}: expected {expected} rows of table {table.name}, got {came}")


def _take_references(connection: Connection, source: Source) -> None:
    """Takes the single-task runs that are not there, or not well ended."""
    rows = source.references()
    for row in rows:
        check_row(references, row)
    _check_count(source.expected(references, None), len(rows), "the store", references)
    query = sa.select(references.c.key).where(references.c.status == "complete")
    there = set(connection.scalars(query))
    new = [dict(row) for row in rows if row["key"] not in there]
    if new:
        old = references.delete().where(references.c.key == sa.bindparam("the_key"))
        connection.execute(old, [{"the_key": row["key"]} for row in new])
        _insert(connection, references, new)


def _is_there(connection: Connection, row: Row, source: Source) -> bool:
    query = sa.select(searches).where(searches.c.name == row["name"])
    there = connection.execute(query).mappings().first()
    if there is None:
        return False
    same = all(there[name] == row[name] for name in ("created_at", "description"))
    if not same or _count(connection, there["id"]) != source.count(row["id"]):
        raise StoreError(
            f"the store has another search named {row['name']!r} already: delete that, or copy others"
        )
    return True


def _count(connection: Connection, search_id: int) -> int:
    query = sa.select(sa.func.count()).where(trials.c.search_id == search_id)
    return int(connection.scalar(query) or 0)
