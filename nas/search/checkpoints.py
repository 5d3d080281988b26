"""The checkpoints of a search's trials: where they lie, and which are kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from nas.escaping import for_path
from search_spaces.errors import ExecutorError
from workers.trial.checkpoint_folder import CheckpointFolder

if TYPE_CHECKING:
    from nas.description import Description
    from nas.ranking import Ranked
    from nas.records import Trial
    from workers.job import Checkpoint

_STATES = 200
"""The least number of paused trials whose state is kept."""


class Checkpoints:
    """The checkpoints of one search.

    They are for trials that are interrupted or have paused. Where the search names a place for them, each
    trial's lie there in a folder of its own; those of trials that are over are removed, in a thread beside
    the search, since a storage may be slow. Of the paused trials only the best keep theirs: the others
    hardly ever go on, and if they do, they begin again.

    Args:
        description: the description of the search.
        name: the name of the search.

    Attributes:
        messages: what went wrong with the storage, a line each.
    """

    def __init__(self, description: Description, name: str) -> None:
        self._description = description
        place = description.checkpoints
        self._root = None if place is None else f"{place.rstrip('/')}/{for_path(name)}"
        self._remover: ThreadPoolExecutor | None = None
        self._paused: dict[int, tuple[Ranked, Checkpoint]] = {}
        self._over: list[str] = []
        self.messages: list[str] = []

    def folder(self, trial: Trial) -> str | None:
        """Returns the folder of a trial's checkpoints; None: they are not saved."""
        return None if self._root is None else f"{self._root}/{for_path(trial.architecture_id)}"

    def keep(self, judged: Ranked, state: Checkpoint) -> None:
        """Keep the state of a trial that has paused, while it is among the best."""
        self._paused[judged.trial.number] = judged, state
        if len(self._paused) < 2 * _STATES:
            return
        ranked = self._description.ranking.order(one for one, _ in self._paused.values())
        for other in ranked[_STATES:]:
            del self._paused[other.trial.number]
            self.remove(other.trial)

    def take(self, trial: Trial) -> Checkpoint | None:
        """Returns the state in which a trial has paused, if it was kept, be it by an earlier driver."""
        if trial.number in self._paused:
            return self._paused.pop(trial.number)[1]
        folder = self.folder(trial)
        if folder is None:
            return None
        try:
            return next((one for one in CheckpointFolder(folder).saved() if one.epoch == trial.epochs), None)
        except ExecutorError as error:
            self.messages.append(str(error))
            return None

    def remove(self, trial: Trial) -> None:
        """Remove a trial's checkpoints with the next `sweep`."""
        folder = self.folder(trial)
        if folder is not None:
            self._over.append(folder)

    def sweep(self) -> None:
        """Begin to remove what is to be removed: what made it needless is recorded."""
        for folder in self._over:
            if self._remover is None:
                self._remover = ThreadPoolExecutor(1, "checkpoints")
            self._remover.submit(self._remove, folder)
        self._over.clear()

    def close(self) -> None:
        """Wait for what is being removed."""
        if self._remover is not None:
            self._remover.shutdown()
            self._remover = None

    def _remove(self, folder: str) -> None:
        try:
            CheckpointFolder(folder).remove()
        except ExecutorError as error:
            self.messages.append(str(error))
