"""What only reads a store needs no right to write: neither to its file, nor beside it, nor at a server."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import processes
import pytest
import sqlalchemy as sa
from torch import nn

import nas
from nas import Search, cli
from nas.store.store import Store
from search_spaces import Space, integer, layer
from search_spaces.errors import NasError, StoreError
from workers.problems import Problem

DATA = Path(__file__).parent / "data"
NOBODY = 65534


@pytest.fixture(scope="module")
def trained(problem: Problem) -> Iterator[Path]:
    """The file of a store with a search that has trained two networks."""
    space = Space(
        {"model": layer(nn.Linear, out_features=integer(1, 50)), "recipe": {"epochs": 1, "batch_size": 16}}
    )
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "nas.db"
        Search(space, problem, "random", store=store, name="one", trials=2, executor="inline").run()
        yield store


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that others may look into: pytest's own is closed to them."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def searched(trained: Path, place: Path) -> Path:
    """A copy of that file in a folder of its own."""
    (place / "folder").mkdir()
    return Path(shutil.copy(trained, place / "folder"))


def _read_all(store: str, folder: str) -> list[str]:
    """Reads a store in every way there is, and writes to a folder elsewhere; returns its networks' ids."""
    board = nas.leaderboard(store)
    nas.report(store, to=Path(folder) / "report.html")
    found = nas.load(store)
    found.build()
    found.export(Path(folder) / "exported")
    with Store(store) as opened:
        assert opened.counts(1) == {"complete": 2}
        assert opened.usage(1) == opened.usage(1)
    return [str(id) for id in board["id"]]


def _as_nobody(store: str, warm: str, free: str) -> None:
    """Does it as a user who may write to nothing of ours, not even as root may."""
    _read_all(warm, str(Path(warm).parent))  # so that all is imported
    Store(f"sqlite:///{DATA}/store-v1.sqlite?mode=ro").close()
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    try:
        said = " ".join(_read_all(store, free))
    except NasError as error:
        said = f"{type(error).__name__}: {error}"
    (Path(free) / "answer").write_text(said)


@pytest.fixture
def ask(trained: Path, place: Path, tmp_path: Path) -> Callable[[Path], str]:
    """Returns what a user without rights reads of a store."""

    def asked(store: Path) -> str:
        warm, free = Path(shutil.copy(trained, tmp_path / "warm.db")), place / "free"
        free.mkdir()
        free.chmod(0o777)
        given = str(store), str(warm), str(free)
        process = processes.context().Process(target=_as_nobody, args=given)
        process.start()
        process.join()
        return (free / "answer").read_text()

    return asked


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")


@contextlib.contextmanager
def _closed(path: Path) -> Iterator[None]:
    """Nobody but root may write to a file, nor to its folder, for a while."""
    path.chmod(0o444)
    path.parent.chmod(0o555)
    yield
    path.parent.chmod(0o755)
    path.chmod(0o644)


@pytest.mark.slow
@needs_root
def test_a_store_in_a_folder_that_takes_no_files_is_read(
    searched: Path, ask: Callable[[Path], str], tmp_path: Path
) -> None:
    ids = " ".join(_read_all(str(searched), str(tmp_path)))
    with _closed(searched):
        assert ask(searched) == ids
    assert sorted(path.name for path in searched.parent.iterdir()) == ["nas.db"]


@pytest.mark.slow
@needs_root
def test_a_store_that_is_being_written_is_read_by_others(searched: Path, ask: Callable[[Path], str]) -> None:
    with Store(searched) as store, _closed(searched):
        store.annotate("one", notes="new")  # in the log beside the file
        for path in searched.parent.iterdir():
            path.chmod(0o444)
        assert len(list(searched.parent.iterdir())) == 3
        assert len(ask(searched).split()) == 2


@pytest.mark.slow
@needs_root
def test_what_is_in_a_log_that_cannot_be_read_is_not_left_out(
    searched: Path, ask: Callable[[Path], str], place: Path
) -> None:
    other = place / "other"
    other.mkdir()
    with Store(searched) as store:
        store.annotate("one", notes="new")
        for name in ("nas.db", "nas.db-wal"):  # as a copy of a store in use may come
            shutil.copy(searched.parent / name, other)
    (other / "nas.db-wal").chmod(0o444)
    with _closed(other / "nas.db"):
        assert "copy both files to a folder of your own" in ask(other / "nas.db")
    assert Store(other / "nas.db").search("one").notes == "new"


@pytest.mark.parametrize("query", ["mode=ro", "immutable=1", "mode=ro&immutable=1", "mode=rw"])
@pytest.mark.parametrize("url", ["sqlite:///{}?{}", "sqlite:///file:{}?{}", "sqlite:///file:{}?uri=true&{}"])
def test_urls_say_how_a_file_is_opened(searched: Path, tmp_path: Path, url: str, query: str) -> None:
    store = url.format(searched, query)
    assert len(_read_all(store, str(tmp_path))) == 2
    with Store(store) as opened:
        if query == "mode=rw":
            opened.annotate("one", notes="written")
        else:
            with pytest.raises(StoreError, match="readonly"):
                opened.annotate("one", notes="written")
    assert [path.name for path in searched.parent.iterdir()] == ["nas.db"]
    if query != "mode=rw":
        with pytest.raises(StoreError, match="only read"):
            Store(store, create=True)


def test_an_unknown_mode_or_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"expected \?mode=ro"):
        Store(f"sqlite:///{tmp_path}/nas.db?mode=wrong")
    with pytest.raises(StoreError, match="no store at"):
        Store(f"sqlite:///{tmp_path}/nas.db?mode=ro")
    assert list(tmp_path.iterdir()) == []
    assert nas.Store("sqlite:///file::memory:?cache=shared", create=True).searches() == []


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "long"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = {"device": Path("/dev/zero"), "folder": tmp_path, "long": tmp_path / ("x" * 300)}.get(
        kind, tmp_path / "pipe"
    )
    if kind == "pipe":
        os.mkfifo(path)
    for create in (False, True):
        with pytest.raises(StoreError):
            Store(path, create=create)


@pytest.mark.parametrize("version", [1, 3, 5])
def test_an_older_store_that_cannot_be_written_is_read_as_a_copy(
    tmp_path: Path, version: int, caplog: pytest.LogCaptureFixture
) -> None:
    path, other = tmp_path / "nas.db", tmp_path / "other.db"
    for file in (path, other):
        shutil.copy(DATA / f"store-v{version}.sqlite", file)
    before = path.read_bytes()
    with Store(f"sqlite:///{path}?mode=ro") as old:
        assert f"has schema version {version} and cannot be written to" in caplog.text
        with Store(other) as new:
            assert [one.name for one in old.searches()] == [one.name for one in new.searches()]
            for one in new.searches():
                assert repr(old.trials(one.id)) == repr(new.trials(one.id))
                assert old.frame(one.id).equals(new.frame(one.id))
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["nas.db", "other.db"]


@pytest.mark.slow
@needs_root
def test_an_older_store_is_read_by_who_may_not_write(place: Path, ask: Callable[[Path], str]) -> None:
    (place / "folder").mkdir()
    store = Path(shutil.copy(DATA / "store-v4.sqlite", place / "folder"))
    with _closed(store):
        said = ask(store)
    assert said.startswith("DecisionError"), "what is in it is read; it names no network that can be built"


def test_commands_read_a_store_that_cannot_be_written(
    searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    best = nas.leaderboard(str(searched))["id"].iloc[0]
    for words in (
        ["leaderboard"],
        ["show", best],
        ["export", best, "--to", "exported"],
        ["report", "--html", "report.html"],
        ["status"],
        ["list", "searches"],
        ["store", "export", "backup"],
    ):
        arguments = ["nas", *words, "--store", f"sqlite:///{searched}?mode=ro&immutable=1"]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code, (words, capsys.readouterr())
    assert [path.name for path in searched.parent.iterdir()] == ["nas.db"]


@pytest.fixture
def reader(new_database: Callable[[], str], make: Callable[..., Search]) -> Iterator[str]:
    """The URL of a store in PostgreSQL for a role that may read its tables, and no more."""
    url = new_database()
    make("random", store=url, name="one", trials=2).run()
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE reader LOGIN")
        connection.exec_driver_sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    yield url.replace("postgres:@", "reader:@")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP OWNED BY reader")
        connection.exec_driver_sql("DROP ROLE reader")
    engine.dispose()


@pytest.mark.slow
def test_a_role_that_may_only_read_reads(reader: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert len(nas.leaderboard(reader)) == 2
    with Store(reader) as store:
        assert len(store.frame(1)) == 2
        with pytest.raises(StoreError, match="permission denied"):
            store.annotate("one", notes="x")
    owner = reader.replace("reader:@", "postgres:@")
    engine = sa.create_engine(owner.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE nas_meta SET value = '5' WHERE key = 'version'")
    engine.dispose()
    with pytest.raises(StoreError, match="let its owner open it once"):
        Store(reader)
    assert not caplog.records


def test_a_store_read_only_that_is_no_store_says_so(tmp_path: Path) -> None:
    path = tmp_path / "nas.db"
    sqlite3.connect(path).execute("CREATE TABLE mine (x)").connection.close()
    with pytest.raises(StoreError, match="is no result store"):
        Store(f"sqlite:///{path}?mode=ro")
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="not a database"):
        Store(f"sqlite:///{path}?mode=ro")


def test_a_file_that_changes_while_it_is_read_is_read_again(searched: Path) -> None:
    reads = []

    def read(connection: sa.Connection, changes: int) -> str:
        notes = connection.scalar(sa.text("SELECT notes FROM nas_searches"))
        if len(reads) < changes:
            with Store(searched) as writer:
                writer.annotate("one", notes=f"note {len(reads)}")
        reads.append(notes)
        return str(notes)

    with Store(f"sqlite:///{searched}?mode=ro") as store:
        assert store._read(read, 2) == "note 1"
        assert reads == [None, "note 0", "note 1"]
        with pytest.raises(StoreError, match="was written to while it was read"):
            store._read(read, 1000)
