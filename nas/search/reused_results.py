"""Results that a search takes over from other searches of its store, in place of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.description import Description, SearchRecord, readable
from nas.records import EpochReport, Trial
from search_spaces.errors import NasError

if TYPE_CHECKING:
    from nas.store.store import Store
    from search_spaces.architecture import Architecture

REUSED = "reused"
"""The reason of trials that were answered so: they are complete, and took no seconds."""


@dataclass(frozen=True)
class ReusedResult:
    """A result that another search has.

    Attributes:
        search: the name of that search.
        trial: its trial of the network.
        reports: the epochs of the trial.
        weights: the weights of the trial (safetensors); None: they are not kept.
    """

    search: str
    trial: Trial
    reports: list[EpochReport]
    weights: bytes | None


class ReusedResults:
    """The results of other searches that are those which a search would come to itself.

    They are of the same network and recipe, trained to its end on the same data, with the same epochs and
    seed: the metrics are the same on the same kind of device. On which kind they were measured is not looked
    at.

    Args:
        store: the store of the search.
        record: the record of the search.
        description: the description of the search.
    """

    def __init__(self, store: Store, record: SearchRecord, description: Description) -> None:
        self._store, self._epochs = store, description.budget.epochs
        self._searches = [
            (other.id, other.name)
            for other in readable(store.searches())
            if other.id != record.id and other.description.same_training(description)
        ]

    def find(self, architecture: Architecture) -> ReusedResult | None:
        """Returns the result of this network in the first search that has one."""
        for search, name in self._searches:
            found = self._store.trials(search, statuses=("complete",), architecture_id=architecture.id)
            for trial in found[:1]:
                if trial.epochs == self._epochs_of(architecture):
                    reports = self._store.reports(search, trial.number)
                    return ReusedResult(name, trial, reports, self._store.weights(search, trial.number))
        return None

    def _epochs_of(self, architecture: Architecture) -> int | None:
        """Returns the number of epochs that the search would train it for."""
        if self._epochs is not None:
            return self._epochs
        from workers.recipe import Recipe

        try:
            return Recipe.of(architecture).epochs
        except NasError:
            return None
