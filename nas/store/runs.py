"""Runs outside of a search in the store: networks trained again, single-task runs to compare with."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nas.records import Reference, Rerun
from nas.store.damages import whole_rows
from nas.store.database import Database
from nas.store.encoding import numbers, plain, storable
from nas.store.schema import compared, references, reruns, weights


class RerunStore:
    """The reruns of a store, each of a trial.

    Args:
        database: the database of the store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, search_id: int, rerun: Rerun) -> None:
        """Records how a rerun has ended, in place of an earlier one of the same seed, epochs and data.

        One whose weights are kept stays as it is: what is said of it is said of these weights.
        """
        kept = sa.select(weights.c.number).where(
            weights.c.search_id == search_id, weights.c.number == rerun.number, weights.c.seed == rerun.seed
        )

        def write(connection: Connection, again: bool) -> None:
            held = any(
                (one.seed, one.epochs, one.all_data) == (rerun.seed, rerun.epochs, rerun.all_data)
                for one in read_reruns(connection, search_id).get(rerun.number, ())
            )
            if not (held and connection.scalar(kept) is not None):
                keep_rerun(connection, search_id, rerun)

        self._database.write(write)

    def of_search(self, search_id: int) -> dict[int, list[Rerun]]:
        """Returns the reruns of a search's trials, well ended or failed, by the trials' numbers."""
        return self._database.read(read_reruns, search_id)


def read_reruns(connection: Connection, search_id: int) -> dict[int, list[Rerun]]:
    """Returns the reruns of a search's trials, well ended or failed, by the trials' numbers."""
    query = sa.select(reruns).where(reruns.c.search_id == search_id).order_by(*reruns.primary_key)
    found: dict[int, list[Rerun]] = {}
    for row in whole_rows(connection, reruns, connection.execute(query).mappings()):
        rerun = Rerun(
            number=row["number"],
            seed=row["seed"],
            epochs=row["epochs"],
            all_data=row["all_data"],
            failure=row["failure"],
            metrics=numbers(row["metrics"]),
            test_metrics=numbers(row["test_metrics"]),
            seconds=row["seconds"],
            ran=row["ran"] or {},
        )
        found.setdefault(rerun.number, []).append(rerun)
    return found


def keep_rerun(connection: Connection, search_id: int, rerun: Rerun) -> None:
    """Records how a rerun has ended, in place of an earlier one of the same seed, epochs and data."""
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
        "ran": dict(rerun.ran),
    }
    same = sa.and_(*(reruns.c[name] == value for name, value in key.items()))
    connection.execute(reruns.delete().where(same))
    connection.execute(reruns.insert().values(**row))


class ReferenceStore:
    """The references of a store. They belong to no search: what one has trained all can use.

    Args:
        database: the database of the store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, reference: Reference) -> None:
        """Records how a run has ended, in place of an earlier attempt."""
        row = {
            "key": reference.key,
            "data": reference.data,
            "task": reference.task,
            "architecture_id": reference.architecture_id,
            "epochs": reference.epochs,
            "until": reference.until,
            "seed": reference.seed,
            "status": reference.status,
            "reason": storable(reference.reason),
            "message": storable(reference.message),
            "metrics": plain(reference.metrics),
            "test_metrics": plain(reference.test_metrics),
            "seconds": reference.seconds,
            "ran": dict(reference.ran),
        }

        def write(connection: Connection, again: bool) -> None:
            connection.execute(references.delete().where(references.c.key == reference.key))
            connection.execute(references.insert().values(**row))

        self._database.write(write)

    def link(self, search_id: int, runs: Mapping[int, Mapping[str, Reference]]) -> None:
        """Notes with which runs trials of a search are compared.

        Args:
            search_id: the number of the search.
            runs: the runs by the trial's number and by task.
        """
        here = {"search_id": search_id}
        rows = [
            here | {"number": number, "task": task, "reference": run.key}
            for number, by_task in runs.items()
            for task, run in by_task.items()
        ]
        old = compared.delete().where(
            compared.c.search_id == search_id, compared.c.number == sa.bindparam("trial")
        )

        def write(connection: Connection, again: bool) -> None:
            if rows:
                connection.execute(old, [{"trial": number} for number in runs])
                connection.execute(compared.insert(), rows)

        self._database.write(write)

    def of_search(self, search_id: int) -> dict[int, dict[str, Reference]]:
        """Returns the runs that trials of a search are compared with, by number and task, failed ones too."""
        query = (
            sa.select(references, compared.c.number)
            .join(compared, compared.c.reference == references.c.key)
            .where(compared.c.search_id == search_id)
        )

        def read(connection: Connection) -> dict[int, dict[str, Reference]]:
            found: dict[int, dict[str, Reference]] = {}
            for row in whole_rows(connection, references, connection.execute(query).mappings()):
                values = {name: value for name, value in row.items() if name not in ("key", "number")}
                values["metrics"] = numbers(row["metrics"])
                values["test_metrics"] = numbers(row["test_metrics"])
                values["ran"] = row["ran"] or {}
                found.setdefault(row["number"], {})[row["task"]] = Reference(**values)
            return found

        return self._database.read(read)
