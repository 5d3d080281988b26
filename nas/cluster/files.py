"""What of a folder travels to a cluster: its own code, packed into one file."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path

from search_spaces.errors import ExecutorError, SearchError

MAX_BYTES = 100 * 2**20
"""The most of all files together: what the dashboard of a Ray cluster takes in one request."""

_NEVER = ("__pycache__", "*.pyc", "*.db", "*.db-*", "*.egg-info")
_IGNORING = (".gitignore", ".rayignore")


def files_of(folder: Path) -> dict[str, Path]:
    """Returns the files of a folder that are shipped, by their path within it.

    Left out are hidden files (and so ``.git``, ``.venv``, ``.env``), virtual environments of any name,
    bytecode, databases, and what a ``.gitignore`` or ``.rayignore`` in the folder names.

    Raises:
        SearchError: they are too large together; it names the largest.
        ExecutorError: the package that reads those files is not installed.
    """
    try:
        from pathspec import GitIgnoreSpec
    except ImportError as error:
        raise ExecutorError(
            f"sending jobs needs the package {error.name!r}: pip install 'nasforge[cluster]'"
        ) from error
    lines = [
        line
        for name in _IGNORING
        if (folder / name).is_file()
        for line in (folder / name).read_text(encoding="utf-8", errors="replace").splitlines()
    ]
    ignored = GitIgnoreSpec.from_lines(lines)
    found: dict[str, Path] = {}
    for root, folders, names in os.walk(folder):
        here = Path(root).relative_to(folder)
        folders[:] = [
            name
            for name in sorted(folders)
            if not _never(name)
            and not (Path(root) / name / "pyvenv.cfg").exists()
            and not ignored.match_file(f"{(here / name).as_posix()}/")
        ]
        for name in sorted(names):
            path = (here / name).as_posix()
            if not _never(name) and not ignored.match_file(path) and (Path(root) / name).is_file():
                found[path] = Path(root) / name
    _check_size(folder, found)
    return found


def pack(files: Mapping[str, Path], target: Path) -> None:
    """Writes files to a zip file: the same files as the same bytes, so that Ray sends them once."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (path.stat().st_mode & 0o777) << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def size_of(files: Iterable[Path]) -> int:
    """Returns the bytes of files together."""
    return sum(path.stat().st_size for path in files)


def megabytes(size: int) -> str:
    """Returns a number of bytes as text for people."""
    return f"{size / 2**20:.1f} MB"


def _never(name: str) -> bool:
    return name.startswith(".") or any(fnmatch(name, pattern) for pattern in _NEVER)


def _check_size(folder: Path, files: Mapping[str, Path]) -> None:
    size = size_of(files.values())
    if size <= MAX_BYTES:
        return
    largest = sorted(files.items(), key=lambda item: -item[1].stat().st_size)[:3]
    named = ", ".join(f"{name} ({megabytes(path.stat().st_size)})" for name, path in largest)
    raise SearchError(
        f"{folder} is too large to be shipped: {megabytes(size)}, and {megabytes(MAX_BYTES)} is the most; "
        f"the largest: {named}. Name what is no code in {folder / '.rayignore'}, and read data "
        "from a path or a URL that the cluster's nodes have"
    )
