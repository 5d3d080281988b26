"""Who drives a search: one process at a time, and at once another one when that has died."""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

HEARTBEAT_SECONDS = 5.0
"""A driver says at least so often that it is alive (while its executor lets it)."""

LEASE_SECONDS = 60.0
"""A driver on another machine that was not heard of for so long counts as dead."""

_held: set[str] = set()  # tokens of the searches that this process drives


@dataclass(frozen=True)
class Driver:
    """A process that drives a search.

    Attributes:
        host: the machine and, in a container, which one.
        process: the id of the process there.
        began: when the process began, in a unit of the system's own: a later one may have the same id.
        token: a name of this search in this process.
    """

    host: str
    process: int
    began: str
    token: str

    def to_json(self) -> str:
        """Returns the driver as the store keeps it."""
        return json.dumps([self.host, self.process, self.began, self.token])

    def words(self) -> str:
        """Returns the driver in words for people."""
        return f"process {self.process} on {self.host.partition(' ')[0]}"


def new_driver() -> Driver:
    """Returns this process as the driver of one more search."""
    driver = Driver(_host(), os.getpid(), _began(os.getpid()) or "", uuid.uuid4().hex)
    _held.add(driver.token)
    return driver


def release(driver: Driver) -> None:
    """Says that this process drives that search no more."""
    _held.discard(driver.token)


def living(text: str | None, heartbeat_at: float | None) -> Driver | None:
    """Returns the driver that a store names, if it is alive.

    On this machine the process is looked for; elsewhere its last heartbeat (seconds since 1970) decides.
    """
    if text is None:
        return None
    try:
        driver = Driver(*json.loads(text))
    except (ValueError, TypeError):
        return None
    if driver.host != _host():
        return driver if time.time() - (heartbeat_at or 0.0) < LEASE_SECONDS else None
    if driver.process == os.getpid() and driver.began == (_began(os.getpid()) or ""):
        return driver if driver.token in _held else None
    began = _began(driver.process)
    return driver if began is not None and began == driver.began else None


def _host() -> str:
    try:
        space = os.readlink("/proc/self/ns/pid")  # process ids of two containers must not be mixed up
    except OSError:
        space = ""
    return f"{socket.gethostname()} {space}".strip()


def _began(process: int) -> str | None:
    """Returns when a process of this machine began; None if there is none, or only its exit code is left."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _answers(process)
    state, *fields = text.rpartition(")")[2].split()
    return None if state in "ZX" else fields[18]


def _answers(process: int) -> str | None:
    """Looks for a process where there is no /proc: returns a text if there is one, but not when it began."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return ""
    except OSError:
        return None
    return ""
