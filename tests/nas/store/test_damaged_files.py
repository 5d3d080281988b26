"""Whatever is done to a file of ours: who reads it gets what is right or one of our errors, in time."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
from filled_stores import fill, row_counts
from hypothesis import strategies as st
from torch import nn

import nas
from nas import Search
from nas.store.store import Store
from search_spaces import Space, integer, layer
from search_spaces.errors import NasError
from workers.job import Finished, Job
from workers.problems import Problem
from workers.testing.jobs import architecture, points
from workers.trial import trial

SECONDS = 60  # for what takes a tenth of one, on a busy machine

PLACES = st.integers(0, 2**20)

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-3, 9),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=8),
    st.sampled_from(
        ["nan", "[", "{}", "[]", "[1]", "null", '"x"', "[" * 5000, '{"a":' * 2000, "1e999", "NaN"]
    ),
)

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    """What does not end is a failure, and not the end of the test's process."""

    def late(*_: object) -> None:
        raise AssertionError(f"no answer within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _ours(read: Callable[[], Any]) -> None:
    """Whatever is read, or an error of ours."""
    with contextlib.suppress(NasError):
        read()


@pytest.fixture(scope="module")
def made(problem: Problem) -> Iterator[SimpleNamespace]:
    """A store, a folder of Parquet files, the folder of an exported network, and a folder of checkpoints."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        space = Space(
            {
                "model": layer(nn.Linear, out_features=integer(1, 50)),
                "recipe": {"epochs": 1, "batch_size": 16},
            }
        )
        with Store(folder / "nas.db", create=True) as store:
            Search(space, problem, "random", store=store, name="one", trials=2, executor="inline").run()
            fill(store, "two", 2)
            store.export(folder / "parquet")
            counts = row_counts(store)
        (folder / "store").mkdir()
        shutil.move(folder / "nas.db", folder / "store")
        nas.load(str(folder / "store" / "nas.db"), search="one").export(folder / "exported")
        job = Job(0, architecture(epochs=3), seed=3, folder=str(folder / "trial"), save_seconds=0.0)
        *_, end = trial.run(job, points())
        assert isinstance(end, Finished)
        yield SimpleNamespace(folder=folder, job=job, metrics=end.metrics, counts=counts)


def _change_bytes(data: st.DataObject, file: Path) -> None:
    """Does what disks, networks and editors do to a file."""
    content = bytearray(file.read_bytes())
    kind = data.draw(
        st.sampled_from(["flip", "flip", "flip", "cut", "drop", "empty", "more", "pipe", "folder"])
    )
    if kind == "flip":
        for place in data.draw(st.lists(PLACES, min_size=1, max_size=4)):
            if content:
                content[place % len(content)] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        content = content[: data.draw(PLACES) % (len(content) + 1)]
    elif kind == "empty":
        content = bytearray()
    elif kind == "more":
        content += data.draw(st.binary(min_size=1, max_size=50))
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    elif kind != "drop":
        file.write_bytes(content)


def _change_json(data: st.DataObject, file: Path) -> None:
    """Puts something in the place of a value of a JSON file, or takes it out."""
    said = json.loads(file.read_text())
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
            places.append((value, key))
            walk(value[key])

    walk(said)
    within, key = places[data.draw(PLACES) % len(places)]
    if data.draw(st.booleans()):
        del within[key]
    else:
        within[key] = data.draw(PLAIN)
    file.write_text(json.dumps(said))


def _change_parquet(data: st.DataObject, file: Path) -> None:
    """Renames or drops a column, changes a cell, drops or doubles a row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(file)
    column = data.draw(st.sampled_from(table.column_names))
    kind = data.draw(st.sampled_from(["rename", "drop", "cell", "cell", "cell", "row"]))
    if kind == "rename":
        table = table.rename_columns([f"{one}_" if one == column else one for one in table.column_names])
    elif kind == "drop":
        table = table.drop_columns([column])
    elif kind == "row":
        count = data.draw(st.integers(0, 2))
        table = pa.concat_tables([table.slice(1), *[table.slice(0, 1)] * count])
    else:
        values = table[column].to_pylist()
        values[data.draw(PLACES) % len(values)] = data.draw(VALUES)
        with contextlib.suppress(pa.ArrowException, TypeError, OverflowError):
            table = table.set_column(table.column_names.index(column), column, pa.array(values))
    pq.write_table(table, file)


def _change_database(data: st.DataObject, file: Path) -> None:
    """Edits a cell, or the tables, as any client of SQLite can."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints=ON")
    with contextlib.closing(connection), contextlib.suppress(sqlite3.Error, OverflowError, UnicodeError):
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        table = data.draw(st.sampled_from(sorted(tables)))
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        column = data.draw(st.sampled_from(columns))
        rows = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        row = f"rowid = (SELECT rowid FROM {table} LIMIT 1 OFFSET {data.draw(PLACES) % max(1, rows)})"
        kind = data.draw(st.sampled_from(["cell"] * 8 + ["text", "rename", "drop", "table", "row"]))
        if kind == "cell":
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {row}", (data.draw(VALUES),))
        elif kind == "text":
            connection.execute(f"UPDATE {table} SET {column} = CAST(x'c3ff28' AS TEXT) WHERE {row}")
        elif kind == "rename":
            connection.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO other")
        elif kind == "drop":
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        elif kind == "table":
            connection.execute(f"DROP TABLE {table}")
        else:
            connection.execute(f"DELETE FROM {table} WHERE {row}")


def _read_store(store: Path, folder: Path) -> None:
    """Reads a store in every way there is; each way ends for itself."""
    path = str(store)
    for name in ("one", "two", None):
        _ours(lambda name=name: nas.leaderboard(path, name))
        _ours(lambda name=name: nas.load(path, search=name).build())
        _ours(lambda name=name: nas.report(path, name, folder / "report.html"))
        _ours(lambda name=name: nas.curves(path, name))
        _ours(lambda name=name: nas.importance(path, name))
        _ours(lambda name=name: nas.best_so_far(path, name))
    _ours(lambda: nas.load(path, search="one").export(folder / "again"))

    def each() -> None:
        with Store(path) as opened:
            for record in opened.searches():
                reads: list[Callable[[], Any]] = [
                    lambda id=record.id: opened.frame(id),
                    lambda id=record.id: opened.ranked(id),
                    lambda id=record.id: opened.ranked(id, 2),
                    lambda id=record.id: opened.legs(id),
                    lambda id=record.id: opened.usage(id),
                    lambda id=record.id: opened.cards(id),
                    lambda id=record.id: opened.starts(id),
                    lambda id=record.id: opened.ran(id),
                    lambda id=record.id: opened.counts(id),
                    lambda id=record.id: opened.log(id, 0),
                    lambda id=record.id: opened.last_epochs(id),
                    lambda id=record.id: opened.weights(id, 4),
                    lambda id=record.id: opened.references.of_search(id),
                    lambda id=record.id: opened.reruns.of_search(id),
                    lambda id=record.id: opened.find_trial("0", id),
                ]
                for read in reads:
                    _ours(read)

    _ours(each)

    def copied() -> None:
        with Store(path) as opened, Store("sqlite://", create=True) as target:
            before = row_counts(target)
            try:
                opened.copy(target)
            except NasError:
                assert row_counts(target) == before, "half a copy"
                raise

    _ours(copied)


def _try_parquet(made: SimpleNamespace, data: st.DataObject, folder: Path) -> None:
    there = Path(shutil.copytree(made.folder / "parquet", folder / "parquet"))
    files = sorted(path for path in there.rglob("*") if path.is_file())
    file = data.draw(st.sampled_from(files))
    if file.suffix == ".json":
        data.draw(st.sampled_from([_change_json, _change_bytes]))(data, file)
    else:
        data.draw(st.sampled_from([_change_parquet, _change_bytes]))(data, file)
    with Store(folder / "taken.db", create=True) as store:
        before = row_counts(store)
        try:
            with _in_time():
                store.import_folder(there)
        except NasError:
            assert row_counts(store) == before, "half an import"
            return
        if file.suffix != ".json":  # which may name fewer searches
            assert row_counts(store) == made.counts
    with _in_time():
        _read_store(folder / "taken.db", folder)


def _try_store(made: SimpleNamespace, data: st.DataObject, folder: Path) -> None:
    file = Path(shutil.copy(made.folder / "store" / "nas.db", folder))
    data.draw(st.sampled_from([_change_database, _change_database, _change_bytes]))(data, file)
    with _in_time():
        _read_store(file, folder)


def _try_export(made: SimpleNamespace, data: st.DataObject, folder: Path) -> None:
    there = Path(shutil.copytree(made.folder / "exported", folder / "exported"))
    file = data.draw(st.sampled_from(sorted(there.iterdir())))
    if file.suffix == ".json" and data.draw(st.booleans()):
        _change_json(data, file)
    else:
        _change_bytes(data, file)

    def read() -> None:
        found = nas.load(there)
        assert all(isinstance(value, float | int) for value in found.metrics.values())
        found.build()

    with _in_time():
        _ours(read)


def _try_checkpoint(made: SimpleNamespace, data: st.DataObject, folder: Path) -> None:
    there = Path(shutil.copytree(made.folder / "trial", folder / "trial"))
    (file,) = there.iterdir()
    _change_bytes(data, file)
    with _in_time():
        *_, end = trial.run(dataclasses.replace(made.job, folder=str(there)), points())
    assert isinstance(end, Finished), end
    assert end.metrics.keys() == made.metrics.keys()
    assert all(math.isclose(end.metrics[name], value) for name, value in made.metrics.items())


@pytest.mark.parametrize("examples", [30, pytest.param(300, marks=pytest.mark.soak)])
@pytest.mark.parametrize("attempt", [_try_parquet, _try_store, _try_export, _try_checkpoint])
def test_what_was_edited_at_random_is_read_rightly_or_refused(
    made: SimpleNamespace, attempt: Callable[[SimpleNamespace, st.DataObject, Path], None], examples: int
) -> None:
    @hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.data())
    def attempts(data: st.DataObject) -> None:
        with tempfile.TemporaryDirectory() as folder:
            attempt(made, data, Path(folder))

    attempts()
