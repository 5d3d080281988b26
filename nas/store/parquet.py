"""A store as a folder of Parquet files, and back: to keep it apart from any database, to read it elsewhere.

``store.json`` says which searches there are, and how many rows of each table; each search has a folder with
a file per table of `nas.store.schema` that has rows of it. What is JSON in the database is text here. Needs
the extra ``parquet``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from nas.files import check_folder
from nas.ranking import WHOLE
from nas.store.copies import ROWS, Copied, Row, Source, source_of, take
from nas.store.database import Database
from nas.store.schema import VERSION, TolerantJSON, references, searches, trials, weights
from nas.store.searches import OF_SEARCH
from search_spaces.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_logger = logging.getLogger(__name__)

_GROUP = 50_000  # rows in a row group

LISTED = "store.json"

_SINCE_6 = {"ran", "ran_layout"}

_SINCE_8 = {(weights.name, "training"), (weights.name, "seed")}

_READ = (5, 6, 7, VERSION)
"""The versions of folders that are read: what came since the first of them may be missing from rows."""


def write_folder(database: Database, search_id: int | None, folder: Path) -> list[str]:
    """Writes a store, or one search of it, to a folder; returns the names of the searches.

    Raises:
        StoreError: the folder has something in it, or pyarrow is not installed.
    """
    _pyarrow()
    check_folder(folder)
    if folder.exists() and any(folder.iterdir()):
        raise StoreError(f"{folder}: expected a folder that is empty or not there")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror or error}") from error
    listed = {}
    with source_of(database, search_id) as source:
        for row in source.searches():
            here = folder / f"search-{row['id']}"
            here.mkdir()
            rows = {
                table.name: _write(table, source.rows(table, row["id"]), here / f"{table.name}.parquet")
                for table in OF_SEARCH
            }
            nobody = {"driver": None, "heartbeat_at": None, "written": None}
            listed[here.name] = {**row, **nobody, "trials": source.count(row["id"]), "rows": rows}
        runs = _write(references, iter([source.references()]), folder / f"{references.name}.parquet")
    # last: a folder without it was not finished
    said = {
        "format": "nasforge store",
        "version": VERSION,
        "searches": listed,
        "rows": {references.name: runs},
    }
    (folder / LISTED).write_text(json.dumps(said, indent=1), encoding="utf-8")
    return [row["name"] for row in listed.values()]


def read_folder(folder: Path, database: Database) -> Copied:
    """Takes the searches of a folder into a store.

    Raises:
        StoreError: it is no such folder, it is of another version, or the store has another search of a name.
    """
    return take(_Folder(folder), database)


class _Folder(Source):
    """A folder to take searches from. All that can be told without its rows is looked at first."""

    def __init__(self, folder: Path) -> None:
        _pyarrow()
        self._folder = folder
        said = _said(folder)
        self._version: int = said["version"]
        self._listed: dict[str, dict[str, Any]] = said["searches"]
        self._rows: Mapping[str, int] | None = said.get("rows")
        self._names = {row["id"]: name for name, row in self._listed.items()}
        if len(self._names) < len(self._listed):
            raise StoreError(f"{folder / LISTED}: two searches have one id")
        if self._rows is None:
            _logger.warning(
                "%s was written by an older version, which noted no numbers of rows: what is missing there "
                "cannot be told",
                folder,
            )
        for id in self._names:
            for table in OF_SEARCH:
                self._check(table, id)
        self._check(references, None)

    def searches(self) -> Sequence[Row]:
        return [
            {column.name: row.get(column.name) for column in searches.columns}
            for row in self._listed.values()
        ]

    def rows(self, table: sa.Table, search_id: int) -> Iterator[Sequence[Row]]:
        for rows in _read(table, self._file(table, search_id)):
            if table is trials and self._version < 7:
                yield [_as_ranked_now(row) for row in rows]
            elif table is weights and self._version < 8:
                yield [{**row, "training": 0} for row in rows]
            else:
                yield rows

    def references(self) -> Sequence[Row]:
        return [row for rows in _read(references, self._file(references, None)) for row in rows]

    def count(self, search_id: int) -> int:
        count: int = self._listed[self._names[search_id]]["trials"]
        return count

    def expected(self, table: sa.Table, search_id: int | None) -> int | None:
        if self._rows is None:
            return None
        rows = self._rows if search_id is None else self._listed[self._names[search_id]]["rows"]
        return rows.get(table.name, 0)

    def _file(self, table: sa.Table, search_id: int | None) -> Path:
        folder = self._folder if search_id is None else self._folder / self._names[search_id]
        return folder / f"{table.name}.parquet"

    def _check(self, table: sa.Table, search_id: int | None) -> None:
        """Raises StoreError where a file is missing, or has not the columns or the rows that it should."""
        file, expected = self._file(table, search_id), self.expected(table, search_id)
        if not file.exists():
            if expected:
                raise StoreError(f"{file} is not there: {LISTED} says that it has {expected} rows")
            return
        columns, count = _outline(file)
        needed = {column.name for column in table.columns} - (_SINCE_6 if self._version < 6 else set())
        if self._version < 8:
            needed = {name for name in needed if (table.name, name) not in _SINCE_8}
        if missing := sorted(needed - columns):
            raise StoreError(f"{file}: expected a column {missing[0]}, got {', '.join(sorted(columns))}")
        if expected is not None and count != expected:
            raise StoreError(f"{file}: expected {expected} rows, as {LISTED} says, got {count}")


def _said(folder: Path) -> dict[str, Any]:
    """Returns what a folder's list says, with all that is needed of it."""
    file = folder / LISTED
    try:
        if not file.is_file():
            raise ValueError(f"there is no file {LISTED}")
        said = json.loads(file.read_text(encoding="utf-8"))
        version, listed = said["version"], said["searches"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{folder}: expected a folder that a store was exported to ({error})") from error
    if type(version) is not int or version not in _READ:
        known = " and ".join(map(str, _READ))
        raise StoreError(f"{folder} has version {version!r:.20}, this program reads versions {known}")
    counted = said.get("rows")
    for where, rows in (("", counted), *((f" of {name!r}", one) for name, one in _rows_of(file, listed))):
        if (counted is None) != (rows is None) or not (rows is None or _counts(rows)):
            raise StoreError(f"{file}: rows{where}: expected numbers by table, got {rows!r:.80}")
    return {"version": version, "searches": listed, "rows": counted}


def _rows_of(file: Path, listed: Any) -> Iterator[tuple[str, Any]]:
    """Yields for each search that is listed the name of its folder, and its numbers of rows."""
    if not isinstance(listed, dict):
        raise StoreError(f"{file}: searches: expected them by folder, got {listed!r:.80}")
    for name, row in listed.items():
        if name in ("", ".", "..") or Path(name).name != name:
            raise StoreError(f"{file}: expected the name of a folder in it, got {name!r:.80}")
        whole = isinstance(row, dict) and _counts({"trials": row.get("trials")})
        if not whole or type(row.get("id")) is not int:
            raise StoreError(
                f"{file}: {name}: expected a search with its id and number of trials, got {row!r:.80}"
            )
        yield name, row.get("rows")


def _counts(rows: Any) -> bool:
    return isinstance(rows, dict) and all(type(one) is int and one >= 0 for one in rows.values())


def _write(table: sa.Table, batches: Iterator[Sequence[Row]], file: Path) -> int:
    """Writes a file with these rows, none where there are none; returns how many there are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(table)
    writer: pq.ParquetWriter | None = None
    waiting: list[dict[str, Any]] = []
    count = 0

    def flush() -> None:
        nonlocal writer, count
        if waiting:
            writer = writer or pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True)
            writer.write_table(pa.Table.from_pylist(waiting, schema))
            count += len(waiting)
            waiting.clear()

    try:
        for rows in batches:
            waiting += [_texts(table, row) for row in rows]
            if len(waiting) >= (1 if table is weights else _GROUP):
                flush()
        flush()
    finally:
        if writer is not None:
            writer.close()
    return count


def _read(table: sa.Table, file: Path) -> Iterator[Sequence[Row]]:
    if not file.exists():
        return
    with _opened(file) as opened:
        columns = [column.name for column in table.columns if column.name in opened.schema_arrow.names]
        for batch in opened.iter_batches(1 if table is weights else ROWS, columns=columns):
            yield [_values(table, row) for row in batch.to_pylist()]


def _as_ranked_now(row: Row) -> Row:
    """Returns a row of trials that a version before 7 has written, with the rung that it has today."""
    ended = row["status"] == "complete" and isinstance(row["rung"], int) and row["rung"] > 0
    return {**row, "rung": WHOLE} if ended else row


def _outline(file: Path) -> tuple[set[str], int]:
    """Returns the names of a file's columns, and its number of rows."""
    with _opened(file) as opened:
        return set(opened.schema_arrow.names), int(opened.metadata.num_rows)


@contextmanager
def _opened(file: Path) -> Iterator[pq.ParquetFile]:
    """A Parquet file, whose pages are compared with their checksums; what it raises is ours."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if not file.is_file():
            raise ValueError("expected a file, and it is none")
        with pq.ParquetFile(file, page_checksum_verification=True) as opened:
            yield opened
    except StoreError:
        raise
    except (
        pa.ArrowException,
        OSError,
        ValueError,
        TypeError,
        LookupError,
        OverflowError,
        MemoryError,
    ) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise StoreError(f"{file} cannot be read: {words:.300}") from error


def _texts(table: sa.Table, row: Row) -> dict[str, Any]:
    """Returns a row with JSON as text; no value stays none."""
    return {
        column.name: json.dumps(row[column.name])
        if _is_json(column) and row[column.name] is not None
        else row[column.name]
        for column in table.columns
    }


def _values(table: sa.Table, row: Row) -> dict[str, Any]:
    """Returns a row with what its JSON says; a text that is none stays, and is found by who checks rows."""
    return {
        column.name: _plain(row.get(column.name)) if _is_json(column) else row.get(column.name)
        for column in table.columns
    }


def _plain(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return text


def _is_json(column: sa.Column[Any]) -> bool:
    return isinstance(column.type, sa.JSON | TolerantJSON)


def _schema(table: sa.Table) -> pa.Schema:
    import pyarrow as pa

    kinds: Mapping[type, pa.DataType] = {
        sa.Integer: pa.int64(),
        sa.Float: pa.float64(),
        sa.Boolean: pa.bool_(),
        sa.LargeBinary: pa.large_binary(),
        sa.String: pa.string(),
        sa.JSON: pa.string(),
        TolerantJSON: pa.string(),
    }
    return pa.schema(
        [
            pa.field(column.name, next(kind for of, kind in kinds.items() if isinstance(column.type, of)))
            for column in table.columns
        ]
    )


def _pyarrow() -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ModuleNotFoundError as error:
        raise StoreError("Parquet needs the package pyarrow (pip install 'nasforge[parquet]')") from error
