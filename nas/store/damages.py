"""Rows that are not what was written: named by table, row and column, and left out; the rest is read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nas.store.cells import check_row
from search_spaces.errors import StoreError

_logger = logging.getLogger(__name__)

_MOST = 20
"""Warnings of one store; a line says that there are more."""

R = TypeVar("R", bound=Mapping[Any, Any])


class Damages:
    """The damages that were found in a store since it was opened; each is told once, as a warning.

    Args:
        name: the name of the store, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._told: set[str] = set()

    def tell(self, damage: StoreError) -> None:
        """Says that something is left out."""
        text = str(damage)
        if text in self._told or len(self._told) > _MOST:
            return
        self._told.add(text)
        if len(self._told) > _MOST:
            _logger.warning("store %s: more rows are damaged, and left out", self._name)
        else:
            _logger.warning("store %s is damaged: %s; that is left out", self._name, text)


def damages_of(connection: Connection) -> Damages:
    """Returns the damages of the store that a connection is of."""
    found = connection.get_execution_options().get("nas_damages")
    return found if isinstance(found, Damages) else Damages(str(connection.engine.url))


def whole_rows(connection: Connection, table: sa.Table, rows: Iterable[R]) -> Iterator[R]:
    """Yields the rows that are what the table holds; a warning names each of the others."""
    for row in rows:
        try:
            check_row(table, row)
        except StoreError as damage:
            damages_of(connection).tell(damage)
        else:
            yield row
