"""The file of the runs: a line of JSON for each, appended when it ends, so that none is ever repeated."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DONE, FAILED, LACKING = "done", "failed", "not run"
"""How a run ended: with a hand-over (of nothing, maybe), by an error, or for want of a package."""


@dataclass(frozen=True)
class Case:
    """What is run: a method on a problem, for so many seconds, with the seed of splits and method."""

    problem: str
    seconds: float
    seed: int
    method: str


def case_of(row: Mapping[str, Any]) -> Case:
    """The case that a row is of."""
    return Case(row["problem"], float(row["seconds"]), int(row["seed"]), row["method"])


class Rows:
    """The rows of a file; several threads may append.

    Args:
        path: the file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole, _, cut = text.rpartition("\n")
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in whole.splitlines()]
        if cut:  # of a process that was killed while it wrote
            with path.open("r+b") as file:
                file.truncate(len((whole + "\n").encode()) if whole else 0)

    def has(self, case: Case) -> bool:
        """Whether a run is there; one that lacked a package is to be tried again."""
        return any(case_of(row) == case and row["status"] != LACKING for row in self.rows)

    def append(self, case: Case, row: Mapping[str, Any]) -> None:
        """Appends the row of a run, and returns when it is on the disk.

        Raises:
            ValueError: that run is there already.
        """
        with self._lock:
            if self.has(case):
                raise ValueError(f"{case} is there already")
            line = {**vars(case), **row}
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
            self.rows.append(line)
