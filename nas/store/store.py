"""The store as its users see it: one class that writes by turns and reads what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nas.environment import DEFAULT_STORE as DEFAULT_STORE
from nas.lease import Driver
from nas.ranking import Ranked, Ranking
from nas.records import MEASURED, TRAINED, BankEpoch, EpochReport, Leg, PlanChoice, Start, Status, Trial
from nas.search_record import SearchRecord
from nas.store.copies import Copied, source_of, take
from nas.store.database import Database
from nas.store.estimated import read_estimator, with_estimates
from nas.store.histories import (
    read_bank,
    read_bank_epochs,
    read_cards,
    read_choices,
    read_curves,
    read_last_epochs,
    read_legs,
    read_log,
    read_metrics_at,
    read_starts,
    read_usage,
)
from nas.store.layouts import Layouts
from nas.store.parquet import read_folder, write_folder
from nas.store.runs import ReferenceStore, RerunStore
from nas.store.schema import trials
from nas.store.searches import (
    annotate,
    claim_search,
    delete,
    find_search,
    insert_search,
    read_ranking,
    read_searches,
)
from nas.store.trainings import read_repeats, with_repeats
from nas.store.transaction import Transaction
from nas.store.trials import (
    begins_with,
    count_by_status,
    of_status,
    ranked_trials,
    read_kept,
    read_metrics,
    read_ran,
    read_trials,
    read_weights,
)
from search_spaces.arguments import AtLeast, AtMost, Patience, Whole, checked
from search_spaces.errors import StoreError, UnknownNameError
from workers.executor import Card, Usage

if TYPE_CHECKING:
    import pandas as pd

    from nas.store.columns import MetricColumns

P = ParamSpec("P")
T = TypeVar("T")


Number = Annotated[int, AtLeast(-(2**63)), AtMost(2**63 - 1)]
"""The number of a search or a trial, as databases hold it."""


class Store:
    """Searches, trials, epochs and weights in one database.

    What `writing` gathers goes into one transaction, durable against the death of any process when the block
    is left (SQLite in write-ahead mode: readers are never blocked, and a power cut may cost the last turns,
    never the database).

    Args:
        url: an SQLAlchemy URL (``sqlite:///nas.db``, ``postgresql://user@host/db``) or a path;
            ``sqlite://`` is a store in memory, which ends with the `Store`.
        create: whether to make the store if there is none.
        patience: the seconds that `writing` goes on trying while the database does not answer, is locked or
            has no room left.

    Attributes:
        url: the URL as text, without a password.
        references: the single-task runs, for all searches together.
        reruns: the trainings of what was found, again with other seeds.

    Raises:
        StoreError: there is no store there, or it cannot be opened.
    """

    @checked(StoreError)
    def __init__(
        self, url: str | Path = DEFAULT_STORE, *, create: bool = False, patience: Patience = 120.0
    ) -> None:
        self._database = Database(url, create, patience)
        self.url = self._database.url
        self.references = ReferenceStore(self._database)
        self.reruns = RerunStore(self._database)
        self._rankings: dict[int, Ranking] = {}
        self._layouts: dict[int, Layouts] = {}

    def close(self) -> None:
        """Lets go of the database."""
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- searches ------------------------------------------------------------------------------------------

    @checked(StoreError)
    def create_search(
        self,
        name: str,
        description: Mapping[str, Any],
        driver: Driver | None = None,
        given: Sequence[Start] = (),
    ) -> SearchRecord:
        """Adds a search of that name, driven by ``driver``, that starts from the results ``given``.

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
        return self.search(made)

    @checked(StoreError)
    def claim(self, search_id: Number, driver: Driver, description: Mapping[str, Any]) -> None:
        """Lets ``driver`` go on with a search that nobody drives.

        Raises:
            SearchError: somebody does.
        """
        with self._database.transaction() as connection:
            claim_search(connection, search_id, driver, description)

    def searches(self) -> list[SearchRecord]:
        """Returns every search, the latest last, also damaged ones (see `nas.description.readable`)."""
        return self._read(read_searches)

    @checked(StoreError)
    def search(self, name: str | int | None = None) -> SearchRecord:
        """Returns the search of that name or number; the latest where none is given.

        A name counts before a number: a search may be named ``7``.

        Raises:
            UnknownNameError: there is none.
        """
        found = self._read(find_search, name)
        if found is None:
            if name is None:
                raise StoreError(f"{self._database.name} holds no search yet: run one first")
            raise UnknownNameError("search", str(name), [search.name for search in self.searches()])
        return found

    @checked(StoreError)
    def free_name(self, stem: str) -> str:
        """Returns a name that no search has yet: ``stem-1``, ``stem-2``, ..."""
        taken = {search.name for search in self.searches()}
        return next(name for n in range(1, len(taken) + 2) if (name := f"{stem}-{n}") not in taken)

    @checked(StoreError)
    def annotate(
        self, search: str | int | None, *, tags: Iterable[str] | None = None, notes: str | None = None
    ) -> SearchRecord:
        """Puts tags and notes in place of those that a search has; what is None stays.

        Raises:
            UnknownNameError: there is no such search.
            StoreError: a tag is no word.
        """
        record = self.search(search)
        with self._database.transaction() as connection:
            annotate(connection, record, tags, notes)
        return self.search(record.id)

    @checked(StoreError)
    def delete(self, search: str | int) -> SearchRecord:
        """Forgets a search with its trials, weights and logs, and the references that no other search has.

        Raises:
            UnknownNameError: there is no such search.
            SearchError: it is being driven.
        """
        record = self.search(search)
        with self._database.transaction() as connection:
            delete(connection, record)
        return record

    def vacuum(self) -> None:
        """Makes the file of a store as small as it can be after a deletion; nobody may be writing to it."""
        self._database.vacuum()

    @checked(StoreError)
    def copy(self, target: Store, search: str | int | None = None) -> Copied:
        """Copies all searches of this store, or one, to another store; see `nas.store.copies.take`.

        Raises:
            UnknownNameError: there is no such search.
            StoreError: the other has another search of that name, or is this one.
        """
        if target is self or self._database.is_at(target._database):
            raise StoreError(f"{self.url}: expected two stores, got one twice")
        with source_of(self._database, self._id_of(search)) as source:
            return take(source, target._database)

    @checked(StoreError)
    def export(self, folder: str | Path, search: str | int | None = None) -> list[str]:
        """Writes all searches, or one, as Parquet to a folder; returns their names. See `nas.store.parquet`.

        Raises:
            UnknownNameError: there is no such search.
            StoreError: the folder has something in it, or pyarrow is not installed.
        """
        return write_folder(self._database, self._id_of(search), Path(folder))

    @checked(StoreError)
    def import_folder(self, folder: str | Path) -> Copied:
        """Takes in the searches that were exported to a folder.

        Raises:
            StoreError: it is no such folder, or this store has another search of a name in it.
        """
        return read_folder(Path(folder), self._database)

    def _id_of(self, search: str | int | None) -> int | None:
        return None if search is None else self.search(search).id

    # -- trials --------------------------------------------------------------------------------------------

    @checked(StoreError)
    @contextmanager
    def writing(self, search_id: Number, driver: Driver | None = None) -> Iterator[Transaction]:
        """Returns a transaction that is written when the block is left, if it is left well.

        While the database does not answer it is tried again, and written once.

        Args:
            search_id: the number of the search that is written about.
            driver: the process that writes; an error if it is not, or no longer, the driver of the search.
        """
        token = None if driver is None else driver.to_json()
        layouts = self._layouts.setdefault(search_id, Layouts(search_id))
        transaction = Transaction(search_id, token, self._ranking(search_id), layouts)
        yield transaction
        if transaction:
            self._database.write(transaction.write)
            transaction.written()

    @checked(StoreError)
    def trials(
        self,
        search_id: Number,
        *,
        statuses: Sequence[Status] | None = None,
        architecture_id: str | None = None,
    ) -> list[Trial]:
        """Returns the trials of a search in order of asking, of some statuses or with ids that begin so."""
        where, few = ([], False) if architecture_id is None else begins_with(architecture_id)
        if statuses is not None:
            where.append(of_status(statuses))
        return self._read(read_trials, search_id, *where, few=few)

    @checked(StoreError)
    def ranked(self, search_id: Number, top: Whole | None = None) -> list[Trial]:
        """Returns the trials of a search that have results, the best first, as its objectives and limits say.

        Where it is known what networks are worth (`nas.estimates`) those that came to their ends are ranked
        by that; one whose best training is a repeat has the results of that (`of_kept_trainings`). A query by
        an index where the search has one objective and ``top`` is given.
        """
        return [ranked.trial for ranked in self.judged(search_id, top)]

    @checked(StoreError)
    def judged(self, search_id: Number, top: Whole | None = None, *, estimated: bool = True) -> list[Ranked]:
        """Returns what `ranked` does, each trial with how it was judged and what its weights are worth.

        Args:
            search_id: the number of the search.
            top: the number of trials at the most; None: all.
            estimated: whether networks are estimated at all, and ranked by that; else by their scores.
        """
        ranking = self._ranking(search_id)
        return self._read(ranked_trials, search_id, ranking, top, estimated=estimated)

    @checked(StoreError)
    def estimated(self, search_id: Number, judged: Sequence[Ranked]) -> list[Ranked]:
        """Returns judged trials of a search as `judged` has them, in the order in which they come."""
        ranking = self._ranking(search_id)
        trials = self.of_kept_trainings(search_id, [one.trial for one in judged])
        return with_estimates(map(ranking.judge, trials), self._read(read_estimator, search_id, ranking))

    @checked(StoreError)
    def of_kept_trainings(self, search_id: Number, trials: Sequence[Trial]) -> list[Trial]:
        """Returns trials of a search with the results of the trainings whose weights are kept.

        They are those of the trials themselves but for some that were trained again, and ended better.
        """
        return with_repeats(trials, self._read(read_repeats, search_id), self._ranking(search_id))

    @checked(StoreError)
    def frame(self, search_id: Number, *, statuses: Sequence[Status] | None = None) -> pd.DataFrame:
        """Returns the trials of a search as a pandas frame, in order of asking; a million of them in seconds.

        Args:
            search_id: the number of the search.
            statuses: the statuses of the trials that are wanted; None: all.

        Returns:
            A frame with the columns ``number, id, status, origin, parents`` (ids, separated by spaces),
            ``score`` (first objective, higher is better), ``violation`` (of the limits; 0: they are kept;
            missing: there is no result), ``epochs, seconds, started_at, reason``; what ran
            (`workers.acceleration.Ran`): ``device, precision, compiled, graphs, deterministic``, missing
            where that is unknown; every validation metric and cost by its name, every test metric with
            ``test_`` before it, every decision by its path with ``decisions.`` before it, missing where it is
            not active.
        """
        from nas.store.columns import trial_frame

        where = [] if statuses is None else [of_status(statuses)]
        return self._read(trial_frame, search_id, *where)

    @checked(StoreError)
    def metrics(self, search_id: Number, names: Sequence[str], *, feasible: bool = False) -> MetricColumns:
        """Returns some validation metrics of the trials of a search that have results, as columns.

        They are of the trainings whose weights are kept, as `judged` has them.

        Args:
            search_id: the number of the search.
            names: the names of the metrics.
            feasible: whether only trials count that keep the limits, and have a value for every objective.
        """
        which = trials.c.violation == 0 if feasible else of_status(MEASURED)
        return self._read(read_metrics, search_id, self._ranking(search_id), names, which)

    @checked(StoreError)
    def counts(self, search_id: Number) -> dict[Status, int]:
        """Returns how many trials of a search have each status; only those that some have."""
        return self._read(count_by_status, search_id)

    @checked(StoreError)
    def count_trials(self, search_id: Number, statuses: Sequence[Status] = TRAINED) -> int:
        """Returns how many trials of a search have one of these statuses."""
        counts = self.counts(search_id)
        return sum(counts.get(status, 0) for status in statuses)

    @checked(StoreError)
    def find_trial(self, architecture_id: str, search: str | int | None = None) -> tuple[SearchRecord, Trial]:
        """Returns the best trial of the architecture whose id begins so; of the latest search that has one.

        It has the results of the training whose weights are kept.

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
                first = min(found, key=lambda t: (order.get(t.status, 4), t.number))
                return record, self.of_kept_trainings(record.id, [first])[0]
        known = [t.architecture_id for t in self.trials(scope[0].id)[:5]] if scope else []
        raise UnknownNameError("architecture", architecture_id, known)

    @checked(StoreError)
    def reports(self, search_id: Number, number: Number) -> list[EpochReport]:
        """Returns the epochs of a trial in order."""
        return self.curves(search_id, [number]).get(number, [])

    @checked(StoreError)
    def curves(self, search_id: Number, trials: Sequence[Number]) -> dict[int, list[EpochReport]]:
        """Returns the epochs of several trials in order, by number; trials without any are left out."""
        return self._read(read_curves, search_id, trials)

    @checked(StoreError)
    def legs(self, search_id: Number) -> list[Leg]:
        """Returns the segments of trainings, by trial and epoch; none where trials do not pause."""
        return self._read(read_legs, search_id)

    @checked(StoreError)
    def last_epochs(self, search_id: Number) -> dict[int, int]:
        """Returns by trial the last epoch that was reported."""
        return self._read(read_last_epochs, search_id)

    @checked(StoreError)
    def metrics_at(
        self, search_id: Number, epochs: Collection[Number]
    ) -> dict[tuple[int, int], dict[str, float]]:
        """Returns the metrics of trials after these epochs, by trial and epoch."""
        return self._read(read_metrics_at, search_id, epochs)

    @checked(StoreError)
    def log(self, search_id: Number, number: Number) -> str:
        """Returns the end of what a trial printed."""
        return self._read(read_log, search_id, number)

    @checked(StoreError)
    def usage(self, search_id: Number) -> list[tuple[float, Usage]]:
        """Returns how the workers' time was spent, with the seconds of the search at which that was asked."""
        return self._read(read_usage, search_id)

    @checked(StoreError)
    def cards(self, search_id: Number) -> list[tuple[float, Card]]:
        """Returns what each card did, with the seconds of the search at which that was."""
        return self._read(read_cards, search_id)

    @checked(StoreError)
    def choices(self, search_id: Number) -> list[PlanChoice]:
        """Returns what the plan of a search has chosen, in that order."""
        return self._read(read_choices, search_id)

    @checked(StoreError)
    def bank_epochs(self, search_id: Number) -> list[BankEpoch]:
        """Returns the epochs for which the bank of shared weights of a search was trained."""
        return self._read(read_bank_epochs, search_id)

    @checked(StoreError)
    def bank(self, search_id: Number) -> bytes | None:
        """Returns the bank of shared weights of a search as it was last kept (safetensors)."""
        return self._read(read_bank, search_id)

    @checked(StoreError)
    def ran(self, search_id: Number) -> list[tuple[dict[str, str], int]]:
        """Returns what ran in the trainings of a search, each with the number of its trials, the most first.

        See `workers.acceleration.Ran`. Trials of which that is unknown are left out.
        """
        return self._read(read_ran, search_id)

    @checked(StoreError)
    def starts(self, search_id: Number) -> list[Start]:
        """Returns the older results that a search started from."""
        return self._read(read_starts, search_id)

    def _ranking(self, search_id: Number) -> Ranking:
        """Returns by what the trials of a search are ranked: that never changes."""
        if search_id not in self._rankings:
            self._rankings[search_id] = self._read(read_ranking, search_id)
        return self._rankings[search_id]

    # -- weights -------------------------------------------------------------------------------------------

    @checked(StoreError)
    def weights(self, search_id: Number, number: Number) -> bytes | None:
        """Returns the weights of the best training of a trial (safetensors), if they were kept."""
        return self._read(read_weights, search_id, number)

    @checked(StoreError)
    def kept_weights(self, search_id: Number) -> set[int]:
        """Returns the numbers of the trials of a search whose weights are kept."""
        return self._read(read_kept, search_id)

    def _read(self, read: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Returns what a function reads through a connection, all of it of one moment."""
        return self._database.read(read, *args, **kwargs)


@checked(StoreError)
def open_store(store: str | Path | Store, *, create: bool = False) -> AbstractContextManager[Store]:
    """Returns a store to be used and let go of; one that is open already stays open."""
    return nullcontext(store) if isinstance(store, Store) else Store(store, create=create)
