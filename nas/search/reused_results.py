"""Results that a search takes over from other searches of its store, in place of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.description import PEAK_MEMORY, Description
from nas.records import EpochReport, Trial
from nas.search_record import SearchRecord, readable
from search_spaces.errors import NasError
from workers.acceleration import Ran

if TYPE_CHECKING:
    from nas.store.store import Store
    from search_spaces.architecture import Architecture
    from workers.recipe import Recipe

_UNRECORDED = Ran().to_dict()
"""What is taken to have run where that was not recorded: a CPU in float32."""

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
    seed, in the same arithmetic: on the same kind of device, in the same precision, compiled or not alike
    (`workers.acceleration.Ran`). Which arithmetic the trainings of a search have is not known before one has
    ended: it is a matter of the device that they get, of the executor's options and of the network. So until
    a training of this driver has ended well (for each precision that recipes ask for, one), networks are
    trained though another search has their results; an earlier driver of the same search may have had
    another device. From then on a result is taken over if it ran as any of these trainings did. Where it was
    not recorded what ran, as older versions did not, it is taken to have been a CPU in float32.

    Where the search has an objective or a limit on the memory that a training takes, results without it are
    not taken over.

    Args:
        store: the store of the search.
        record: the record of the search.
        description: the description of the search.
    """

    def __init__(self, store: Store, record: SearchRecord, description: Description) -> None:
        self._store, self._epochs = store, description.budget.epochs
        self._needed = description.ranked_by & {PEAK_MEMORY}
        self._ran: dict[str, list[Mapping[str, str]]] = {}  # by the precision that the recipe asks for
        self._searches = [
            (other.id, other.name)
            for other in readable(store.searches())
            if other.id != record.id and other.description.same_training(description)
        ]

    def trained(self, architecture: Architecture, ran: Mapping[str, str]) -> None:
        """Takes in that a training has ended well here, and what ran in it."""
        known = self._ran.setdefault(_precision(architecture), [])
        ran = ran or _UNRECORDED
        if not any(Ran.same_arithmetic(ran, one) for one in known):
            known.append(ran)

    def find(self, architecture: Architecture) -> ReusedResult | None:
        """Returns the result of this network in the first search that has one."""
        here = self._ran.get(_precision(architecture), [])
        if not here:
            return None
        for search, name in self._searches:
            found = self._store.trials(search, statuses=("complete",), architecture_id=architecture.id)
            for trial in found[:1]:  # its own training: another one has another seed
                same = any(Ran.same_arithmetic(trial.ran or _UNRECORDED, one) for one in here)
                measured = self._needed <= trial.metrics.keys()
                if same and measured and trial.epochs == self._epochs_of(architecture):
                    reports = self._store.reports(search, trial.number)
                    (kept,) = self._store.of_kept_trainings(search, [trial])
                    weights = None if kept.training else self._store.weights(search, trial.number)
                    return ReusedResult(name, trial, reports, weights)
        return None

    def _epochs_of(self, architecture: Architecture) -> int | None:
        """Returns the number of epochs that the search would train it for."""
        if self._epochs is not None:
            return self._epochs
        recipe = _recipe(architecture)
        return None if recipe is None else recipe.epochs


def _precision(architecture: Architecture) -> str:
    """Returns the precision that a network's recipe asks for."""
    recipe = _recipe(architecture)
    return "" if recipe is None else recipe.precision


def _recipe(architecture: Architecture) -> Recipe | None:
    """Returns the recipe of a network; None where what it has is none."""
    from workers.recipe import Recipe

    try:
        return Recipe.of(architecture)
    except NasError:
        return None
