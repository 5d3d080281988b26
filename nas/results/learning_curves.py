"""Learning curves of trials together: whether who leads early also leads in the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nas.records import TRAINED, EpochReport
from nas.store.store import DEFAULT_STORE, Store, open_store
from search_spaces.arguments import Whole, checked
from search_spaces.errors import SearchError

if TYPE_CHECKING:
    import pandas as pd

LEAST_TRIALS = 4
"""A correlation of fewer is not told."""

Curves = Mapping[int, Sequence[EpochReport]]
"""By number of the trial its epochs in order."""


@dataclass(frozen=True)
class Correlation:
    """How well the ranking after an epoch foretells the ranking in the end.

    Attributes:
        epoch: the epoch, from 1.
        spearman: the rank correlation, from -1 to 1; 1: the ranking is that of the end.
        trials: the number of trials that it was computed from.
    """

    epoch: int
    spearman: float
    trials: int


def stopped_early(curves: Curves) -> set[int]:
    """Returns the trials that were trained for fewer epochs than the longest."""
    longest = max((reports[-1].epoch for reports in curves.values()), default=0)
    return {number for number, reports in curves.items() if reports[-1].epoch < longest}


def correlations(curves: Curves, metric: str) -> list[Correlation]:
    """Returns Spearman's correlation of the values after each epoch with those after the last.

    Only trials that were trained to the last epoch of the longest count: those that were stopped have no end
    to be compared with. Where the stopped ones are the worse, the correlation of all of them would be higher.
    """
    from scipy.stats import spearmanr

    early = stopped_early(curves)
    by_epoch: dict[int, list[tuple[float, float]]] = {}
    for number, reports in curves.items():
        last = reports[-1].metrics.get(metric)
        if number in early or last is None:
            continue
        for report in reports[:-1]:
            if metric in report.metrics:
                by_epoch.setdefault(report.epoch, []).append((report.metrics[metric], last))
    found = []
    for epoch, pairs in sorted(by_epoch.items()):
        now, then = zip(*pairs, strict=True)
        if len(pairs) >= LEAST_TRIALS and len(set(now)) > 1 and len(set(then)) > 1:
            found.append(Correlation(epoch, float(spearmanr(now, then).statistic), len(pairs)))
    return found


@checked(SearchError)
def curves(
    store: Store | str | Path = DEFAULT_STORE,
    search: str | int | None = None,
    *,
    top: Whole | None = None,
) -> pd.DataFrame:
    """Returns the learning curves of a search.

    Args:
        store: the store that holds it.
        search: the name or number of the search; left out: the latest.
        top: the number of the best trials whose curves are wanted; left out: all.

    Returns:
        A frame with a row for each epoch of each trial, the best trial first: ``number, id, status, epoch``,
        the validation metrics by their names, ``train_loss, seconds, samples_per_second``.

    Raises:
        StoreError, UnknownNameError: there is no such store or search.
        SearchError: an argument is not what it should be.
    """
    import pandas as pd

    with open_store(store) as opened:
        record = opened.search(search)
        description = record.description
        ranking = description.ranking
        judged = [ranking.judge(trial) for trial in opened.trials(record.id, statuses=TRAINED)]
        ranked = [one.trial for one in ranking.order(opened.estimated(record.id, judged))][:top]
        found = opened.curves(record.id, [trial.number for trial in ranked])
    names = dict.fromkeys(name for reports in found.values() for r in reports for name in r.metrics)
    rows = []
    for trial in ranked:
        for r in found.get(trial.number, ()):
            row = [trial.number, trial.architecture_id, trial.status, r.epoch]
            row += [r.metrics.get(name) for name in names]
            rows.append([*row, r.train_loss, r.seconds, r.samples_per_second])
    columns = ["number", "id", "status", "epoch", *names, "train_loss", "seconds", "samples_per_second"]
    return pd.DataFrame(rows, columns=columns)


@checked(SearchError)
def rank_correlation(
    store: Store | str | Path = DEFAULT_STORE,
    search: str | int | None = None,
    *,
    metric: str | None = None,
) -> pd.DataFrame:
    """Returns how well the ranking of a search's trials after each epoch foretold that after the last.

    See `correlations`.

    Args:
        store: the store that holds it.
        search: the name or number of the search; left out: the latest.
        metric: one of the objectives; left out: the first.

    Returns:
        A frame with a row for each epoch but the last: ``epoch, spearman, trials``.

    Raises:
        StoreError, UnknownNameError: there is no such store, search or objective.
        SearchError: an argument is not what it should be.
    """
    import pandas as pd

    with open_store(store) as opened:
        record = opened.search(search)
        objective = record.description.objective(metric)
        trials = opened.trials(record.id, statuses=TRAINED)
        found = opened.curves(record.id, [trial.number for trial in trials])
    rows = [(one.epoch, one.spearman, one.trials) for one in correlations(found, objective.metric)]
    return pd.DataFrame(rows, columns=["epoch", "spearman", "trials"])
