"""What a person should know of a search, said once: warnings about its data, and that nothing came out of it.

It goes to the log of this module. The command line, which prints the same in its own place, holds it back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nas.results.causes import vain
from nas.results.strangers import nothing_inherited
from workers.tabular import Table

if TYPE_CHECKING:
    from nas.description import Description
    from nas.search_record import SearchRecord
    from nas.store.store import Store
    from workers.problems import Problem

_logger = logging.getLogger(__name__)


def warnings_of(problem: Problem | Table) -> tuple[str, ...]:
    """Returns sentences about the data of a problem by which the results of a search may mislead."""
    return () if isinstance(problem, Table) else tuple(problem.warnings())


def tell_warnings(description: Description) -> None:
    """Say what the data of a search that begins are to be watched for."""
    for warning in description.warnings:
        _logger.warning("%s: %s", description.problem, warning)


def tell_vain(store: Store, record: SearchRecord) -> None:
    """Say of a search that is over that nothing came out of it, and why, if so."""
    found = vain(store, record)
    if found is not None:
        _logger.warning("%s", "\n".join([found.words, *found.lines]))


def tell_strangers(store: Store, record: SearchRecord) -> None:
    """Say of a search that is over that its networks were to inherit weights and none has, if so."""
    words = nothing_inherited(store, record)
    if words is not None:
        _logger.warning("%s", words)


@contextmanager
def held_back() -> Iterator[None]:
    """Says nothing in the block: who calls it prints it."""
    before, _logger.disabled = _logger.disabled, True
    try:
        yield
    finally:
        _logger.disabled = before
