"""The weights of the best networks of a search, which its store keeps."""

from __future__ import annotations

from collections.abc import Iterable

from nas.description import Description
from nas.ranking import Ranked
from nas.records import Rerun, Trial
from nas.search.history import TrialHistory
from nas.search.reruns import rerun_seed
from nas.store.estimated import with_estimates
from nas.store.store import Store
from nas.store.transaction import Transaction
from search_spaces.errors import ExecutorError
from workers.job import Weights


class KeptWeights:
    """The weights of the best trials of a search, as they rank, and of its plain network.

    Of a trial they are those of its best training: its own, or a repeat that ended better.

    Args:
        description: the description of the search, which says of how many trials.
        store: the store that keeps them.
        search_id: the number of the search in the store.
        history: the trials of the search that are over, by which they rank.

    Attributes:
        trials: the trials whose weights are kept, by number, and how they were judged, with the results of
            the trainings whose weights they are.
        messages: what went wrong, a line each.
    """

    def __init__(self, description: Description, store: Store, search_id: int, history: TrialHistory) -> None:
        self._description, self._store, self._search_id = description, store, search_id
        self._history = history
        self._new: dict[int, bytes] = {}  # by number; they are being written
        self.trials: dict[int, Ranked] = {}
        self.messages: list[str] = []

    def keep(self, judged: Ranked, weights: Weights, writing: Transaction) -> None:
        """Keep the weights of a trial if it is among the best, at the cost of the worst kept.

        Those of the plain network are kept beside them: where no other turns out to be better for sure, it is
        what the search ends with.

        Args:
            judged: the trial, with the results of the training whose weights these are.
            weights: the weights.
            writing: what is recorded in this turn.
        """
        trial, most = judged.trial, self._description.keep_weights
        if not most:
            return
        best = self._best({**self.trials, trial.number: judged}, most)
        data = self._read(trial, weights) if trial.number in best else None
        if data is None and trial.training and trial.number in best:
            return  # those of another training of it are there
        self.drop(trial.number, writing)  # those of its last pause, or of a training that ended worse
        if data is None:
            return
        run = trial.training - 1
        seed = rerun_seed(self._description, trial.architecture_id, run) if trial.training else None
        writing.keep_weights(trial.number, data, trial.training, seed)
        self.trials[trial.number] = judged
        self._new[trial.number] = data
        for number in self.trials.keys() - best:
            self.drop(number, writing)

    def keep_repeat(self, rerun: Rerun, training: int, weights: Weights, writing: Transaction) -> None:
        """Keep the weights of a repeat in place of those of its trial, if it ended better.

        Args:
            rerun: how the repeat did; the history has it.
            training: which repeat it is, from 1.
            weights: the weights.
            writing: what is recorded in this turn.
        """
        ranking, first = self._history.ranking, self._history.ended[rerun.number]
        judged = ranking.judge(ranking.of_training(first.trial, training, rerun))
        same = rerun.repeats(first.trial)
        if same and judged.ended and judged.outcome.scores > self.handed_over(first).outcome.scores:
            self.keep(judged, weights, writing)

    def handed_over(self, judged: Ranked) -> Ranked:
        """Returns a trial with the results of the training whose weights are kept; as it is if none are."""
        return self.trials.get(judged.trial.number, judged)

    def _best(self, judged: dict[int, Ranked], most: int) -> set[int]:
        """The numbers of the trials whose weights are to be kept."""
        candidates = [judged[number] for number in sorted(judged)]
        # before anything was trained again, what trials are worth has the order of their scores
        estimates = self._history.estimator() if self._history.reruns else None
        ranked = self._history.ranking.order(with_estimates(candidates, estimates))
        best = {one.trial.number for one in ranked[:most]}
        return best | {one.trial.number for one in candidates if one.trial.origin == "plain"}

    def _read(self, trial: Trial, weights: Weights) -> bytes | None:
        try:
            return weights.read()
        except ExecutorError as error:  # lost with their node; what was measured stands
            self.messages.append(f"{trial.architecture_id}: {error}")
            return None

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
