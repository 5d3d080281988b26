"""The database of a store, by SQLAlchemy: opened, its errors in our words, its transactions where we say."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, make_url

from nas.files import is_file
from nas.passwords import has_password, without_password, without_passwords
from nas.store.damages import Damages
from nas.store.migrations import migrate
from nas.store.schema import VERSION, meta, metadata
from nas.store.sqlite_files import SqliteFile, copied
from search_spaces.errors import StoreError

_logger = logging.getLogger(__name__)

_ATTEMPTS = 4
"""How often something is read that changes while it is."""

P = ParamSpec("P")
T = TypeVar("T")

_PAUSES = 0.1, 5.0
"""Seconds between attempts to write to a database that does not answer: the first, and the longest."""


class Database:
    """The database of a store: it is there, and it has our tables, brought to this version.

    Args:
        url: the URL or the path, see `nas.store.Store`.
        create: whether to make the tables, and the file, if there are none.
        patience: the seconds that `write` goes on trying.

    Attributes:
        name: the name for messages, without a password.
        url: the URL as text, without a password.

    Raises:
        StoreError: there is none, it cannot be opened, or it is something else.
    """

    def __init__(self, url: str | Path, create: bool, patience: float) -> None:
        self._url, self._patience = _url(url), patience
        self._given = url
        # of a password that is taken for something else a part would be left
        masked = without_password(url) if has_password(url) else None
        self.url = masked or self._url.render_as_string(hide_password=True)
        self._sqlite = self._url.get_backend_name() == "sqlite"
        self._file = SqliteFile.of(self._url)
        shared = self._sqlite and self._file is None
        self.name = masked or str(self._file.path if self._file else self.url)
        # a database in memory has one connection: its users take turns
        self._turn: AbstractContextManager[Any] = threading.RLock() if shared else nullcontext()
        new = False
        if self._file is not None:
            try:
                self._file.check()
                new = not self._file.exists
            except StoreError as error:
                raise (StoreError(f"store {self.name} cannot be used") if masked else error) from None
            if new and not create:
                raise StoreError(f"no store at {self.name}: run a search first, or name another with --store")
            if create and self._file.read_only:
                raise StoreError(
                    f"store {self.name}: its URL says that it is only read: leave out ?mode= here"
                )
        self._damages = Damages(self.name)
        self._lenient = False  # whether bytes come for texts that are no UTF-8
        with self._mapped():
            self._engine = self._make_engine(shared, new)
            if create:
                self._create()
            self._check_version()

    def _make_engine(self, shared: bool, new: bool) -> sa.Engine:
        said = self._options()
        if not self._sqlite:
            return sa.create_engine(self._url, pool_pre_ping=True, execution_options=said)
        options: dict[str, Any] = {"execution_options": said}
        if shared:
            options |= {"poolclass": sa.pool.StaticPool, "connect_args": {"check_same_thread": False}}
        elif self._file is not None:
            # each connection looks anew at what can be written
            pool = sa.pool.QueuePool if self._file.writable else sa.pool.NullPool
            options |= {"creator": self._file.connect, "poolclass": pool}
        engine = sa.create_engine("sqlite://", **options)
        pragmas = ["synchronous=NORMAL", "busy_timeout=30000", "foreign_keys=ON"]
        if new:
            pragmas.append("journal_mode=WAL")  # stays with the file; those of others are left as they are

        def prepare(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # transactions begin where we say
            if self._lenient:
                connection.text_factory = _text
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")

        sa.event.listen(engine, "connect", prepare)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _options(self) -> dict[str, Any]:
        """Returns what each connection knows of its store."""
        return {"nas_damages": self._damages}

    def _create(self) -> None:
        """Makes the tables, all or none, if they are not there."""
        with self.transaction() as connection:
            self._lock(connection)  # two who begin at once must not make them twice
            if not sa.inspect(connection).has_table(meta.name):
                metadata.create_all(connection)
                connection.execute(meta.insert().values(key="version", value=str(VERSION)))

    def _check_version(self) -> None:
        with self.reading() as connection:
            if not sa.inspect(connection).has_table(meta.name):
                raise StoreError(f"{self.name} is no result store: run a search first, or name another one")
            version = _version(connection)
        if version == str(VERSION):
            return
        if self._file is not None and not self._file.writable:
            self._read_a_copy(version)
        self._migrate()

    def _read_a_copy(self, version: str) -> None:
        """Goes on with a copy of what cannot be brought to this version where it is."""
        _logger.warning(
            "%s has schema version %s and cannot be written to: a copy of it is brought to version %s, and "
            "read as it is now",
            *(self.name, version, VERSION),
        )
        assert self._file is not None
        with closing(self._file.connect()) as connection:
            copy = copied(connection)
        self._engine.dispose()
        self._turn = threading.RLock()
        self._engine = sa.create_engine(
            "sqlite://", creator=lambda: copy, poolclass=sa.pool.StaticPool, execution_options=self._options()
        )
        sa.event.listen(self._engine, "begin", _begin_sqlite)

    def _migrate(self) -> None:
        """Brings the tables to this version, in one transaction; others wait for it, or find it done."""
        with self._turn, self._mapped(), self._engine.connect() as connection:
            if self._sqlite:  # tables are made anew: what refers to them must not be deleted meanwhile
                connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")
            connection.execution_options(nas_writes=True)
            try:
                with connection.begin():
                    self._lock(connection)
                    version = _version(connection)
                    if version == str(VERSION):
                        return
                    self._check_migratable(connection, version)
                    migrate(connection, self.name, version, str(VERSION))
                    if self._sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                        raise StoreError(f"{self.name}: some of its records belong to no trial")
            finally:
                if isinstance(self._engine.pool, sa.pool.StaticPool):  # it has no other
                    connection.connection.cursor().execute("PRAGMA foreign_keys=ON")
                else:
                    connection.detach()  # with its settings; the next one is new

    def _check_migratable(self, connection: Connection, version: str) -> None:
        """Raises StoreError where the role at a server may not change the tables."""
        if self._sqlite:
            return
        owner = "SELECT pg_has_role(tableowner, 'USAGE') FROM pg_tables WHERE tablename = 'nas_meta'"
        may = connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "off"
        if not (may and connection.exec_driver_sql(owner).scalar()):
            raise StoreError(
                f"store {self.name} has schema version {version}, and this role may not bring it to version "
                f"{VERSION}: let its owner open it once (nas list searches --store ...), or copy it"
            )

    def _lock(self, connection: Connection) -> None:
        """Waits until nobody else makes or changes tables; in PostgreSQL, for SQLite locks by itself."""
        if not self._sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(7301)))

    def is_at(self, other: Database) -> bool:
        """Whether this is the same database as another one; in memory each is its own."""
        return self._url == other._url and not in_memory(self._given)

    def close(self) -> None:
        """Lets go of the database."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Returns a connection to read with: all that it ever reads is of one moment."""
        with self._turn, self._mapped(), self._engine.connect() as connection:
            if not self._sqlite:  # there each statement would have a moment of its own
                connection.execution_options(isolation_level="REPEATABLE READ")
            before = self._stamp()
            yield connection
            if before != self._stamp():
                raise StoreError(f"store {self.name} was written to while it was read: read it once more")

    def read(self, read: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Returns what a function reads through a connection, all of it of one moment.

        It is read again where a file that is read without locks has changed meanwhile, and where there is a
        text that is none: then its bytes come, so that who reads them can name the row.
        """
        left = _ATTEMPTS
        while True:
            before, left = self._stamp(), left - 1
            try:
                with self.reading() as connection:
                    return read(connection, *args, **kwargs)
            except StoreError as error:
                no_text = not self._lenient and self._file is not None and "Could not decode" in str(error)
                if not left or not (no_text or before != self._stamp()):
                    raise
                if no_text:
                    self._lenient = True  # slower, for all that is read from now on
                    self._engine.dispose()

    def _stamp(self) -> tuple[int, int] | None:
        """Returns what changes with a file that is read without locks; None where there are locks."""
        reads_only = self._file is not None and isinstance(self._engine.pool, sa.pool.NullPool)
        return self._file.stamp() if self._file is not None and reads_only else None

    def vacuum(self) -> None:
        """Returns the room of what was deleted to the system. A server does that by itself."""
        if self._sqlite:
            with self._turn, self._mapped(), self._engine.connect() as connection:
                cursor = connection.connection.cursor()
                cursor.execute("VACUUM")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Returns a connection to write with, committed when the block is left well.

        In SQLite it has the lock from its start, so that it waits for others and does not fail.
        """
        with self._turn, self._mapped(), self._engine.connect() as connection:
            connection.execution_options(nas_writes=True)
            with connection.begin():
                yield connection

    def write(self, work: Callable[[Connection, bool], None]) -> None:
        """Does something in one transaction, again and again for a while if the database does not answer.

        Args:
            work: what is done in the transaction; it is told whether that may be in the database already: an
                answer may have been lost.
        """
        end, pause, again = time.monotonic() + self._patience, _PAUSES[0], False
        while True:
            try:
                with self.transaction() as connection:
                    work(connection, again)
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

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """Raises errors of the database as ours, with where it happened."""
        try:
            yield
        except sa.exc.NoSuchModuleError as error:
            raise StoreError(f"store {self.name}: no such kind of database ({error})") from error
        except sa.exc.DBAPIError as error:
            raise StoreError(f"store {self.name}: {self._said(error.orig)}") from error
        except (sa.exc.SQLAlchemyError, sqlite3.Error, ValueError) as error:
            said = self._said(error)
            raise StoreError(f"store {self.name}: {said}") from (error if said in str(error) else None)
        except ModuleNotFoundError as error:
            missing = f"needs the package {error.name!r} (pip install {error.name})"
            raise StoreError(f"store {self.name}: {missing}") from error

    def _said(self, error: BaseException | None) -> str:
        """Returns what an error says, in one line without a password."""
        return without_passwords(_first_line(error), self._given)


def in_memory(url: str | Path) -> bool:
    """Whether a store of this URL ends with the object that opened it."""
    found = _url(url)
    return found.get_backend_name() == "sqlite" and SqliteFile.of(found) is None


def sqlite_file(url: str | Path) -> Path | None:
    """Returns the file that the URL of a store names; None for a server. It is relative in memory."""
    found = _url(url)
    if found.get_backend_name() != "sqlite":
        return None
    file = SqliteFile.of(found)
    return Path(str(found.database)) if file is None else file.path


def _url(url: str | Path) -> sa.URL:
    text = str(url)
    wanted = "expected a URL like sqlite:///nas.db or postgresql://host/name, or a path"
    if "://" not in text:
        if has_password(text) and not is_file(text):  # a URL that was written wrongly
            raise StoreError(f"store {without_password(text)!r}: {wanted}")
        try:
            return sa.URL.create("sqlite", database=str(Path(text).expanduser()))
        except RuntimeError as error:  # a home of nobody
            raise StoreError(f"store {text!r}: {error}") from None
    try:
        found = make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise StoreError(f"store {without_password(text)!r}: {wanted}") from None
    if found.drivername in ("postgresql", "postgres"):
        return found.set(drivername="postgresql+psycopg")
    return found


def _version(connection: Connection) -> str:
    return str(connection.scalar(sa.select(meta.c.value).where(meta.c.key == "version")))


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("nas_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _first_line(error: BaseException | None) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
