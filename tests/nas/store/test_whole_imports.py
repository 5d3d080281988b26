"""What is taken in from a folder or a store is whole, or nothing of it is taken in and it is said why."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filled_stores import all_of, fill, row_counts

import nas
from nas.records import Trial
from nas.store.searches import OF_SEARCH
from nas.store.store import Store
from search_spaces.errors import StoreError

TABLES = [table.name.removeprefix("nas_") for table in OF_SEARCH]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store with two searches that have something in every table."""
    folder = tmp_path_factory.mktemp("exported") / "folder"
    with Store("sqlite://", create=True) as store:
        for name, seed in (("first", 1), ("second", 2)):
            fill(store, name, seed)
        store.export(folder)
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(exported, tmp_path / "folder"))


def _refused(folder: Path, match: str) -> None:
    """Whether nothing of a folder is taken in, into a store that had something before."""
    with Store("sqlite://", create=True) as store:
        fill(store, "there before", 7)
        before = row_counts(store)
        with pytest.raises(StoreError, match=match):
            store.import_folder(folder)
        assert row_counts(store) == before


def _rewrite(file: Path, change: Callable[[list[dict[str, Any]]], Any], drop: str | None = None) -> None:
    """Puts other rows in the place of those of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(file)
    rows = table.to_pylist()
    change(rows)
    schema = pa.schema(
        [
            pa.field(one.name, pa.infer_type([row[one.name] for row in rows]))
            if any(row[one.name] is not None for row in rows)
            else one
            for one in table.schema
        ]
    )
    made = pa.Table.from_pylist(rows, schema)
    pq.write_table(made if drop is None else made.drop_columns([drop]), file)


@pytest.mark.parametrize("table", TABLES)
def test_a_file_that_is_missing_is_named(folder: Path, table: str) -> None:
    (folder / "search-2" / f"nas_{table}.parquet").unlink()
    _refused(folder, rf"nas_{table}\.parquet is not there: store\.json says that it has \d+ rows")


def test_a_folder_of_a_search_that_has_another_name_is_missed(folder: Path) -> None:
    (folder / "search-2").rename(folder / "search-3")
    _refused(folder, r"search-2/nas_layouts\.parquet is not there")


def test_references_that_are_missing_are_named(folder: Path) -> None:
    (folder / "nas_references.parquet").unlink()
    _refused(folder, r"nas_references\.parquet is not there")


@pytest.mark.parametrize("column", ["score", "metrics", "architecture_id", "ran"])
def test_a_column_that_is_missing_is_named(folder: Path, column: str) -> None:
    _rewrite(folder / "search-2" / "nas_trials.parquet", lambda rows: None, drop=column)
    _refused(folder, rf"nas_trials\.parquet: expected a column {column}, got architecture_id|got ")


def test_rows_that_are_missing_are_counted(folder: Path) -> None:
    _rewrite(folder / "search-2" / "nas_reports.parquet", lambda rows: rows.pop())
    _refused(folder, r"nas_reports\.parquet: expected 5 rows, as store\.json says, got 4")


CELLS: tuple[tuple[str, str, Any, str], ...] = (
    ("trials", "metrics", "[0.5", "expected a JSON list of 3 values"),
    ("trials", "metrics", '[0.5,"high",1]', "expected numbers"),
    ("trials", "metrics", "[" * 100_000, "expected a JSON list"),
    ("trials", "decisions", "[]", "expected a JSON list of"),
    ("trials", "decisions_layout", 9, "expected a layout of the search"),
    ("trials", "status", "done", "expected one of running, complete"),
    ("trials", "score", float("nan"), "expected a number"),
    ("trials", "epochs", 2**40, "expected a whole number"),
    ("layouts", "names", "names", "expected a JSON list of names"),
    ("layouts", "names", "[1, 2, 3]", "expected a JSON list of names"),
    ("reports", "metrics", "{", "expected numbers by name"),
    ("reports", "number", 77, "expected the number of a trial"),
    ("weights", "number", 4000, "expected the number of a trial"),
    ("starts", "decisions", "7", "expected decisions by name"),
    ("reruns", "ran", '{"device": 7}', "expected texts by name"),
)


@pytest.mark.parametrize(("table", "column", "value", "expected"), CELLS)
def test_a_cell_that_holds_something_else_is_named_by_table_row_and_column(
    folder: Path, table: str, column: str, value: Any, expected: str
) -> None:
    _rewrite(folder / "search-2" / f"nas_{table}.parquet", lambda rows: rows[-1].update({column: value}))
    _refused(folder, rf"table nas_{table}, row search_id .*column {column}: {expected}")


def test_a_cell_of_another_type_is_named(folder: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["score"] = str(row["score"])

    _rewrite(folder / "search-1" / "nas_trials.parquet", change)
    _refused(
        folder, r"table nas_trials, row search_id 1, number 0, column score: expected a number, got '0\.0'"
    )


def test_a_row_that_is_there_twice_is_refused(folder: Path) -> None:
    _rewrite(folder / "search-2" / "nas_logs.parquet", lambda rows: rows.__setitem__(-1, rows[0]))
    _refused(folder, "table nas_logs: a row is there twice")


LISTS: tuple[tuple[Any, str], ...] = (
    ({"version": 6}, "expected a folder that a store was exported to"),
    ([], "expected a folder that a store was exported to"),
    ({"version": "6", "searches": {}}, "has version '6'"),
    ({"version": 6, "searches": []}, "expected them by folder"),
    ({"version": 6, "searches": {"..": {}}}, r"expected the name of a folder in it, got '\.\.'"),
    ({"version": 6, "searches": {"/etc": {}}}, "expected the name of a folder in it"),
    ({"version": 6, "searches": {"search-1": 7}}, "expected a search with its id"),
    ({"version": 6, "searches": {"search-1": {"id": 1, "trials": -1}}}, "expected a search with its id"),
    (
        {"version": 6, "searches": {"search-9": {"id": 9, "trials": 0}}},
        "table nas_searches, row id 9, column name: expected a text, got None",
    ),
    ({"version": 6, "searches": {}, "rows": {"nas_references": -1}}, "expected numbers by table"),
)


@pytest.mark.parametrize(("said", "expected"), LISTS)
def test_a_list_that_is_none_is_refused(folder: Path, said: Any, expected: str) -> None:
    (folder / "store.json").write_text(json.dumps(said))
    _refused(folder, expected)


def test_a_list_that_is_nested_without_end_a_pipe_or_no_text_is_refused(folder: Path) -> None:
    listed = folder / "store.json"
    for data in (b"[" * 1_000_000, b"\xff\xfe"):
        listed.write_bytes(data)
        _refused(folder, "expected a folder that a store was exported to")
    listed.unlink()
    os.mkfifo(listed)
    _refused(folder, r"there is no file store\.json")


def test_a_search_that_is_described_by_other_numbers_is_refused(folder: Path) -> None:
    listed = folder / "store.json"
    said = json.loads(listed.read_text())
    said["searches"]["search-2"]["trials"] = 7
    listed.write_text(json.dumps(said))
    _refused(folder, "search 'second': expected 7 rows of table nas_trials, got 5")


def test_bytes_that_were_changed_are_noticed(folder: Path) -> None:
    file = folder / "search-2" / "nas_weights.parquet"
    data = bytearray(file.read_bytes())
    data[60] ^= 1
    file.write_bytes(data)
    _refused(folder, r"nas_weights\.parquet cannot be read")


def test_a_folder_without_numbers_of_rows_is_taken_in_with_a_warning(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listed = folder / "store.json"
    said = json.loads(listed.read_text())
    for one in (said, *said["searches"].values()):
        del one["rows"]
    listed.write_text(json.dumps(said))
    with Store("sqlite://", create=True) as store:
        assert store.import_folder(folder).copied == ["first", "second"]
    assert "what is missing there cannot be told" in caplog.text


EDITS: tuple[tuple[str, str, object], ...] = (
    ("score", "nan", "column score: expected a number, got 'nan'"),
    ("score", b"\1", "column score: expected a number"),
    ("status", "done", "column status: expected one of running"),
    ("metrics", "[0.5,", "column metrics: expected a JSON list of 3 values"),
    ("metrics", "[0.5]", "column metrics: expected a JSON list of 3 values"),
    ("metrics", '["high",0.5,1]', "column metrics: expected numbers"),
    ("metrics_layout", 77, "column metrics_layout: expected a layout of the search"),
    ("decisions", "[1,2]", "column decisions: expected a JSON list of"),
    ("decisions", "{}", "column decisions: expected a JSON list of"),
    ("epochs", "four", "column epochs: expected a whole number"),
    ("architecture_id", b"\0\1", "column architecture_id: expected a text"),
    ("started_at", "today", "column started_at: expected a number"),
    ("ran", "[7", "column ran: expected a JSON list"),
)


@pytest.mark.parametrize(("column", "value", "expected"), EDITS)
def test_a_cell_of_a_store_that_was_edited_is_named_and_the_rest_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, column: str, value: object, expected: str
) -> None:
    path = tmp_path / "nas.db"
    with Store(path, create=True) as store:
        search = fill(store, "first", 1)
        best = [trial.number for trial in store.ranked(search, 3)]
        assert best == [4, 3, 2]
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE nas_trials SET {column} = ? WHERE number = 3", (value,))
    connection.close()

    def told() -> bool:
        found = f"nas.db is damaged: table nas_trials, row search_id 1, number 3, {expected}" in caplog.text
        caplog.clear()
        return found

    caplog.set_level(logging.WARNING)
    for read in (
        lambda store: [trial.number for trial in store.trials(1)] == [0, 1, 2, 4],
        lambda store: [trial.number for trial in store.ranked(1, 3)] == [4, 2, 1],
        lambda store: [trial.number for trial in store.ranked(1)] == [4, 2, 1, 0],
        lambda store: store.frame(1)["number"].tolist() == [0, 1, 2, 4],
    ):
        with Store(path) as store:
            assert read(store)
        assert told()
    with Store(path) as store, Store("sqlite://", create=True) as target:
        assert store.weights(1, 4)
        assert len(store.curves(1, [0, 1, 2, 3, 4])) == 5
        store.ran(1)
        store.counts(1)
        with pytest.raises(StoreError, match=rf"row search_id 1, number 3, {expected}"):
            store.copy(target)
        assert target.searches() == []


@pytest.mark.parametrize(
    ("table", "column", "read"),
    [
        ("legs", "metrics", lambda store: store.legs(1)),
        ("reports", "metrics", lambda store: [r for n in range(5) for r in store.reports(1, n)]),
        ("usage", "busy", lambda store: store.usage(1)),
        ("cards", "trials", lambda store: store.cards(1)),
        ("starts", "decisions", lambda store: store.starts(1)),
        ("reruns", "metrics", lambda store: store.reruns.of_search(1)[1]),
        ("references", "metrics", lambda store: store.references.of_search(1)),
    ],
)
def test_one_damaged_row_of_any_table_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, table: str, column: str, read: Callable[[Store], Any]
) -> None:
    path = tmp_path / "nas.db"
    with Store(path, create=True) as store:
        fill(store, "first", 1)
        whole = len(read(store))
    with sqlite3.connect(path) as connection:
        connection.execute(
            f"UPDATE nas_{table} SET {column} = '[' WHERE rowid = (SELECT max(rowid) FROM nas_{table})"
        )
    connection.close()
    with Store(path) as store:
        assert len(read(store)) == whole - 1
    assert f"table nas_{table}, row " in caplog.text
    assert f"column {column}: expected" in caplog.text


@pytest.mark.parametrize(
    ("column", "value"),
    [("status", "over"), ("created_at", "now"), ("tags", "[1"), ("elapsed_seconds", "x"), ("name", b"\1")],
)
def test_a_search_whose_row_was_edited_leaves_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, column: str, value: object
) -> None:
    path = tmp_path / "nas.db"
    with Store(path, create=True) as store:
        for name, seed in (("first", 1), ("second", 2)):
            fill(store, name, seed)
        second = all_of(store, "second")
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE nas_searches SET {column} = ? WHERE id = 1", (value,))
    connection.close()
    with Store(path) as store:
        assert [one.name for one in store.searches()] == ["second"]
        assert f"table nas_searches, row id 1, column {column}: expected" in caplog.text
        assert all_of(store, "second") == second
        with pytest.raises(StoreError, match=f"table nas_searches, row id 1, column {column}: expected"):
            store.search(1)


def test_weights_that_are_no_bytes_are_an_error_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "nas.db"
    with Store(path, create=True) as store:
        fill(store, "first", 1)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE nas_weights SET data = 'text'")
    connection.close()
    with Store(path) as store, Store("sqlite://", create=True) as target:
        with pytest.raises(StoreError, match=r"table nas_weights.*column data: expected bytes"):
            store.weights(1, 4)
        assert len(store.ranked(1)) == 5
        with pytest.raises(StoreError, match=r"table nas_weights.*expected bytes"):
            store.copy(target)
        assert target.searches() == []


def test_text_that_is_no_utf_8_is_named_and_the_rest_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "nas.db"
    with Store(path, create=True) as store:
        fill(store, "first", 1)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE nas_trials SET origin = CAST(x'ff' AS TEXT) WHERE number = 3")
    connection.close()
    with Store(path) as store:
        assert [trial.number for trial in store.trials(1)] == [0, 1, 2, 4]
        assert store.frame(1)["number"].tolist() == [0, 1, 2, 4]
    assert "row search_id 1, number 3, column origin: expected a text" in caplog.text


def test_trials_may_be_damaged_in_great_numbers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "nas.db"
    with Store(path, create=True) as store:
        search = store.create_search("many", {}).id
        with store.writing(search) as writing:
            for number in range(3000):
                writing.add(
                    Trial(number, f"{number:016x}", {"a": 1}, "complete", score=0.1, metrics={"x": 1.0})
                )
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE nas_trials SET metrics = 'x' WHERE number >= 5")
    connection.close()
    with Store(path) as store:
        assert len(store.ranked(1, 3)) == 3
        assert len(store.frame(1)) == 5
    assert len(caplog.records) == 21
    assert nas.Store is Store
