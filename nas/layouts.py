"""Dicts of trials as the store keeps them: a list of the values, and once per search the names.

A million trials of a search have a handful of sets of names between them. A list takes a third of the room of
a dict, and lists with the same names are read as columns.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from nas.schema import layouts

_encode = json.JSONEncoder(separators=(",", ":")).encode

Names = tuple[str, ...]


class Layouts:
    """The layouts of one search that its store is known to have.

    Args:
        search_id: of the search.
    """

    def __init__(self, search_id: int) -> None:
        self.search_id = search_id
        self._ids: dict[Names, int] = {}
        self._written: set[int] = set()

    def encode(self, values: Mapping[str, Any]) -> tuple[str | None, int | None]:
        """A dict as its values in JSON and the id of its layout; an empty one as nothing."""
        if not values:
            return None, None
        names = tuple(values)
        id = self._ids.get(names)
        if id is None:
            id = self._ids[names] = _id(names)
        return _encode(list(values.values())), id

    def new(self, used: Collection[int | None]) -> set[int]:
        """Those of some layouts that may not be in the store yet."""
        return {id for id in used if id is not None} - self._written

    def write(self, connection: Connection, new: Collection[int]) -> None:
        """Put layouts into the store, if they are not there."""
        if not new:
            return
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        rows = [
            {"search_id": self.search_id, "id": id, "names": _encode(names)}
            for names, id in self._ids.items()
            if id in new
        ]
        connection.execute(insert(layouts).on_conflict_do_nothing(), rows)

    def keep(self, new: Collection[int]) -> None:
        """These are in the store for good: their transaction has been committed."""
        self._written.update(new)


def read_layouts(connection: Connection, search_id: int) -> dict[int | None, Names]:
    """The names by layout of a search's dicts; of no layout: none."""
    query = sa.select(layouts.c.id, layouts.c.names).where(layouts.c.search_id == search_id)
    return {None: ()} | {row.id: tuple(json.loads(row.names)) for row in connection.execute(query)}


def decode(text: str | None, names: Names) -> dict[str, Any]:
    """The dict that was encoded."""
    return {} if text is None else dict(zip(names, json.loads(text), strict=True))


def _id(names: Names) -> int:
    """63 bits that names have in every store."""
    digest = hashlib.sha256(_encode(names).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
