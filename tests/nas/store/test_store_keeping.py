"""Searches in a store are tagged, deleted with all that is theirs, and copied whole from store to store."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from filled_stores import all_of, fill, row_counts

from nas.lease import new_driver, release
from nas.store import store as stores
from nas.store.schema import VERSION
from nas.store.store import Store
from search_spaces.errors import SearchError, StoreError, UnknownNameError


@pytest.fixture
def store(url: str) -> Any:
    with Store(url, create=True) as opened:
        yield opened


def test_a_search_has_the_tags_and_notes_that_were_put_on_it(store: Store) -> None:
    first, second = (store.create_search(name, {}).id for name in ("first", "second"))
    assert (store.search(first).tags, store.search(first).notes) == ((), "")
    assert store.annotate("first", tags=["b", "a", "b", "ü"]).tags == ("b", "a", "ü")
    assert store.annotate(first, notes="what\nit was\0").notes == "what\nit was\N{REPLACEMENT CHARACTER}"
    assert store.search("first").tags == ("b", "a", "ü")
    assert store.annotate(first, tags=[]).tags == ()
    assert store.search("first").notes.startswith("what")
    assert store.search(second).tags == ()
    with pytest.raises(UnknownNameError):
        store.annotate("third", tags=["a"])


@pytest.mark.parametrize("tag", ["", "a b", "\n", "\0", 7])
def test_a_tag_is_a_word(store: Store, tag: Any) -> None:
    store.create_search("first", {})
    with pytest.raises(StoreError, match=r"expected a (word|list of text)"):
        store.annotate("first", tags=[tag])


def test_a_search_is_deleted_with_all_that_is_its_own_and_nothing_else(store: Store) -> None:
    fill(store, "stays", 1)
    before, kept = row_counts(store), all_of(store, "stays")
    last = fill(store, "goes", 2)
    assert all(after > before[table] for table, after in row_counts(store).items() if table != "nas_meta")
    assert store.delete("goes").name == "goes"
    assert row_counts(store) == before
    assert all_of(store, "stays") == kept
    with pytest.raises(UnknownNameError):
        store.search("goes")
    assert store.create_search("next", {}).id > last, "numbers are not given twice"


def test_a_search_that_is_driven_is_not_deleted(store: Store) -> None:
    driver = new_driver()
    store.create_search("driven", {}, driver)
    with pytest.raises(SearchError, match="is being driven"):
        store.delete("driven")
    release(driver)
    store.delete("driven")
    assert store.searches() == []


def test_vacuum_gives_back_the_room_of_what_was_deleted(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store(path, create=True) as store:
        fill(store, "small", 1)
        for number in range(2, 12):
            fill(store, f"search {number}", number)
        store.vacuum()
        before = path.stat().st_size
        for number in range(2, 12):
            store.delete(f"search {number}")
        store.vacuum()
        assert path.stat().st_size < before - 900_000
        assert store.weights(store.search("small").id, 4) == b"\1" * 100_000


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """An empty store beside that of the test."""
    if request.param == "sqlite":
        there = f"sqlite:///{tmp_path}/target.db"
    else:
        there = request.getfixturevalue("new_database")()
    with Store(there, create=True) as opened:
        yield opened


def test_a_store_is_copied_whole_with_numbers_of_the_other(store: Store, target: Store) -> None:
    target.create_search("there before", {})
    target.create_search("deleted", {})
    target.delete("deleted")
    for name, seed in (("first", 1), ("second", 2)):
        fill(store, name, seed)
    done = store.copy(target)
    assert (done.copied, done.known) == (["first", "second"], [])
    for name in ("first", "second"):
        assert all_of(target, name) == all_of(store, name)
    assert target.search("first").id == 3
    again = store.copy(target)
    assert (again.copied, again.known) == ([], ["first", "second"])
    back = target.copy(store)
    assert (back.copied, back.known) == (["there before"], ["first", "second"])


def test_one_search_is_copied_with_the_references_that_it_is_compared_with(
    store: Store, target: Store
) -> None:
    for name, seed in (("first", 1), ("second", 2)):
        fill(store, name, seed)
    assert store.copy(target, "second").copied == ["second"]
    assert [record.name for record in target.searches()] == ["second"]
    assert all_of(target, "second") == all_of(store, "second")
    assert row_counts(target)["nas_references"] == 2
    with store.writing(target.search("second").id) as writing:
        writing.drop_weights(4)


def test_another_search_of_the_same_name_is_not_copied_over(store: Store, target: Store) -> None:
    fill(target, "second", 7)
    before = all_of(target, "second")
    fill(store, "first", 1)
    fill(store, "second", 2)
    with pytest.raises(StoreError, match="another search named 'second'"):
        store.copy(target)
    assert [record.name for record in target.searches()] == ["second"], "none was copied"
    assert all_of(target, "second") == before


def test_a_copy_that_is_interrupted_leaves_nothing_and_can_be_done_again(
    store: Store, target: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seed in (("first", 1), ("second", 2)):
        fill(store, name, seed)
    take = stores.take

    class CutError(Exception):
        pass

    def breaking(source: Any, database: Any) -> Any:
        whole = source.rows

        def some(table: sa.Table, search_id: int) -> Any:
            if table.name == "nas_logs" and search_id == store.search("second").id:
                raise CutError
            yield from whole(table, search_id)

        source.rows = some
        return take(source, database)

    monkeypatch.setattr(stores, "take", breaking)
    with pytest.raises(CutError):
        store.copy(target)
    monkeypatch.undo()
    assert target.searches() == []
    done = store.copy(target)
    assert (done.copied, done.known) == (["first", "second"], [])
    assert all_of(target, "second") == all_of(store, "second")


def test_a_copy_of_a_search_that_is_driven_is_driven_by_nobody(store: Store, target: Store) -> None:
    driver = new_driver()
    store.create_search("driven", {}, driver)
    store.copy(target)
    assert target.search("driven").state == "killed"
    target.claim(target.search("driven").id, driver, {})
    release(driver)


def test_a_store_is_not_copied_to_itself(store: Store) -> None:
    with pytest.raises(StoreError, match="got one twice"):
        store.copy(store)
    with Store("sqlite://", create=True) as one, Store("sqlite://", create=True) as other:
        one.create_search("mine", {})
        assert one.copy(other).copied == ["mine"]


def test_what_is_exported_as_parquet_and_taken_in_again_is_the_same(
    store: Store, target: Store, tmp_path: Path
) -> None:
    for name, seed in (("first", 1), ("../second", 2)):
        fill(store, name, seed)
    store.create_search("empty", {})
    assert store.export(tmp_path / "folder") == ["first", "../second", "empty"]
    target.create_search("there before", {})
    assert target.import_folder(tmp_path / "folder").copied == ["first", "../second", "empty"]
    for name in ("first", "../second", "empty"):
        assert all_of(target, name) == all_of(store, name)
    assert target.import_folder(tmp_path / "folder").known == ["first", "../second", "empty"]
    store.export(tmp_path / "one", "../second")
    assert len(list((tmp_path / "one").iterdir())) == 3


def test_parquet_files_are_read_by_pandas(tmp_path: Path) -> None:
    import pandas as pd

    with Store("sqlite://", create=True) as store:
        fill(store, "first", 1)
        store.export(tmp_path / "folder")
    frame = pd.read_parquet(tmp_path / "folder" / "search-1" / "nas_trials.parquet")
    assert frame["score"].tolist() == [0.0, 0.2, 0.4, 0.6, 0.8]


def test_a_folder_that_version_5_has_written_is_taken_in(store: Store, target: Store, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    fill(store, "first", 1)
    store.export(tmp_path / "folder")
    # as it was then: without what ran, cards, choices and banks, and with the weights of trials alone
    for table in ("cards", "choices", "banks"):
        (tmp_path / "folder" / "search-1" / f"nas_{table}.parquet").unlink()

    def since(file: Path) -> tuple[str, ...]:
        return ("training", "seed") if file.stem == "nas_weights" else ("ran", "ran_layout")

    for file in (tmp_path / "folder").rglob("*.parquet"):
        table = pq.read_table(file)
        pq.write_table(table.drop_columns([name for name in since(file) if name in table.column_names]), file)
    listed = tmp_path / "folder" / "store.json"
    said = json.loads(listed.read_text()) | {"version": 5}
    said.pop("rows")
    said["searches"]["search-1"].pop("rows")
    listed.write_text(json.dumps(said))
    assert target.import_folder(tmp_path / "folder").copied == ["first"]
    here, there = store.search("first").id, target.search("first").id
    assert repr([replace(one, ran={}) for one in store.trials(here)]) == repr(target.trials(there))
    assert target.reruns.of_search(there)[1][0].ran == {}
    assert target.references.of_search(there)[0]["label"].ran == {}
    assert target.cards(there) == []
    assert target.choices(there) == []
    assert target.kept_weights(there) == {1, 4}
    assert [one.training for one in target.of_kept_trainings(there, target.trials(there))] == [0] * 5


def test_a_folder_that_is_no_export_or_not_empty_is_an_error(store: Store, tmp_path: Path) -> None:
    store.create_search("one", {})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(StoreError, match="expected a folder that is empty"):
        store.export(tmp_path / "full")
    for folder in ("full", "nowhere"):
        with pytest.raises(StoreError, match="expected a folder that a store was exported to"):
            store.import_folder(tmp_path / folder)
    store.export(tmp_path / "good")
    listed = tmp_path / "good" / "store.json"
    listed.write_text(listed.read_text().replace(f'"version": {VERSION}', '"version": 77'))
    with pytest.raises(StoreError, match="has version 77, this program reads versions"):
        store.import_folder(tmp_path / "good")
