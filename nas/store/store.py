"""The result store: the truth about every search. SQLite by default, PostgreSQL for a team."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nas.description import SearchRecord
from nas.environment import DEFAULT_STORE as DEFAULT_STORE
from nas.lease import Driver
from nas.ranking import Ranked, Ranking
from nas.records import MEASURED, TRAINED, EpochReport, Leg, Start, Status, Trial
from nas.store.copies import Copied, source_of, take
from nas.store.database import Database, in_memory
from nas.store.histories import read_curves, read_last_epochs, read_legs, read_log, read_starts, read_usage
from nas.store.layouts import Layouts
from nas.store.runs import ReferenceStore, RerunStore
from nas.store.schema import searches, trials, weights
from nas.store.searches import annotate, claim_search, delete, find_search, insert_search, read_searches
from nas.store.transaction import Writing
from nas.store.trials import ranked_trials, read_trials
from search_spaces.errors import StoreError, UnknownNameError
from workers.executor import Usage

if TYPE_CHECKING:
    import pandas as pd

    from nas.store.columns import MetricColumns

_logger = logging.getLogger(__name__)

_PAUSES = 0.1, 5.0
"""Seconds between attempts to write to a database that does not answer: the first, and the longest."""


class Store:
    """Searches, trials, epochs and weights in one database.

    What `writing` gathers goes into one transaction, durable against the death of any process when the block
    is left (SQLite in write-ahead mode: readers are never blocked, and a power cut may cost the last turns,
    never the database).

    Args:
        url: an SQLAlchemy URL (``sqlite:///nas.db``, ``postgresql://user@host/db``) or a path;
            ``sqlite://`` is a store in memory, which ends with the `Store`.
        create: make the store if there is none.
        patience: seconds that `writing` goes on trying while the database does not answer, is locked or has
            no room left.

    Attributes:
        url: as text, without a password.
        references: single-task runs, for all searches together.
        reruns: trainings of what was found, again with other seeds.

    Raises:
        StoreError: there is no store there, or it cannot be opened.
    """

    def __init__(
        self, url: str | Path = DEFAULT_STORE, *, create: bool = False, patience: float = 120.0
    ) -> None:
        self._database = Database(url, create)
        self.patience = patience
        self.url = self._database.url
        self.references = ReferenceStore(self._database, self._transact)
        self.reruns = RerunStore(self._database, self._transact)
        self._rankings: dict[int, Ranking] = {}
        self._layouts: dict[int, Layouts] = {}

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- searches ------------------------------------------------------------------------------------------

    def create_search(
        self,
        name: str,
        description: Mapping[str, Any],
        driver: Driver | None = None,
        given: Sequence[Start] = (),
    ) -> SearchRecord:
        """A new search of that name, driven by ``driver``, that starts from the results ``given``.

        Raises:
            StoreError: the name is taken.
        """
        try:
            with self._database.transaction() as connection:
                made = insert_search(connection, name, description, driver, given)
        except StoreError as error:
            if isinstance(error.__cause__, sa.exc.IntegrityError):
                raise StoreError(
                    f"the store has a search named {name!r} already: resume it or choose another name"
                ) from None
            raise
        return self.search_of(made)

    def claim(self, search_id: int, driver: Driver, description: Mapping[str, Any]) -> None:
        """Let ``driver`` go on with a search that nobody drives.

        Raises:
            SearchError: somebody does.
        """
        with self._database.transaction() as connection:
            claim_search(connection, search_id, driver, description)

    def searches(self) -> list[SearchRecord]:
        """Every search, the latest last."""
        with self._database.reading() as connection:
            return read_searches(connection)

    def search(self, name: str | int | None = None) -> SearchRecord:
        """The search of that name or number; the latest where none is given.

        A name counts before a number: a search may be named ``7``.

        Raises:
            UnknownNameError: there is none.
        """
        with self._database.reading() as connection:
            found = find_search(connection, name)
        if found is None:
            if name is None:
                raise StoreError(f"{self._database.name} holds no search yet: run one first")
            raise UnknownNameError("search", str(name), [search.name for search in self.searches()])
        return found

    def search_of(self, search_id: int) -> SearchRecord:
        """The search of that number, which is there."""
        with self._database.reading() as connection:
            found = find_search(connection, search_id)
        assert found is not None
        return found

    def free_name(self, stem: str) -> str:
        """A name that no search has yet: ``stem-1``, ``stem-2``, ..."""
        taken = {search.name for search in self.searches()}
        return next(name for n in range(1, len(taken) + 2) if (name := f"{stem}-{n}") not in taken)

    def annotate(
        self, search: str | int | None, *, tags: Iterable[str] | None = None, notes: str | None = None
    ) -> SearchRecord:
        """Put tags and notes in place of those that a search has; what is None stays.

        Raises:
            UnknownNameError: there is no such search.
            StoreError: a tag is no word.
        """
        record = self.search(search)
        with self._database.transaction() as connection:
            annotate(connection, record, tags, notes)
        return self.search_of(record.id)

    def delete(self, search: str | int) -> SearchRecord:
        """Forget a search with its trials, weights and logs, and the references of it alone.

        Raises:
            UnknownNameError: there is no such search.
            SearchError: it is being driven.
        """
        record = self.search(search)
        with self._database.transaction() as connection:
            delete(connection, record)
        return record

    def vacuum(self) -> None:
        """Give back the room of what was deleted, where the store is a file; nobody may be writing to it."""
        self._database.vacuum()

    def copy(self, target: Store, search: str | int | None = None) -> Copied:
        """Take all searches of this store, or one, to another store; see `nas.store.copies.take`.

        Raises:
            UnknownNameError: there is no such search.
            StoreError: the other has another search of that name, or is this one.
        """
        if target is self or (target.url == self.url and not in_memory(self.url)):
            raise StoreError(f"{self.url}: expected two stores, got one twice")
        with source_of(self._database, self._id_of(search)) as source:
            return take(source, target._database)

    def export(self, folder: str | Path, search: str | int | None = None) -> list[str]:
        """Write all searches, or one, as Parquet to a folder; gives their names. See `nas.store.parquet`.

        Raises:
            UnknownNameError: there is no such search.
            StoreError: the folder has something in it, or pyarrow is not installed.
        """
        from nas.store.parquet import write_folder

        return write_folder(self._database, self._id_of(search), Path(folder))

    def import_folder(self, folder: str | Path) -> Copied:
        """Take in the searches that were exported to a folder.

        Raises:
            StoreError: it is no such folder, or this store has another search of a name in it.
        """
        from nas.store.parquet import read_folder

        return read_folder(Path(folder), self._database)

    def _id_of(self, search: str | int | None) -> int | None:
        return None if search is None else self.search(search).id

    # -- trials --------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self, search_id: int, driver: Driver | None = None) -> Iterator[Writing]:
        """What is put into the `Writing` is written in one transaction when the block is left, if it is left
        well. While the database does not answer it is tried again, and written once.

        Args:
            search_id: of the search that it is about.
            driver: who writes; an error if it is not, or no longer, the driver of the search.
        """
        token = None if driver is None else driver.to_json()
        layouts = self._layouts.setdefault(search_id, Layouts(search_id))
        writing = Writing(search_id, token, self._ranking(search_id), layouts)
        yield writing
        if writing:
            self._write(writing)
            writing.written()

    def _write(self, writing: Writing) -> None:
        def write(connection: Connection, again: bool) -> None:
            if not (again and writing.is_written(connection)):
                writing.flush(connection)

        self._transact(write)

    def _transact(self, write: Callable[[Connection, bool], None]) -> None:
        """One transaction, tried again for a while if the database does not answer.

        Args:
            write: what is done in it; it is told whether that may be in the database already: an answer may
                have been lost.
        """
        end, pause, again = time.monotonic() + self.patience, _PAUSES[0], False
        while True:
            try:
                with self._database.transaction() as connection:
                    write(connection, again)
                return
            except StoreError as error:
                left = end - time.monotonic()
                if not isinstance(error.__cause__, sa.exc.OperationalError) or left < 0:
                    raise
                if not again:
                    _logger.warning("%s; trying again for %.0f s", error, left)
            again = True
            time.sleep(min(pause, max(0.0, left)))
            pause = min(2 * pause, _PAUSES[1])

    def trials(
        self,
        search_id: int,
        *,
        statuses: Sequence[Status] | None = None,
        architecture_id: str | None = None,
    ) -> list[Trial]:
        """The trials of a search in order of asking; only those of some statuses or ids beginning so."""
        where: list[sa.ColumnElement[bool]] = []
        if statuses is not None:
            where.append(trials.c.status.in_(statuses))
        few = False
        if architecture_id is not None:
            where.append(trials.c.architecture_id.startswith(architecture_id, autoescape=True))
            if few := _is_hex(architecture_id):  # no digit comes after f
                where += [
                    trials.c.architecture_id >= architecture_id,
                    trials.c.architecture_id < architecture_id + "g",
                ]
        with self._database.reading() as connection:
            return read_trials(connection, search_id, *where, few=few)

    def ranked(self, search_id: int, top: int | None = None) -> list[Trial]:
        """Returns the trials of a search that have results, the best first, as its objectives and limits say.

        A query by an index where the search has one objective and ``top`` is given.
        """
        return [ranked.trial for ranked in self.judged(search_id, top)]

    def judged(self, search_id: int, top: int | None = None) -> list[Ranked]:
        """Returns what `ranked` does, each trial with how it was judged."""
        ranking = self._ranking(search_id)
        with self._database.reading() as connection:
            return ranked_trials(connection, search_id, ranking, top)

    def frame(self, search_id: int, *, statuses: Sequence[Status] | None = None) -> pd.DataFrame:
        """The trials of a search as a pandas frame, in order of asking; a million of them in seconds.

        Args:
            search_id: of the search.
            statuses: only those of some statuses.

        Returns:
            A frame with the columns ``number, id, status, origin, parents`` (ids, separated by spaces),
            ``score`` (first objective, higher is better), ``violation`` (of the limits; 0: they are kept;
            missing: there is no result), ``epochs, seconds, started_at, reason``; every validation
            metric and cost by its name, every test metric with ``test_`` before it, every decision by its
            path with ``decisions.`` before it, missing where it is not active.
        """
        from nas.store.columns import trial_frame

        where = [] if statuses is None else [trials.c.status.in_(statuses)]
        with self._database.reading() as connection:
            return trial_frame(connection, search_id, *where)

    def metrics(self, search_id: int, names: Sequence[str], *, feasible: bool = False) -> MetricColumns:
        """Some validation metrics of the trials of a search that have results, as columns.

        Args:
            search_id: of the search.
            names: of the metrics.
            feasible: only of those that keep the limits, and have a value for every objective.
        """
        from nas.store.columns import metric_columns

        which = trials.c.violation == 0 if feasible else trials.c.status.in_(MEASURED)
        with self._database.reading() as connection:
            return metric_columns(connection, search_id, names, which)

    def counts(self, search_id: int) -> dict[Status, int]:
        """How many trials of a search have each status; only those that some have."""
        query = sa.select(trials.c.status, sa.func.count()).where(trials.c.search_id == search_id)
        with self._database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(trials.c.status))}

    def count_trials(self, search_id: int, statuses: Sequence[Status] = TRAINED) -> int:
        """How many trials of a search have one of these statuses."""
        query = sa.select(sa.func.count()).where(
            trials.c.search_id == search_id, trials.c.status.in_(statuses)
        )
        with self._database.reading() as connection:
            return int(connection.scalar(query) or 0)

    def find_trial(self, architecture_id: str, search: str | int | None = None) -> tuple[SearchRecord, Trial]:
        """The best trial of the architecture whose id begins so; of the latest search that has one.

        Raises:
            UnknownNameError: there is none.
            StoreError: the beginning fits several architectures.
        """
        scope = [self.search(search)] if search is not None else self.searches()[::-1]
        for record in scope:
            found = self.trials(record.id, architecture_id=architecture_id) if architecture_id else []
            ids = sorted({trial.architecture_id for trial in found})
            if len(ids) > 1:
                raise StoreError(f"id {architecture_id!r} fits several architectures: {', '.join(ids[:5])}")
            if found:
                order = {"complete": 0, "paused": 1, "running": 2, "failed": 3}
                return record, min(found, key=lambda t: (order.get(t.status, 4), t.number))
        known = [t.architecture_id for t in self.trials(scope[0].id)[:5]] if scope else []
        raise UnknownNameError("architecture", architecture_id, known)

    def reports(self, search_id: int, number: int) -> list[EpochReport]:
        """The epochs of a trial in order."""
        return self.curves(search_id, [number]).get(number, [])

    def curves(self, search_id: int, trials: Sequence[int]) -> dict[int, list[EpochReport]]:
        """The epochs of several trials in order, by the trials' numbers; those without any are left out."""
        with self._database.reading() as connection:
            return read_curves(connection, search_id, trials)

    def legs(self, search_id: int) -> list[Leg]:
        """The legs of the trials of a search, by trial and epoch; none where trials do not pause."""
        with self._database.reading() as connection:
            return read_legs(connection, search_id)

    def last_epochs(self, search_id: int) -> dict[int, int]:
        """By trial, the last epoch that was reported."""
        with self._database.reading() as connection:
            return read_last_epochs(connection, search_id)

    def log(self, search_id: int, number: int) -> str:
        """The end of what a trial printed."""
        with self._database.reading() as connection:
            return read_log(connection, search_id, number)

    def usage(self, search_id: int) -> list[tuple[float, Usage]]:
        """How the workers' time was spent, with the seconds of the search at which that was asked."""
        with self._database.reading() as connection:
            return read_usage(connection, search_id)

    def starts(self, search_id: int) -> list[Start]:
        """The older results that a search started from."""
        with self._database.reading() as connection:
            return read_starts(connection, search_id)

    def _ranking(self, search_id: int) -> Ranking:
        """By what the trials of a search are ranked: that never changes."""
        if search_id not in self._rankings:
            query = sa.select(searches.c.description).where(searches.c.id == search_id)
            with self._database.reading() as connection:
                description = connection.scalar(query)
            self._rankings[search_id] = Ranking.of(description or {})
        return self._rankings[search_id]

    # -- weights -------------------------------------------------------------------------------------------

    def weights(self, search_id: int, number: int) -> bytes | None:
        """The weights of a trial (safetensors), if they were kept."""
        here = sa.and_(weights.c.search_id == search_id, weights.c.number == number)
        with self._database.reading() as connection:
            data: bytes | None = connection.scalar(sa.select(weights.c.data).where(here))
        return data

    def kept_weights(self, search_id: int) -> set[int]:
        """The numbers of the trials of a search whose weights are kept."""
        query = sa.select(weights.c.number).where(weights.c.search_id == search_id)
        with self._database.reading() as connection:
            return set(connection.scalars(query))


def open_store(store: str | Path | Store, *, create: bool = False) -> AbstractContextManager[Store]:
    """A store to be used and let go of; one that is open already stays open."""
    return nullcontext(store) if isinstance(store, Store) else Store(store, create=create)


def _is_hex(text: str) -> bool:
    return text != "" and not text.strip("0123456789abcdef")
