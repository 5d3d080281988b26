"""The checkpoints of a search's trials: where they lie, and which are kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import quote

from search_spaces.errors import ExecutorError
from workers.checkpoints import Folder

if TYPE_CHECKING:
    from nas.records import Trial
    from workers.job import Checkpoint


class Checkpoints:
    """The checkpoints of one search, each trial's in a folder of its own.

    They are for trials that are interrupted or have paused: those of trials that are over are removed, in a
    thread beside the search, since a storage may be slow.

    Args:
        uri: of a folder, as fsspec knows it; None: none are saved, trials are begun again.
        search: its name.
    """

    def __init__(self, uri: str | None, search: str) -> None:
        self._root = None if uri is None else f"{uri.rstrip('/')}/{quote(search, safe='')}"
        self._remover: ThreadPoolExecutor | None = None
        self.messages: list[str] = []

    def folder(self, trial: Trial) -> str | None:
        """Where a trial's checkpoints lie."""
        return None if self._root is None else f"{self._root}/{trial.architecture_id}"

    def saved(self, trial: Trial) -> Checkpoint | None:
        """The state in which a trial has paused, if it is there."""
        folder = self.folder(trial)
        if folder is None:
            return None
        try:
            return next((one for one in Folder(folder).saved() if one.epoch == trial.epochs), None)
        except ExecutorError as error:
            self.messages.append(str(error))
            return None

    def remove(self, trial: Trial) -> None:
        """Remove a trial's checkpoints, soon."""
        folder = self.folder(trial)
        if folder is None:
            return
        if self._remover is None:
            self._remover = ThreadPoolExecutor(1, "checkpoints")
        self._remover.submit(self._remove, folder)

    def close(self) -> None:
        """Wait for what is being removed."""
        if self._remover is not None:
            self._remover.shutdown()

    def _remove(self, folder: str) -> None:
        try:
            Folder(folder).remove()
        except ExecutorError as error:
            self.messages.append(str(error))
