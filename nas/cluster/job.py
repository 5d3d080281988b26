"""A search as a job for a Ray cluster: its command, what is shipped, what the dashboard shows."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nas.cluster.files import files_of
from nas.cluster.pins import pins_of
from nas.files import is_file
from nas.integrations.names import catalog as trackers
from nas.passwords import has_password, refuse_passwords, without_password
from nas.store.database import sqlite_file
from search_spaces.arguments import checked
from search_spaces.errors import SearchError
from workers.problems.own_data import is_share, is_uri

SEARCH, STORE, AGAIN = "nas_search", "nas_store", "nas_resume"
"""The keys of a job's metadata: its search, the store that was named, and what ``nas resume`` needs."""

STOP_SECONDS = 60
"""How long Ray waits for a driver to record that it was stopped, before it kills it."""

_READ_BY_ALL = (
    "a password in it would be read by whoever sees the cluster's dashboard: leave it out, and set what is "
    "read in its place on the cluster's nodes, such as an environment variable or ~/.pgpass"
)


@dataclass(frozen=True)
class ClusterJob:
    """A search, ready to be submitted. All of it can be read by whoever sees the cluster's dashboard.

    Attributes:
        id: the id of the job.
        search: the name of the search in the store.
        command: the ``nas`` command that the job runs, as words.
        again: what follows ``nas resume`` where it is to go on.
        store: the store that was named; None: ``NAS_STORE`` of the head, or ``nas.db`` in its home.
        files: the files of its working folder, by path within it.
        requirements: a file that says what pip is to install there.
        package: whether this installation of ours is shipped too.
        pins: requirements for pip that give the plug-ins whose names the search uses.
    """

    id: str
    search: str
    command: Sequence[str]
    again: str
    store: str | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    requirements: Path | None = None
    package: bool = False
    pins: Sequence[str] = ()

    @property
    def entrypoint(self) -> str:
        """The shell command that the head runs."""
        run = f"exec python -m nas.cli {shlex.join(self.command)}"
        # what lies in the job's own folder is deleted after it
        return run if self.store else f'export NAS_STORE="${{NAS_STORE:-$HOME/nas.db}}"; {run}'

    @property
    def metadata(self) -> dict[str, str]:
        """What the cluster keeps of it."""
        return {SEARCH: self.search, STORE: self.store or "", AGAIN: self.again}

    def runtime_env(self, working_dir: Path | None) -> dict[str, Any]:
        """Returns what Ray prepares for the driver and the workers.

        Args:
            working_dir: the packed `files`.
        """
        found: dict[str, Any] = {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}}
        if working_dir is not None:
            found["working_dir"] = str(working_dir)
        if self.pins:
            told = [] if self.requirements is None else self.requirements.read_text("utf-8").splitlines()
            found["pip"] = [*told, *self.pins]
        elif self.requirements is not None:
            found["pip"] = str(self.requirements)
        if self.package:
            found["py_modules"] = _packages()
        return found


@checked(SearchError)
def cluster_job(
    verb: str,
    subject: str | None,
    options: Mapping[str, Any],
    *,
    name: str | None = None,
    store: str | None = None,
    working_dir: Path | None = None,
    requirements: Path | None = None,
    package: bool = False,
) -> ClusterJob:
    """Returns a search as a job for a Ray cluster.

    Args:
        verb: ``search``, ``resume`` or ``extend``.
        subject: a Python file, which is shipped with its folder; or the search to resume.
        options: the options of that command, by the names of their arguments.
        name: the name of the search.
        store: the store for its results, as the head sees it.
        working_dir: the folder to ship; left out: that of the file.
        requirements: a file for pip; left out: ``requirements.txt`` in the file's folder, if there is one.
        package: whether to ship this installation too.

    Raises:
        SearchError: a file that is not there, or not in the folder; a folder too large; a store that would be
            lost with the job; something secret, which the dashboard would show; a plug-in by name that the
            cluster cannot install.
    """
    options = dict(options)
    _check_store(store)
    for option, value in {**options, "name": name}.items():
        values = [str(one) for one in (value if isinstance(value, list) else [value])]
        if option == "track":  # where a tracker writes follows its name
            values = [_after_name(one) for one in values]
        refuse_passwords(_option(option), values, _READ_BY_ALL)
    refuse_passwords("search", [subject], _READ_BY_ALL)
    file, files = None, dict[str, Path]()
    stem, words = subject or "search", [] if subject is None else [subject]
    if subject is not None and subject.endswith(".py"):
        file = Path(subject)
        files, within = _files_with(file, working_dir)
        stem, words = file.stem, [within]
        beside = file.parent / "requirements.txt"
        requirements = requirements or (beside if beside.is_file() else None)
    elif working_dir is not None:
        files = files_of(working_dir.resolve())
    _check_data(options)
    space = str(options.get("space") or "")
    if space.endswith(".json") and space not in files:
        if not is_file(space):
            raise SearchError(f"space {space}: there is no such file")
        options["space"] = Path(space).name
        files[Path(space).name] = Path(space)
    if requirements is not None and not _requires(requirements):
        requirements = None
    word = re.sub(r"[^A-Za-z0-9_.-]+", "-", name or stem).strip("-.")[:60] or "search"
    id = f"{word}-{secrets.token_hex(3)}"
    if verb != "search" and file is None and subject is not None:
        search = subject
    else:
        search = name or id
        options["name"] = search
    kept = [] if store is None else [f"--store={store}"]
    command = [verb, *words, *_as_words(options), *kept]
    again = [search] if file is None else [str(file), f"--name={search}"]
    pins = pins_of(options, file, requirements)
    refuse_passwords(
        "requirement", pins, "name it in requirements.txt, with ${NAME} in place of the password"
    )
    resumed = shlex.join([*again, *kept])
    return ClusterJob(id, search, command, resumed, store, files, requirements, package, pins)


def _check_data(options: Mapping[str, Any]) -> None:
    """Check that data are where every driver of the search finds them: a later one has another folder.

    Raises:
        SearchError: they are in the folder of this process.
    """
    for option in ("data", "validation", "test"):
        path = str(options.get(option) or "")
        if path and not is_share(path) and not is_uri(path) and not Path(path).is_absolute():
            raise SearchError(
                f"--{option} {path}: expected a place that all nodes see, such as "
                f"/shared/{Path(path).name} or s3://bucket/{Path(path).name}"
            )


def _files_with(file: Path, working_dir: Path | None) -> tuple[dict[str, Path], str]:
    """Returns the files to ship with a Python file, and its own path among them.

    Raises:
        SearchError: there is no such file, or it would not be shipped.
    """
    if not is_file(file):
        raise SearchError(f"{file}: expected a Python file")
    folder = (working_dir or file.parent).resolve()
    if not file.resolve().is_relative_to(folder):
        raise SearchError(f"{file} lies outside of the folder to ship, {folder}: name one that holds it")
    files = files_of(folder)
    within = file.resolve().relative_to(folder).as_posix()
    if within not in files:
        raise SearchError(
            f"{file} would not be shipped: it is hidden, or a .gitignore or .rayignore names it"
        )
    return files, within


def check_stays(store: object) -> None:
    """Checks that the store of a job is there after the job.

    Raises:
        SearchError: the store is a file in the job's working folder, or in memory.
        StoreError: it is no store's URL.
    """
    file = sqlite_file(store) if isinstance(store, str | Path) else None
    if file is not None and not file.is_absolute():
        raise SearchError(
            f"store {without_password(store)!r}: the cluster deletes a job's folder, and with it the "
            "results: give an absolute path on the head or the URL of a server, or name no store at all"
        )


def _check_store(store: str | None) -> None:
    if store is None:
        return
    check_stays(store)
    if has_password(store):
        raise SearchError(
            f"store {without_password(store).partition('?')[0]}: its password would be read by whoever sees "
            "the cluster's dashboard: set NAS_STORE on the head instead, or ~/.pgpass there, and leave it out"
        )


def _as_words(options: Mapping[str, Any]) -> list[str]:
    """Returns options as they are written on the command line."""
    words: list[str] = []
    for name, value in options.items():
        option = _option(name)
        if isinstance(value, list):
            words += [f"{option}={one}" for one in value]
        elif value is True:
            words.append(option)
        elif value not in (None, False):
            words.append(f"{option}={value}")
    return words


def _after_name(track: str) -> str:
    """Returns where a tracker writes; all of the text where it begins with no tracker's name."""
    name, _, where = track.partition(":")
    return where if name in trackers else track


def _option(name: str) -> str:
    return f"--{name.rstrip('_').replace('_', '-')}"  # from_ and input_ are words of Python else


def _requires(file: Path) -> bool:
    """Whether a file names anything for pip to install.

    Raises:
        SearchError: it cannot be read, or holds a password.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SearchError(f"requirements {file}: {error}") from error
    for number, line in enumerate(lines, start=1):
        if any(map(has_password, (line, *line.split()))):
            raise SearchError(
                f"{file}, line {number}: what stands before the @ would be read by whoever sees the "
                "cluster's dashboard: write ${NAME} in its place and set that variable on the cluster's nodes"
            )
    return any(line.strip() and not line.lstrip().startswith("#") for line in lines)


def _packages() -> list[str]:
    """Returns the folders of the packages of this installation."""
    found = map(find_spec, ("search_spaces", "controllers", "workers", "nas"))
    return [str(place) for spec in found if spec for place in spec.submodule_search_locations or ()]
