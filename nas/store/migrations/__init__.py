"""Bringing the tables of an older store to this version, step by step, with Alembic.

Each file in ``versions`` is one step: it says what changes in the tables, and refers to nothing
in `nas.store.schema`, which goes on changing. ``nas_meta`` says at which version a store is.
"""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nas.lease import living
from search_spaces.errors import StoreError

_logger = logging.getLogger(__name__)


def migrate(connection: Connection, name: str, version: str, to: str) -> None:
    """Takes the steps from one version to another, in the transaction that was begun.

    Args:
        connection: a connection in a transaction that nobody else can write beside; foreign keys are not
            enforced.
        name: the name of the store, for messages.
        version: the version of the tables, as the store says itself.
        to: the version that is wanted.

    Raises:
        StoreError: there are no steps from there, or a search in it is running.
    """
    # imported late: it takes longer than to open a store
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    if not (version.isdigit() and 0 < int(version) < int(to)):
        raise StoreError(
            f"{name} has schema version {version}, this program reads versions 1 to {to}: "
            "it is of a newer version of nasforge, use that one"
        )
    folder = Path(__file__).parent
    scripts = ScriptDirectory(str(folder), version_locations=[str(folder / "versions")])
    steps = list(scripts.iterate_revisions(to, version))[::-1]
    if version == "1" and "id" in {
        column["name"] for column in sa.inspect(connection).get_columns("nas_trials")
    }:
        raise StoreError(f"{name} was made before version 1 was settled: it cannot be read any more")
    _check_driven(connection, name)
    _logger.warning("%s: bringing it from schema version %s to %s", name, version, to)
    with Operations.context(MigrationContext.configure(connection)):
        for step in steps:
            step.module.upgrade()
    connection.execute(sa.text("UPDATE nas_meta SET value = :version WHERE key = 'version'"), {"version": to})


def _check_driven(connection: Connection, name: str) -> None:
    """Raises StoreError where a driver is at work: one of an older version goes on writing as it knows it."""
    query = sa.text("SELECT name, driver, heartbeat_at FROM nas_searches WHERE status = 'running'")
    for row in connection.execute(query):
        driver = living(row.driver, row.heartbeat_at)
        if driver is not None:
            raise StoreError(
                f"{name} is of an older version, and cannot be brought to this one while search "
                f"{row.name!r} is driven by {driver.words()}: let it end, or stop it, first"
            )
