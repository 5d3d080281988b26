"""The commands of ``nas store``: what they do to a store, what they say and what they ask."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nas import Search, cli
from nas.store.store import Store

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command, in this process and an empty folder: returns its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nas", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return command


@pytest.fixture
def searched(make: Callable[..., Search], tmp_path: Path) -> Path:
    """A store with two searches in the folder of the commands."""
    for name in ("first", "second"):
        make(store=tmp_path / "nas.db", name=name, trials=5).run()
    return tmp_path / "nas.db"


def test_tags_and_notes_are_shown_where_searches_are(run: Run, searched: Path) -> None:
    assert "tags" not in run("list", "searches")[1]
    assert run("store", "tag", "first", "paper", "baseline") == (0, "first: paper, baseline\n", "")
    assert run("store", "note", "first", "the larger images") == (0, "", "")
    assert "paper baseline" in run("list", "searches")[1]
    said = run("status", "first")[1]
    assert "tags    paper baseline\n" in said
    assert "notes   the larger images\n" in said
    assert "tags" not in run("status", "second")[1]
    assert run("store", "tag", "1") == (0, "first: no tags\n", "")
    code, _, err = run("store", "tag", "third", "x")
    assert code == 2
    assert "'third'" in err


def test_a_search_is_deleted_only_if_that_is_confirmed(
    run: Run, searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    for answer in ("n\n", ""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        code, out, _ = run("store", "delete", "first")
        assert code == 130
        assert "delete first with 5 trials and" in out
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert run("store", "delete", "first")[0] == 0
    assert run("store", "delete", "second", "--yes")[0] == 0
    assert run("store", "vacuum") == (0, "", "")
    with Store(searched) as store:
        assert store.searches() == []


def test_searches_are_copied_and_exported_and_taken_in(run: Run, searched: Path) -> None:
    assert (
        run("store", "copy", "nas.db", "other.db", "--search", "second")[1] == "second: copied to other.db\n"
    )
    assert run("store", "copy", "nas.db", "other.db")[1] == (
        "first: copied to other.db\nsecond: is there already\n"
    )
    assert run("store", "export", "folder", "--store", "other.db")[0] == 0
    assert run("store", "import", "folder", "--store", "third.db")[0] == 0
    boards = [
        run("leaderboard", "first", "--format", "csv", "--store", store)[1]
        for store in ("nas.db", "third.db")
    ]
    assert boards[0] == boards[1]
    code, _, err = run("store", "copy", "nas.db", "nas.db")
    assert code == 2
    assert "expected two stores" in err
    assert run("store", "copy", "nowhere.db", "other.db")[0] == 2


def test_a_search_that_was_copied_goes_on_in_the_copy(
    run: Run, searched: Path, make: Callable[..., Search], tmp_path: Path
) -> None:
    run("store", "copy", "nas.db", "other.db")
    boards = []
    for name in ("nas.db", "other.db"):
        search = make(store=tmp_path / name, name="first", trials=9)
        boards.append(search.run(resume=True))
    assert len(boards[0]) == 9
    assert boards[0]["id"].tolist() == boards[1]["id"].tolist()


def test_a_copy_to_a_server_does_not_show_its_password(run: Run, searched: Path, postgres: str) -> None:
    url = postgres.replace("postgres:@", "postgres:secret@")
    assert "secret" in url
    said = run("store", "copy", "nas.db", url)
    assert said[0] == 0
    assert "first: copied to postgresql://" in said[1]
    assert "secret" not in "".join(map(str, said))
