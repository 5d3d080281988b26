"""Files that are written: whole or not at all, and over nothing but files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nas.files import check_folder, is_file, is_folder, write_file
from search_spaces.errors import StoreError


def test_a_file_is_written_whole_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "new" / ("n" * 255)
    write_file(file, "first")
    write_file(file, b"second")
    assert file.read_bytes() == b"second"
    assert os.listdir(file.parent) == [file.name]
    umask = os.umask(0)
    os.umask(umask)
    assert file.stat().st_mode & 0o777 == 0o666 & ~umask


def things(folder: Path) -> dict[str, Path]:
    """What no output may take the place of, by its word."""
    (folder / "target").write_text("mine")
    (folder / "link").symlink_to(folder / "target")
    (folder / "dangling").symlink_to(folder / "nowhere")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    return {"link": folder / "link", "a link": folder / "dangling", "folder": folder / "folder",
            "pipe": folder / "pipe", "device": Path("/dev/null")}  # fmt: skip


def test_nothing_but_files_is_replaced(tmp_path: Path) -> None:
    for word, path in things(tmp_path).items():
        before = os.lstat(path)
        with pytest.raises(StoreError, match=f"{word}.*only files"):
            write_file(path, "x")
        after = os.lstat(path)
        assert (before.st_mode, before.st_ino) == (after.st_mode, after.st_ino)
        if word != "folder":
            with pytest.raises(StoreError, match=word):
                check_folder(path)
    assert (tmp_path / "target").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()
    check_folder(tmp_path / "folder")
    check_folder(tmp_path / "new")


@pytest.mark.parametrize("path", ["n" * 300, "/proc/nas/x", "a\0b", "/dev/null/x"])
def test_what_can_be_no_path_is_said_in_our_words(path: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        write_file(tmp_path / path, "x")
    assert not is_folder(path)
    assert not is_file(path)


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No space left"):
        _write_to_a_full_disk(tmp_path / "x")
    assert os.listdir(tmp_path) == []


def _write_to_a_full_disk(path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", _full)
        write_file(path, "x")


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")
