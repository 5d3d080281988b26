"""Files and folders that people name: written whole or not at all, and over nothing but files."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from search_spaces.errors import StoreError


def write_file(path: Path, data: str | bytes, what: str = "file") -> None:
    """Writes a file as a whole: who opens it meanwhile sees the old one or the new one.

    Args:
        path: the file; folders that it needs are made.
        data: what it is to hold; text is written as UTF-8.
        what: the name of what is written, for the message.

    Raises:
        StoreError: it cannot be written, or there is something else than a file.
    """
    try:
        check_replaceable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        # a short name: that of the file may be as long as a name can be
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".nas-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data.encode("utf-8", "replace") if isinstance(data, str) else data)
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(name, 0o666 & ~umask)  # mkstemp's is for its owner alone
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise StoreError(f"the {what} cannot be written to {path}: {why}") from error


def check_replaceable(path: Path) -> None:
    """Checks that there is a file at a path, or nothing.

    Raises:
        StoreError: there is a folder, a link, a device or anything else that is no file.
        OSError: that cannot be known.
    """
    kind = _kind(path)
    if kind not in (None, "file"):
        raise StoreError(f"cannot write to {path}: it is a {kind}, and only files are replaced: name another")


def check_folder(path: Path) -> None:
    """Checks that there is a folder at a path, or nothing.

    Raises:
        StoreError: there is something else, a link included; or that cannot be known.
    """
    try:
        kind = _kind(path)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise StoreError(f"cannot write to {path}: {why}") from error
    if kind not in (None, "folder"):
        raise StoreError(f"cannot write to {path}: it is no folder but a {kind}: name another")


def is_folder(path: str | Path) -> bool:
    """Whether there is a folder at a path; what can be no path is none."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: str | Path) -> bool:
    """Whether there is a file at a path; what can be no path is none."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def _kind(path: Path) -> str | None:
    """Returns what there is at a path, in a word; None: nothing."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    for is_one, word in (
        (stat.S_ISREG, "file"),
        (stat.S_ISDIR, "folder"),
        (stat.S_ISLNK, "link"),
        (stat.S_ISFIFO, "pipe"),
        (stat.S_ISSOCK, "socket"),
    ):
        if is_one(mode):
            return word
    return "device"
