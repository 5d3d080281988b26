"""The weights of the best networks of a search, which its store keeps."""

from __future__ import annotations

from collections.abc import Iterable

from nas.description import Description
from nas.ranking import Ranked
from nas.records import Trial
from nas.store.store import Store
from nas.store.transaction import Transaction
from search_spaces.errors import ExecutorError
from workers.job import Weights


class KeptWeights:
    """The weights of the best trials of a search, by their values, and of its plain network.

    Args:
        description: the description of the search, which says of how many trials.
        store: the store that keeps them.
        search_id: the number of the search in the store.

    Attributes:
        trials: the trials whose weights are kept, by number, and how they were judged.
        messages: what went wrong, a line each.
    """

    def __init__(self, description: Description, store: Store, search_id: int) -> None:
        self._description, self._store, self._search_id = description, store, search_id
        self._new: dict[int, bytes] = {}  # by number; they are being written
        self.trials: dict[int, Ranked] = {}
        self.messages: list[str] = []

    def keep(self, judged: Ranked, weights: Weights, writing: Transaction) -> None:
        """Keep the weights of a trial if it is among the best, at the cost of the worst kept.

        Those of the plain network are kept beside them: where no other turns out to be better for sure, it is
        what the search ends with.
        """
        trial, most = judged.trial, self._description.keep_weights
        if not most:
            return
        candidates = sorted({**self.trials, trial.number: judged}.items())
        ranked = self._description.ranking.order(one for _, one in candidates)
        best = {one.trial.number for one in ranked[:most]}
        best |= {number for number, one in candidates if one.trial.origin == "plain"}
        self.drop(trial.number, writing)  # those of its last pause
        if trial.number not in best:
            return
        try:
            data = weights.read()
        except ExecutorError as error:  # lost with their node; what was measured stands
            self.messages.append(f"{trial.architecture_id}: {error}")
            return
        writing.keep_weights(trial.number, data)
        self.trials[trial.number] = judged
        self._new[trial.number] = data
        for number in self.trials.keys() - best:
            self.drop(number, writing)

    def drop(self, number: int, writing: Transaction) -> None:
        """Forget the weights of a trial, if they are kept."""
        if self.trials.pop(number, None) is not None:
            self._new.pop(number, None)
            writing.drop_weights(number)

    def find(self, architecture_ids: Iterable[str]) -> tuple[Trial, bytes] | None:
        """Returns the trial and the weights of the first of these networks whose weights are kept."""
        numbers = {one.trial.architecture_id: number for number, one in self.trials.items()}
        for architecture_id in architecture_ids:
            number = numbers.get(architecture_id)
            if number is None:
                continue
            data = self._new.get(number) or self._store.weights(self._search_id, number)
            if data is not None:
                return self.trials[number].trial, data
        return None

    def written(self) -> None:
        """Take in that the store has what was to be kept."""
        self._new.clear()
