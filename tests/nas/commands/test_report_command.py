"""nas report and nas leaderboard --where on the command line."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest
from recorded import record

from nas import cli
from nas.store.store import Store


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which the command runs, with a store of one search."""
    with Store(tmp_path / "nas.db", create=True) as store:
        record(store, 30, name="mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.delenv("NAS_STORE", raising=False)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["nas", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_report_writes_a_file_and_says_where(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "report", "mine", "--html", "out.html", "--store", "nas.db") == 0
    assert capsys.readouterr().out == "wrote out.html: open it in a browser\n"
    assert (folder / "out.html").read_text().startswith("<!doctype html>")


def test_watching_a_search_that_is_over_writes_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "report", "--watch", "--store", "nas.db") == 0
    assert capsys.readouterr().out == "wrote report.html: the search is finished\n"
    assert '"reload_seconds":null' in (folder / "report.html").read_text()


def test_a_leaderboard_is_filtered_by_several_conditions(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--where", "normalisation=batch", "--where", "num_params<10000"]
    assert run(monkeypatch, "leaderboard", "--store", "nas.db", "--format", "json", *words) == 0
    rows = json.loads(capsys.readouterr().out)
    assert 0 < len(rows) < 20
    assert all(row["num_params"] < 10000 for row in rows)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["leaderboard", "--where", "depth"], "expected a condition such as model.depth>=3, got 'depth'"),
        (["leaderboard", "--where", "depth>2"], "no decision or column 'depth'"),
        (["report", "yours"], "no search named 'yours'"),
        (["report", "--html", "nas.db/out.html"], "the report cannot be written"),
    ],
)
def test_what_is_wrong_takes_one_line_to_say(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    assert run(monkeypatch, *words, "--store", "nas.db") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
