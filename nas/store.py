"""The result store: the truth about every search. SQLite by default, PostgreSQL for a team."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, make_url

from nas.records import TRAINED, EpochReport, SearchRecord, Status, Trial
from nas.schema import VERSION, meta, metadata, reports, searches, trials, weights
from search_spaces.errors import StoreError, UnknownNameError

DEFAULT_STORE = "sqlite:///nas.db"


class Store:
    """Searches, trials, epochs and weights in one database.

    Writes happen in a `Writing`, one transaction for a batch of records: what `writing` has left is durable
    against the death of any process (SQLite in write-ahead mode; readers are never blocked).

    Args:
        url: an SQLAlchemy URL (``sqlite:///nas.db``, ``postgresql+psycopg://user@host/db``) or a path.
        create: make the store if there is none.

    Raises:
        StoreError: there is no store there, or it cannot be opened.
    """

    def __init__(self, url: str | Path = DEFAULT_STORE, *, create: bool = False) -> None:
        self.url = _url(url)
        self.engine = self._open(create)

    def _open(self, create: bool) -> Engine:
        try:
            url = make_url(self.url)
        except sa.exc.ArgumentError:
            raise StoreError(
                f"store {self.url!r}: expected a URL like sqlite:///nas.db or postgresql://host/name"
            ) from None
        sqlite = url.get_backend_name() == "sqlite"
        in_memory = sqlite and url.database in (None, "", ":memory:")
        if sqlite and not in_memory:
            file = str(url.database)
            if not create and not Path(file).exists():
                raise StoreError(f"no store at {file}: run a search first, or name another with --store")
            if not Path(file).parent.is_dir():
                raise StoreError(f"store {file}: there is no folder {Path(file).parent}")
        with _mapped(self.url):
            # a database in memory is one connection's own
            engine = sa.create_engine(url, poolclass=sa.pool.StaticPool if in_memory else None)
            if sqlite:
                sa.event.listen(engine, "connect", _prepare_sqlite)
            self._check_version(engine, create)
        return engine

    def _check_version(self, engine: Engine, create: bool) -> None:
        if not sa.inspect(engine).has_table(meta.name):
            if not create:
                raise StoreError(f"{self.url} is no result store: run a search first, or name another one")
            with engine.begin() as connection:
                metadata.create_all(connection)
                connection.execute(meta.insert().values(key="version", value=str(VERSION)))
        with engine.connect() as connection:
            version = connection.scalar(sa.select(meta.c.value).where(meta.c.key == "version"))
        if version != str(VERSION):
            raise StoreError(f"{self.url} has schema version {version}, this program reads version {VERSION}")

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- searches ------------------------------------------------------------------------------------------

    def create_search(self, name: str, description: Mapping[str, Any]) -> SearchRecord:
        """A new search of that name.

        Raises:
            StoreError: the name is taken.
        """
        row = {"name": name, "status": "running", "created_at": time.time(), "description": description}
        try:
            with _mapped(self.url), self.engine.begin() as connection:
                connection.execute(searches.insert().values(**row))
        except StoreError as error:
            if isinstance(error.__cause__, sa.exc.IntegrityError):
                raise StoreError(
                    f"the store has a search named {name!r} already: resume it or choose another name"
                ) from None
            raise
        return self.search(name)

    def update_search(self, search_id: int, **values: Any) -> None:
        """Set columns of a search (``status``, ``reason``, ``elapsed_seconds``, ``description``)."""
        with _mapped(self.url), self.engine.begin() as connection:
            connection.execute(searches.update().where(searches.c.id == search_id).values(**values))

    def searches(self) -> list[SearchRecord]:
        """Every search, the latest last."""
        with _mapped(self.url), self.engine.connect() as connection:
            rows = connection.execute(sa.select(searches).order_by(searches.c.id)).mappings().all()
        return [SearchRecord(**row) for row in rows]

    def search(self, name: str | None = None) -> SearchRecord:
        """The search of that name or number; the latest where none is given.

        Raises:
            UnknownNameError: there is none.
        """
        query = sa.select(searches).order_by(searches.c.id.desc()).limit(1)
        if name is not None:
            number = int(name) if name.isascii() and name.isdigit() else -1
            query = query.where(sa.or_(searches.c.name == name, searches.c.id == number))
        with _mapped(self.url), self.engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            if name is None:
                raise StoreError(f"{self.url} holds no search yet: run one first")
            raise UnknownNameError("search", name, [search.name for search in self.searches()])
        return SearchRecord(**row)

    def free_name(self, stem: str) -> str:
        """A name that no search has yet: ``stem-1``, ``stem-2``, ..."""
        taken = {search.name for search in self.searches()}
        return next(name for n in range(1, len(taken) + 2) if (name := f"{stem}-{n}") not in taken)

    # -- trials --------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """A batch of records in one transaction, durable when the block is left."""
        with _mapped(self.url), self.engine.begin() as connection:
            yield Writing(connection)

    def trials(
        self,
        search_id: int,
        *,
        statuses: Sequence[Status] | None = None,
        architecture_id: str | None = None,
    ) -> list[Trial]:
        """The trials of a search in order of asking; only those of some statuses or ids beginning so."""
        query = sa.select(trials).where(trials.c.search_id == search_id).order_by(trials.c.number)
        if statuses is not None:
            query = query.where(trials.c.status.in_(statuses))
        if architecture_id is not None:
            query = query.where(trials.c.architecture_id.startswith(architecture_id, autoescape=True))
        with _mapped(self.url), self.engine.connect() as connection:
            return [_trial(row) for row in connection.execute(query).mappings()]

    def count_trials(self, search_id: int, statuses: Sequence[Status] = TRAINED) -> int:
        """How many trials of a search have one of these statuses."""
        query = sa.select(sa.func.count()).where(
            trials.c.search_id == search_id, trials.c.status.in_(statuses)
        )
        with _mapped(self.url), self.engine.connect() as connection:
            return int(connection.scalar(query) or 0)

    def find_trial(self, architecture_id: str, search: str | None = None) -> tuple[SearchRecord, Trial]:
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
                order = {"complete": 0, "running": 1, "failed": 2}
                return record, min(found, key=lambda t: (order.get(t.status, 3), t.number))
        known = [t.architecture_id for t in self.trials(scope[0].id)[:5]] if scope else []
        raise UnknownNameError("architecture", architecture_id, known)

    def reports(self, trial_id: int) -> list[EpochReport]:
        """The epochs of a trial in order."""
        query = sa.select(reports).where(reports.c.trial_id == trial_id).order_by(reports.c.epoch)
        with _mapped(self.url), self.engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [EpochReport(**{k: v for k, v in row.items() if k != "trial_id"}) for row in rows]

    def weights(self, trial_id: int) -> bytes | None:
        """The weights of a trial (safetensors), if they were kept."""
        query = sa.select(weights.c.data).where(weights.c.trial_id == trial_id)
        with _mapped(self.url), self.engine.connect() as connection:
            data: bytes | None = connection.scalar(query)
        return data

    def kept_weights(self, search_id: int) -> list[tuple[int, float]]:
        """Trials of a search whose weights are kept: ``(trial id, score)``, the worst first."""
        query = (
            sa.select(trials.c.id, trials.c.score)
            .join(weights, weights.c.trial_id == trials.c.id)
            .where(trials.c.search_id == search_id)
            .order_by(trials.c.score, trials.c.id.desc())
        )
        with _mapped(self.url), self.engine.connect() as connection:
            return [(row.id, row.score) for row in connection.execute(query)]


class Writing:
    """Records being written in one transaction; see `Store.writing`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def add(self, search_id: int, trial: Trial) -> int:
        """A new trial; gives its id."""
        row = {key: value for key, value in asdict(trial).items() if key != "id"}
        row |= {"parents": list(trial.parents), "search_id": search_id}
        result = self.connection.execute(trials.insert().values(**_finite(row)))
        (key,) = result.inserted_primary_key  # type: ignore[misc]
        return int(key)

    def update(self, trial_id: int, **values: Any) -> None:
        """Set columns of a trial."""
        self.connection.execute(trials.update().where(trials.c.id == trial_id).values(**_finite(values)))

    def report(self, trial_id: int, report: EpochReport) -> None:
        """One epoch of a trial."""
        self.connection.execute(reports.insert().values(trial_id=trial_id, **_finite(asdict(report))))

    def clear_reports(self, trial_ids: Iterable[int]) -> None:
        """Forget the epochs of trials that begin again."""
        self.connection.execute(reports.delete().where(reports.c.trial_id.in_(list(trial_ids))))

    def keep_weights(self, trial_id: int, data: bytes) -> None:
        """The weights of a trial, as safetensors."""
        self.connection.execute(weights.insert().values(trial_id=trial_id, data=data))

    def drop_weights(self, trial_id: int) -> None:
        """Forget the weights of a trial."""
        self.connection.execute(weights.delete().where(weights.c.trial_id == trial_id))

    def update_search(self, search_id: int, **values: Any) -> None:
        """Set columns of a search."""
        self.connection.execute(searches.update().where(searches.c.id == search_id).values(**values))


def _trial(row: Mapping[Any, Any]) -> Trial:
    values = {key: value for key, value in row.items() if key != "search_id"}
    values |= {
        "parents": tuple(row["parents"]),
        "metrics": row["metrics"] or {},
        "test_metrics": row["test_metrics"] or {},
    }
    return Trial(**values)


def _finite(value: Any) -> Any:
    """``value`` without the numbers that JSON and PostgreSQL cannot hold: they become None."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(member) for key, member in value.items()}
    return value


def _url(url: str | Path) -> str:
    text = str(url)
    if "://" not in text:
        return f"sqlite:///{text}"
    return text.replace("postgresql://", "postgresql+psycopg://", 1).replace(
        "postgres://", "postgresql+psycopg://", 1
    )


def _prepare_sqlite(connection: Any, _: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


@contextmanager
def _mapped(url: str) -> Iterator[None]:
    """Errors of the database as ours, with where it happened."""
    try:
        yield
    except sa.exc.NoSuchModuleError as error:
        raise StoreError(f"store {url!r}: no such kind of database ({error})") from error
    except sa.exc.SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()
        raise StoreError(f"store {url}: {cause[0] if cause else type(error).__name__}") from error
    except ModuleNotFoundError as error:
        raise StoreError(
            f"store {url}: needs the package {error.name!r} (pip install {error.name})"
        ) from error
