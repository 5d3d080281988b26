"""Where the output of commands ends: in pipes that nobody reads, on full disks, in terminals of few signs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from recorded import record

from nas.store.store import Store

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ends")
    with Store(folder / "nas.db", create=True) as store:
        record(store, 600, name="猫 search")
    return folder


def shell(folder: Path, line: str, **environment: str) -> tuple[int, str, str]:
    """Runs a line in which ``nas`` is the command; returns the exit code of that, its output and errors."""
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'nas() {{ "{sys.executable}" -m nas.cli "$@"; }}; {line}'],
        cwd=folder, env=os.environ | environment, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    return ended.returncode, ended.stdout.decode("latin-1"), ended.stderr.decode()


@pytest.mark.parametrize("format", ["table", "json"])
def test_a_reader_that_leaves_ends_a_command_without_a_word(folder: Path, format: str) -> None:
    code, out, err = shell(folder, f"nas leaderboard --top 600 --format {format} | head -1")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize("words", ["leaderboard --format json", "status", "--help"])
def test_a_full_disk_takes_one_line_to_say(folder: Path, words: str) -> None:
    assert shell(folder, f"nas {words} > /dev/full") == (2, "", "error: output: No space left on device\n")


def test_closed_outputs_take_one_line_to_say_or_none(folder: Path) -> None:
    code, out, err = shell(folder, "nas leaderboard >&-")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "standard output is closed" in err
    assert shell(folder, "nas leaderboard nosuch 2>&-") == (2, "", "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("words", ["leaderboard", "status", "show best"])
def test_a_terminal_of_any_encoding_shows_what_it_can(folder: Path, encoding: str, words: str) -> None:
    code, out, err = shell(folder, f"nas {words}", PYTHONIOENCODING=encoding)
    assert (code, err) == (0, "")
    assert "? search" in out


def test_an_error_is_said_in_any_encoding(folder: Path) -> None:
    code, out, err = shell(folder, "nas status 猫", PYTHONIOENCODING="ascii")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
