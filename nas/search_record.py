"""One search of a store: its description, where it stands, and what people say of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nas.description import Description
from nas.lease import living
from search_spaces.errors import FormatError

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SearchRecord:
    """One search: what it is, where it stands, and what people say of it.

    Attributes:
        id: the number of the search in its store.
        name: the name of the search, unique in its store.
        status: how the search stands by the store's word; see `state`.
        reason: why it ended, in words; None while it runs.
        created_at: when it was made, in seconds since 1970, UTC.
        elapsed_seconds: the time that its drivers have taken together.
        driver: who drives it, as `nas.lease.Driver.to_json` writes it; None: nobody does.
        heartbeat_at: when its driver was last heard of, in seconds since 1970, UTC.
        written: the name of the last transaction of its driver.
        stored: the description as the store has it, plain data, or anything where that is damaged; see
            `description`.
        tags: words that people have given it.
        notes: a text that people have given it.
    """

    id: int
    name: str
    status: str
    reason: str | None
    created_at: float
    elapsed_seconds: float
    driver: str | None
    heartbeat_at: float | None
    written: str | None
    stored: Any
    tags: Sequence[str] = ()
    notes: str = ""

    @cached_property
    def description(self) -> Description:
        """What the search is, parsed at the first use and kept.

        Raises:
            FormatError: what the store holds is damaged: it describes no search.
        """
        try:
            return Description.from_dict(self.stored)
        except FormatError as error:
            raise FormatError(f"search {self.name!r} is damaged: {error}") from error

    @property
    def state(self) -> str:
        """The status as it is: a search whose driver was killed still has the status ``running``."""
        if self.status == "running" and living(self.driver, self.heartbeat_at) is None:
            return "killed"
        return self.status


def readable(searches: Iterable[SearchRecord]) -> list[SearchRecord]:
    """Returns the searches whose descriptions can be read; a warning names each of the others.

    For what looks through all the searches of a store: one that is damaged must not hide the others.
    """
    found = []
    for record in searches:
        try:
            _ = record.description
        except FormatError as error:
            _logger.warning("%s; it is left out", error)
        else:
            found.append(record)
    return found
