"""A store as a folder of Parquet files, and back: to keep it apart from any database, to read it elsewhere.

``store.json`` says which searches there are; each has a folder with a file per table of `nas.store.schema`
that has rows of it. What is JSON in the database is text here. Needs the extra ``parquet``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from nas.store.copies import ROWS, Copied, Row, Source, source_of, take
from nas.store.database import Database
from nas.store.schema import VERSION, TolerantJSON, references, weights
from nas.store.searches import OF_SEARCH
from search_spaces.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP = 50_000  # rows in a row group

_READ = (5, VERSION)
"""The versions of folders that are read: what came since the first of them may be missing from rows."""


def write_folder(database: Database, search_id: int | None, folder: Path) -> list[str]:
    """Writes a store, or one search of it, to a folder; returns the names of the searches.

    Raises:
        StoreError: the folder has something in it, or pyarrow is not installed.
    """
    _pyarrow()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(f"{folder}: expected a folder that is empty or not there")
    folder.mkdir(parents=True, exist_ok=True)
    listed = {}
    with source_of(database, search_id) as source:
        for row in source.searches():
            here = folder / f"search-{row['id']}"
            here.mkdir()
            for table in OF_SEARCH:
                _write(table, source.rows(table, row["id"]), here / f"{table.name}.parquet")
            nobody = {"driver": None, "heartbeat_at": None, "written": None}
            listed[here.name] = {**row, **nobody, "trials": source.count(row["id"])}
        _write(references, iter([source.references()]), folder / f"{references.name}.parquet")
    # last: a folder without it was not finished
    said = {"format": "nasforge store", "version": VERSION, "searches": listed}
    (folder / "store.json").write_text(json.dumps(said, indent=1))
    return [row["name"] for row in listed.values()]


def read_folder(folder: Path, database: Database) -> Copied:
    """Takes the searches of a folder into a store.

    Raises:
        StoreError: it is no such folder, it is of another version, or the store has another search of a name.
    """
    return take(_Folder(folder), database)


class _Folder(Source):
    """A folder to take searches from."""

    def __init__(self, folder: Path) -> None:
        _pyarrow()
        self._folder = folder
        try:
            said = json.loads((folder / "store.json").read_text())
            version, self._listed = said["version"], dict(said["searches"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{folder}: expected a folder that a store was exported to ({error})") from error
        if version not in _READ:
            known = " and ".join(map(str, _READ))
            raise StoreError(f"{folder} has version {version}, this program reads versions {known}")
        self._names = {row["id"]: name for name, row in self._listed.items()}

    def searches(self) -> Sequence[Row]:
        return [
            {name: value for name, value in row.items() if name != "trials"} for row in self._listed.values()
        ]

    def rows(self, table: sa.Table, search_id: int) -> Iterator[Sequence[Row]]:
        yield from _read(table, self._folder / self._names[search_id] / f"{table.name}.parquet")

    def references(self) -> Sequence[Row]:
        found = _read(references, self._folder / f"{references.name}.parquet")
        return [row for rows in found for row in rows]

    def count(self, search_id: int) -> int:
        return int(self._listed[self._names[search_id]]["trials"])


def _write(table: sa.Table, batches: Iterator[Sequence[Row]], file: Path) -> None:
    """Writes a file with these rows; none where there are none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(table)
    writer: pq.ParquetWriter | None = None
    waiting: list[dict[str, Any]] = []

    def flush() -> None:
        nonlocal writer
        if waiting:
            writer = writer or pq.ParquetWriter(file, schema, compression="zstd")
            writer.write_table(pa.Table.from_pylist(waiting, schema))
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


def _read(table: sa.Table, file: Path) -> Iterator[Sequence[Row]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not file.exists():
        return
    try:
        with pq.ParquetFile(file) as opened:
            for batch in opened.iter_batches(1 if table is weights else ROWS):
                yield [_values(table, row) for row in batch.to_pylist()]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StoreError(f"{file}: {error}") from error


def _texts(table: sa.Table, row: Row) -> dict[str, Any]:
    """Returns a row with JSON as text; no value stays none."""
    return {
        column.name: json.dumps(row[column.name])
        if _is_json(column) and row[column.name] is not None
        else row[column.name]
        for column in table.columns
    }


def _values(table: sa.Table, row: Row) -> dict[str, Any]:
    return {
        column.name: json.loads(row[column.name])
        if _is_json(column) and row.get(column.name) is not None
        else row.get(column.name)
        for column in table.columns
    }


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
