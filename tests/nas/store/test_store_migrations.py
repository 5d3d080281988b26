"""Stores that older versions wrote are brought to this one when they are opened, with all that they hold.

``data/store-vN.sqlite`` was written by the code that had version N; ``data/store-vN.json`` is what that code
read of it. Each version keeps its files for good.
"""

import json
import math
import shutil
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Any

import processes
import pytest
import sqlalchemy as sa
import torch

import nas
from nas.lease import new_driver, release
from nas.records import EpochReport, Trial
from nas.store.schema import VERSION, metadata
from nas.store.store import Store
from search_spaces import Space
from search_spaces.errors import StoreError
from workers.problems import Problem


@pytest.fixture
def problem() -> Problem:
    """The problem of the stores that older versions wrote: fewer examples than the tests have otherwise."""
    inputs = torch.rand(60, 2, generator=torch.Generator().manual_seed(0))
    return Problem.from_tensors("larger", (inputs, (inputs[:, 0] > inputs[:, 1]).long()), 0.2, 0.2)


DATA = Path(__file__).parent / "data"
VERSIONS = [*range(1, VERSION + 1)]
OLDER = VERSIONS[:-1]


def _golden(url: str, version: int) -> str:
    """A store of that version at the URL, which is empty: the file, or what it holds in PostgreSQL."""
    old = DATA / f"store-v{version}.sqlite"
    if url.startswith("sqlite"):
        shutil.copy(old, sa.make_url(url).database or "")
        return url
    source = sa.create_engine(f"sqlite:///{old}")
    tables = sa.MetaData()

    @sa.event.listens_for(tables, "column_reflect")
    def _generic(inspector: Any, table: Any, column: Any) -> None:
        column["type"] = column["type"].as_generic()

    tables.reflect(source)
    target = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with source.connect() as here, target.begin() as there:
        tables.create_all(there)
        if version >= 4:  # what is read of an index in SQLite has no directions
            there.exec_driver_sql("DROP INDEX nas_trials_by_rank")
            columns = "search_id, violation, rung DESC, score DESC, tie, number"
            there.exec_driver_sql(
                f"CREATE INDEX nas_trials_by_rank ON nas_trials ({columns}) WHERE violation IS NOT NULL"
            )
        for table in tables.sorted_tables:
            if rows := [dict(row) for row in here.execute(sa.select(table)).mappings()]:
                there.execute(table.insert(), rows)
        there.exec_driver_sql("SELECT setval('nas_searches_id_seq', (SELECT max(id) FROM nas_searches))")
    source.dispose()
    target.dispose()
    return url


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def read(store: Store) -> dict[str, Any]:
    """All that the store knows of its searches, as JSON has it."""
    found: dict[str, Any] = {}
    for record in store.searches():
        trials = store.trials(record.id)
        found[record.name] = {
            "description": record.stored,
            "tags": record.tags,
            "notes": record.notes,
            "trials": [asdict(trial) for trial in trials],
            "legs": [asdict(leg) for leg in store.legs(record.id)],
            "kept": sorted(store.kept_weights(record.id)),
            "trainings": [one.training for one in store.of_kept_trainings(record.id, trials)],
            "reports": {t.number: list(map(asdict, store.reports(record.id, t.number))) for t in trials},
            "reruns": {n: list(map(asdict, runs)) for n, runs in store.reruns.of_search(record.id).items()},
            "cards": [[at, asdict(card)] for at, card in store.cards(record.id)],
            "bank": [asdict(epoch) for epoch in store.bank_epochs(record.id)],
            "choices": [asdict(choice) for choice in store.choices(record.id)],
            "starts": [asdict(start) for start in store.starts(record.id)],
            "ranks": [int(number) for number in nas.leaderboard(store, record.name)["number"]],
        }
    return dict(_plain(found))


UNKNOWN = {"ran": {}, "training": 0, "curve": {}, "scored": []}


def _as_then(found: Any, expected: Any) -> Any:
    """What is read now, without the fields that were not there yet; those say that nothing is known."""
    if isinstance(found, dict) and isinstance(expected, dict):
        new = {key: value for key, value in found.items() if key not in expected}
        assert new == {key: UNKNOWN[key] for key in new}
        return {key: _as_then(value, expected[key]) for key, value in found.items() if key in expected}
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        return [_as_then(*both) for both in zip(found, expected, strict=True)]
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_a_store_of_an_older_version_is_read_as_it_was(url: str, version: int) -> None:
    expected = json.loads((DATA / f"store-v{version}.json").read_text())
    with Store(_golden(url, version)) as store:
        found = read(store)
        for name, search in expected.items():
            assert {part: _as_then(found[name][part], search[part]) for part in search} == search
        assert found.keys() == expected.keys()
        kept = {number for record in store.searches() for number in store.kept_weights(record.id)}
        assert kept
        for record in store.searches():
            for number in store.kept_weights(record.id):
                assert (store.weights(record.id, number) or b"")[8:9] == b"{"  # safetensors
            assert [t.number for t in store.ranked(record.id, 100)] == [
                t.number for t in store.ranked(record.id)
            ]
        if version >= 3:
            assert store.references.of_search(1)[0]["label"].seed == 2**40
    with Store(url) as store:
        assert _plain(read(store)) == found


@pytest.mark.parametrize("version", OLDER)
def test_a_store_that_was_brought_up_has_the_tables_of_a_new_one(url: str, version: int) -> None:
    with Store("sqlite://" if url.startswith("sqlite") else url, create=True) as new:
        expected = _tables(new)
        if not url.startswith("sqlite"):
            with new._database.transaction() as connection:
                metadata.drop_all(connection)
    with Store(_golden(url, version)) as store:
        assert _tables(store) == expected


def _tables(store: Store) -> dict[str, Any]:
    """What there is in the database."""
    with store._database.reading() as connection:
        there = sa.inspect(connection)
        found: dict[str, Any] = {}
        for table in there.get_table_names():
            columns = {
                column["name"]: (str(column["type"]), column["nullable"])
                for column in there.get_columns(table)
            }
            keys = [
                (key["constrained_columns"], key["referred_table"], key["referred_columns"], key["options"])
                for key in there.get_foreign_keys(table)
            ]
            indexes = {
                str(one["name"]): (one.get("expressions", one["column_names"]), one.get("column_sorting"))
                for one in there.get_indexes(table)
            }
            unique = [one["column_names"] for one in there.get_unique_constraints(table)]
            primary = there.get_pk_constraint(table)["constrained_columns"]
            found[table] = columns, keys, indexes, unique, primary
        if connection.dialect.name == "sqlite":
            query = "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
            found["indexes"] = [" ".join(sql.split()) for (sql,) in connection.exec_driver_sql(query)]
            query = "SELECT sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE name = 'nas_searches'"
            found["numbers"] = connection.exec_driver_sql(query).scalar()
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_a_store_that_was_brought_up_is_written_like_a_new_one(url: str, version: int) -> None:
    with Store(_golden(url, version)) as store:
        before = store.search()
        record = store.create_search("new", {})
        assert record.id > before.id
        trial = Trial(0, "0" * 16, {"a": 1}, "complete", score=0.5, metrics={"accuracy": 0.5})
        with store.writing(record.id) as writing:
            writing.add(trial)
            writing.report(0, EpochReport(1, {}, None, 0.0, None))
            writing.log(0, "text")
        assert store.trials(record.id) == [trial]
        with store._database.transaction() as connection:  # keys hold: all of it goes with its search
            connection.exec_driver_sql("DELETE FROM nas_searches WHERE name = 'new'")
            count = "SELECT count(*) FROM nas_logs WHERE text = 'text'"
            assert connection.exec_driver_sql(count).scalar() == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_a_search_that_an_older_version_began_goes_on(
    version: int, tmp_path: Path, problem: Problem, networks: Space
) -> None:
    url = _golden(f"sqlite:///{tmp_path}/store.db", version)
    with Store(url) as store:
        before = store.trials(store.search("limited").id)
    search = nas.Search(
        networks,
        problem,
        "evolution",
        store=url,
        name="limited",
        executor="inline",
        limits=nas.at_most("num_params", 150),
        keep_weights=2,
        trials=10,
    )
    board = search.run(resume=True)
    assert len(board) == 10
    assert set(board["id"]) > {trial.architecture_id for trial in before if trial.status == "complete"}


def test_a_store_of_a_newer_version_is_refused_with_both_versions_and_left_as_it_was(url: str) -> None:
    Store(url, create=True).close()
    with Store(url) as store, store._database.transaction() as connection:
        connection.exec_driver_sql("UPDATE nas_meta SET value = '77'")
    with pytest.raises(StoreError, match=f"schema version 77, this program reads versions 1 to {VERSION}"):
        Store(url)
    with pytest.raises(StoreError, match="schema version 77"):
        Store(url, create=True)


def test_a_store_is_not_brought_up_while_a_search_in_it_is_driven(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    shutil.copy(DATA / "store-v2.sqlite", path)
    driver = new_driver()
    connection = sqlite3.connect(path)
    connection.execute(
        "UPDATE nas_searches SET status = 'running', driver = ?, heartbeat_at = 0 WHERE name = 'later'",
        (driver.to_json(),),
    )
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"'later' is driven by process \d+ on .*: let it end"):
        Store(path)
    release(driver)
    with Store(path) as store:
        assert store.search("later").state == "killed"


def test_what_goes_wrong_on_the_way_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    shutil.copy(DATA / "store-v3.sqlite", path)
    connection = sqlite3.connect(path)
    connection.execute(
        "UPDATE nas_trials SET metrics = '{' WHERE rowid = (SELECT max(rowid) FROM nas_trials)"
    )
    connection.commit()
    before = list(connection.iterdump())
    with pytest.raises(StoreError):
        Store(path)
    assert list(connection.iterdump()) == before
    connection.execute(
        "UPDATE nas_trials SET metrics = '{}' WHERE rowid = (SELECT max(rowid) FROM nas_trials)"
    )
    connection.commit()
    connection.close()
    with Store(path) as store:
        assert store.searches()


def _open(url: str) -> None:
    Store(url).close()


def test_several_processes_that_open_an_older_store_bring_it_up_once(url: str) -> None:
    _golden(url, 1)
    context = processes.context()
    openers = [context.Process(target=_open, args=(url,)) for _ in range(3)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join()
    assert [opener.exitcode for opener in openers] == [0, 0, 0]
    with Store(url) as store:
        assert len(store.searches()) == 4
