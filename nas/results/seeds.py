"""Networks over the seeds that they were trained with: in several searches, or again."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from nas.description import COSTS, Description, training_seed
from nas.records import MEASURED, OTHER_CODE, Rerun, Trial
from nas.search_record import SearchRecord


@dataclass(frozen=True)
class TrainedNetwork:
    """One network, trained for so many epochs with one or more seeds.

    Attributes:
        trial: its first trial, with the means over the seeds as its metrics and seconds; where its trainings
            ran in several ways, ``ran`` names all of them.
        n: the number of seeds.
        std: the standard deviation of the sample by validation metric; empty where there is one seed. Costs
            have none.
        test_std: the same by test metric.
        searches: the names of the searches that have tried it.
    """

    trial: Trial
    n: int
    std: Mapping[str, float]
    test_std: Mapping[str, float]
    searches: tuple[str, ...]


_Key = tuple[str, int | None, int, str | None, bool]
"""What trainings of one mean have in common: id, epochs, the code of their search, what was other code, and
whether networks standardise."""


@dataclass
class _Training:
    metrics: Mapping[str, float]
    test_metrics: Mapping[str, float]
    seconds: float
    ran: Mapping[str, str]


def trained_networks(
    searches: Iterable[tuple[SearchRecord, Sequence[Trial], Mapping[int, Sequence[Rerun]]]],
) -> list[TrainedNetwork]:
    """Returns the networks of some searches, each with all of its trainings; a training counts once.

    Trainings of other numbers of epochs, or with other code of the user's own, are networks of their own; and
    so are those of a search that an older version began, whose networks standardise nothing. Those on all
    data are left out: they have nothing to be compared by.

    Args:
        searches: the searches, of the same data, each with its trials and their reruns by number.
    """
    firsts: dict[_Key, Trial] = {}
    trainings: dict[_Key, dict[int, _Training]] = {}
    names: dict[_Key, dict[str, None]] = {}
    alike: list[Description] = []  # one for each code of the user's own
    for record, trials, reruns in searches:
        seed = record.description.seed
        place = next((n for n, one in enumerate(alike) if one.same_code(record.description)), len(alike))
        alike += [record.description] if place == len(alike) else []
        for trial in trials:
            if trial.status not in MEASURED:
                continue
            id = trial.architecture_id
            own = _Training(trial.metrics, trial.test_metrics, trial.seconds or 0.0, trial.ran)
            found = [(trial.epochs, training_seed(seed, id), own)]
            found += [
                (run.epochs, run.seed, _Training(run.metrics, run.test_metrics, run.seconds, run.ran))
                for run in reruns.get(trial.number, ())
                if run.failure is None and not run.all_data
            ]
            for epochs, of_training, training in found:
                key = id, epochs, place, training.ran.get(OTHER_CODE), record.description.standardise
                firsts.setdefault(key, replace(trial, epochs=epochs))
                names.setdefault(key, {})[record.name] = None
                trainings.setdefault(key, {}).setdefault(of_training, training)
    return [_network(firsts[key], [*runs.values()], tuple(names[key])) for key, runs in trainings.items()]


def _network(trial: Trial, runs: Sequence[_Training], searches: tuple[str, ...]) -> TrainedNetwork:
    means, std = _spread([run.metrics for run in runs])
    test_means, test_std = _spread([run.test_metrics for run in runs])
    seconds = statistics.fmean(run.seconds for run in runs)
    ran = {
        name: ", ".join(dict.fromkeys(run.ran[name] for run in runs if name in run.ran))
        for name in dict.fromkeys(name for run in runs for name in run.ran)
    }
    mean = replace(trial, metrics=means, test_metrics=test_means, seconds=seconds, ran=ran)
    return TrainedNetwork(mean, len(runs), std, test_std, searches)


def _spread(runs: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Returns the mean of each metric that all have, and of more than one run the standard deviation."""
    names = [name for name in runs[0] if all(name in run for run in runs)]
    means = {
        name: runs[0][name] if name in COSTS else statistics.fmean(run[name] for run in runs)
        for name in names
    }
    if len(runs) == 1:
        return means, {}
    return means, {name: statistics.stdev([run[name] for run in runs]) for name in names if name not in COSTS}
