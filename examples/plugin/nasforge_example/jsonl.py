"""A tracker: a line of JSON in a file for each trial that ends."""

from __future__ import annotations

import json
from pathlib import Path

from nas import Callback
from nas.records import Trial


class JsonLines(Callback):
    """Writes a line for each trial that ends.

    Args:
        file: The file to add lines to.
    """

    def __init__(self, file: str = "trials.jsonl") -> None:
        self._file = Path(file)

    def on_trial_end(self, trial: Trial) -> None:
        """Add the line of a trial."""
        line = {"number": trial.number, "status": trial.status, "metrics": dict(trial.metrics)}
        with self._file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
