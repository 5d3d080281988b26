"""Files of SQLite: what a URL says of one, and how it is opened where it cannot be written to."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote

import sqlalchemy as sa

from search_spaces.errors import StoreError

_MODES = "ro", "rw", "rwc"


@dataclass(frozen=True)
class SqliteFile:
    """A database in a file, as SQLite opens it.

    Attributes:
        path: the path of the file.
        read_only: whether the URL says that it is only read (``mode=ro``, or ``immutable=1``).
        immutable: whether the URL says that nobody writes to it (``immutable=1``): SQLite then needs neither
            a lock nor files beside it.
    """

    path: Path
    read_only: bool = False
    immutable: bool = False

    @staticmethod
    def of(url: sa.URL) -> SqliteFile | None:
        """Returns the file that a URL of SQLite names; None for a database in memory, or of another kind.

        ``?mode=`` and ``?immutable=`` are read with ``sqlite:///nas.db`` as with ``sqlite:///file:nas.db``.

        Raises:
            StoreError: a mode that SQLite does not have, or a host, which no file has.
        """
        if url.get_backend_name() != "sqlite":
            return None
        if url.host or url.port or url.username or url.password:
            raise StoreError("a file of SQLite has no host: expected a URL like sqlite:///nas.db, or a path")
        name = url.database or ""
        said = {key: value for key, value in url.query.items() if isinstance(value, str)}
        if name.startswith("file:"):
            name, _, query = name.removeprefix("file:").partition("?")
            said |= dict(parse_qsl(query))
            if name.startswith("//"):  # an authority, which is empty or localhost
                name = "/" + name[2:].partition("/")[2]
            name = unquote(name)
        if name in ("", ":memory:") or said.get("mode") == "memory":
            return None
        mode, immutable = said.get("mode"), said.get("immutable", "0") not in ("0", "no", "off", "false")
        if mode is not None and mode not in _MODES:
            raise StoreError(f"store {name}: expected ?mode={'|'.join(_MODES)}, got mode={mode!r}")
        return SqliteFile(Path(name), mode == "ro" or immutable, immutable)

    @property
    def exists(self) -> bool:
        """Whether there is anything at the path."""
        try:
            return self.path.exists()
        except OSError:  # such as a name that is too long
            return False

    def check(self) -> None:
        """Checks that it can be a database: what is no file might never end.

        Raises:
            StoreError: it is a folder, a pipe, a device, or cannot be looked at.
        """
        try:
            if not self.path.parent.is_dir():
                raise StoreError(f"store {self.path}: there is no folder {self.path.parent}")
            if self.path.exists() and not stat.S_ISREG(self.path.stat().st_mode):
                raise StoreError(f"store {self.path}: expected a file, and it is none")
        except (OSError, ValueError) as error:
            raise StoreError(f"store {self.path}: {error}") from error

    def connect(self, timeout: float = 5.0) -> sqlite3.Connection:
        """Opens the file, read-only where it cannot be written to.

        Write-ahead mode needs a file beside the database even to read it. In a folder that takes none, and
        where no such file is, nobody can be writing: it is read as one that does not change.

        Raises:
            StoreError: others have written what only the file beside it holds, and that cannot be read here.
            sqlite3.Error: it is none of SQLite's.
        """
        if self.immutable or (self.read_only and self._at_rest()):
            return self._open("immutable=1", timeout)
        made = self._open("mode=ro" if self.read_only else "mode=rwc", timeout)
        try:
            made.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return made
        except sqlite3.OperationalError:
            made.close()
            if not (self._ahead() and self._closed()):
                raise
        if not self._at_rest():
            raise StoreError(
                f"store {self.path}: it cannot be read without writing beside it, and what was written last "
                f"is in {self._log.name}: copy both files to a folder of your own, and name that copy"
            )
        return self._open("immutable=1", timeout)

    def stamp(self) -> tuple[int, int]:
        """Returns what changes when the file does: its size in bytes, and when it was written."""
        try:
            found = self.path.stat()
        except OSError:
            return -1, -1
        return found.st_size, found.st_mtime_ns

    @property
    def _log(self) -> Path:
        """The file with what was written ahead."""
        return Path(f"{self.path}-wal")

    def _ahead(self) -> bool:
        """Whether it is written ahead: its header says so."""
        try:
            with open(self.path, "rb") as file:
                return file.read(20)[18:] == b"\2\2"
        except OSError:
            return False

    def _at_rest(self) -> bool:
        """Whether all that was written ahead is in the file, and nobody is at work on it."""
        return self._ahead() and not (self._log.exists() and self._log.stat().st_size)

    def _open(self, how: str, timeout: float) -> sqlite3.Connection:
        uri = f"file:{quote(os.path.abspath(self.path))}?{how}"
        return sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)

    def _closed(self) -> bool:
        """Whether it can be read, and nothing can be written beside it."""
        if not os.access(self.path, os.R_OK):
            return False
        beside = Path(f"{self.path}-shm")
        return self.read_only or not os.access(beside if beside.exists() else self.path.parent, os.W_OK)

    @property
    def writable(self) -> bool:
        """Whether it can be written to, as far as that is known before it is tried."""
        there = [self.path, self.path.parent] if self.exists else [self.path.parent]
        return not self.read_only and all(os.access(one, os.W_OK) for one in there)


def copied(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Returns a copy of a database that ends with its connection, in a temporary file of SQLite's own."""
    made = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    with contextlib.ExitStack() as undo:
        undo.callback(made.close)
        connection.backup(made)
        undo.pop_all()
    return made
