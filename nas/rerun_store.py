"""In the store: the trainings of networks that were found, again with other seeds."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nas.database import Database
from nas.records import Rerun
from nas.schema import reruns
from nas.writing import numbers, plain, storable

Transact = Callable[[Callable[[Connection, bool], None]], None]
"""Does something in one transaction, patiently; see `nas.store.Store`."""


class RerunStore:
    """The reruns of a store, each of a trial.

    Args:
        database: of the store.
        transact: writes to it.
    """

    def __init__(self, database: Database, transact: Transact) -> None:
        self._database, self._transact = database, transact

    def keep(self, search_id: int, rerun: Rerun) -> None:
        """Record how a rerun has ended, in place of an earlier one of the same seed, epochs and data."""
        key = {
            "search_id": search_id,
            "number": rerun.number,
            "seed": rerun.seed,
            "epochs": rerun.epochs,
            "all_data": rerun.all_data,
        }
        row = {
            **key,
            "failure": storable(rerun.failure),
            "metrics": plain(rerun.metrics),
            "test_metrics": plain(rerun.test_metrics),
            "seconds": rerun.seconds,
        }
        same = sa.and_(*(reruns.c[name] == value for name, value in key.items()))

        def write(connection: Connection, again: bool) -> None:
            connection.execute(reruns.delete().where(same))
            connection.execute(reruns.insert().values(**row))

        self._transact(write)

    def of_search(self, search_id: int) -> dict[int, list[Rerun]]:
        """The reruns of a search's trials, well ended or failed, by the trials' numbers."""
        query = sa.select(reruns).where(reruns.c.search_id == search_id).order_by(*reruns.primary_key)
        found: dict[int, list[Rerun]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(query):
                rerun = Rerun(
                    number=row.number,
                    seed=row.seed,
                    epochs=row.epochs,
                    all_data=row.all_data,
                    failure=row.failure,
                    metrics=numbers(row.metrics),
                    test_metrics=numbers(row.test_metrics),
                    seconds=row.seconds,
                )
                found.setdefault(row.number, []).append(rerun)
        return found
