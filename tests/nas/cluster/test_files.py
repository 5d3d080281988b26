"""What of a folder travels to a cluster."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nas.cluster.files import MAX_BYTES, files_of, pack
from search_spaces.errors import SearchError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as people have them: code, and much else."""
    for name in (
        "my_search.py", "parts/layers.py", "parts/data.csv", ".env", ".git/config", "nas.db", "nas.db-wal",
        "envs/mine/pyvenv.cfg", "envs/mine/lib/torch.py", "__pycache__/my_search.cpython-311.pyc",
        "runs/1/log.txt", "notes.tmp", "kept.tmp", "raw/images.bin",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    (tmp_path / ".gitignore").write_text("# what git leaves out\nruns/\n*.tmp\n!kept.tmp\n")
    (tmp_path / ".rayignore").write_text("raw\n")
    return tmp_path


def test_code_is_shipped_and_neither_hidden_files_nor_databases_nor_what_is_ignored(folder: Path) -> None:
    assert sorted(files_of(folder)) == ["kept.tmp", "my_search.py", "parts/data.csv", "parts/layers.py"]


def test_a_folder_that_is_too_large_is_refused_with_the_name_of_the_largest_file(folder: Path) -> None:
    with (folder / "parts" / "train.npy").open("wb") as file:
        file.truncate(MAX_BYTES)
    with pytest.raises(SearchError, match=r"too large .*: parts/train.npy \(100.0 MB\)"):
        files_of(folder)


def test_the_same_files_are_packed_into_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    files = files_of(folder)
    pack(files, tmp_path / "one.zip")
    os.utime(folder / "my_search.py", (0, 0))
    pack(files, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
