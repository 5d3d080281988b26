"""Which training of a network a trial stands for: its own, or a repeat whose weights are kept in its place.

A trial is handed over with the weights of its best training. So whoever reads what came of it, its row on a
leaderboard, its rank, a network that is loaded, is told how that training did. What controllers were told is
how the trial itself did: they know nothing of repeats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nas.ranking import Ranking
from nas.records import Rerun, Trial
from nas.store.runs import read_reruns
from nas.store.schema import weights


@dataclass(frozen=True)
class KeptRepeat:
    """A repeat whose weights are kept in place of those of its trial.

    Attributes:
        training: which repeat of its trial it is, from 1.
        runs: the trainings again with its seed: it is the one that is as long as that of the trial.
    """

    training: int
    runs: Sequence[Rerun]

    def rerun_of(self, trial: Trial) -> Rerun | None:
        """Returns how it did; None where the store does not have that."""
        return next((run for run in self.runs if run.repeats(trial)), None)


def read_repeats(connection: Connection, search_id: int) -> dict[int, KeptRepeat]:
    """Returns the repeats whose weights are kept, by the numbers of their trials."""
    columns = weights.c.number, weights.c.training, weights.c.seed
    query = sa.select(*columns).where(weights.c.search_id == search_id, weights.c.training > 0)
    rows = connection.execute(query).all()
    found = read_reruns(connection, search_id) if rows else {}
    return {
        row.number: KeptRepeat(
            row.training, [run for run in found.get(row.number, ()) if run.seed == row.seed]
        )
        for row in rows
    }


def with_repeats(trials: Iterable[Trial], repeats: Mapping[int, KeptRepeat], ranking: Ranking) -> list[Trial]:
    """Returns trials with the results of the trainings whose weights are kept.

    Args:
        trials: the trials of a search.
        repeats: what `read_repeats` returns of it.
        ranking: the ranking of the search.
    """
    return [
        trial
        if (kept := repeats.get(trial.number)) is None or (rerun := kept.rerun_of(trial)) is None
        else ranking.of_training(trial, kept.training, rerun)
        for trial in trials
    ]
