"""Dicts of trials as the store keeps them: a list of the values, and once per search the names.

A million trials of a search have a handful of sets of names between them. A list takes a third of the room of
a dict, and lists with the same names are read as columns.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nas.store.cells import Names
from nas.store.damages import whole_rows
from nas.store.schema import layouts, searches

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Layouts:
    """The layouts of one search, as far as they are known here.

    Args:
        search_id: the number of the search.
    """

    def __init__(self, search_id: int) -> None:
        self.search_id = search_id
        self._known: dict[Names, int] = {}  # in the store for good
        self._new: dict[Names, int] = {}  # in the transaction that is open

    def encode(self, values: Mapping[str, Any]) -> tuple[str | None, int | None]:
        """Returns a dict as its values in JSON and its layout (see `ensure`); an empty one as nothing."""
        if not values:
            return None, None
        names = tuple(values)
        id = self._known.get(names)
        return _encode(list(values.values())), self._new[names] if id is None else id

    def ensure(self, connection: Connection, dicts: Iterable[Mapping[str, Any]]) -> None:
        """Makes a layout in the store for each of these dicts. The transaction may fail, see `commit`."""
        self._new = {}
        missing = dict.fromkeys(names for names in map(tuple, dicts) if names and names not in self._known)
        if not missing:
            return
        # one after the other, where several processes write to a search
        connection.execute(sa.select(searches.c.id).where(searches.c.id == self.search_id).with_for_update())
        there = {
            names: id for id, names in read_layouts(connection, self.search_id).items() if id is not None
        }
        made = {
            names: len(there) + place for place, names in enumerate(missing.keys() - there.keys(), start=1)
        }
        if made:
            rows = [
                {"search_id": self.search_id, "id": id, "names": _encode(names)} for names, id in made.items()
            ]
            connection.execute(layouts.insert(), rows)
        self._new = there | made

    def commit(self) -> None:
        """Says that the transaction of `ensure` has been committed."""
        self._known |= self._new
        self._new = {}


def read_layouts(connection: Connection, search_id: int) -> dict[int | None, Names]:
    """Returns the names by layout of a search's dicts; none for no layout."""
    query = sa.select(layouts).where(layouts.c.search_id == search_id)
    rows = whole_rows(connection, layouts, connection.execute(query).mappings())
    return {None: ()} | {row["id"]: tuple(json.loads(row["names"])) for row in rows}


def decode(text: str | None, names: Names) -> dict[str, Any]:
    """Returns the dict that was encoded."""
    return {} if text is None else dict(zip(names, json.loads(text), strict=True))
