"""Networks that were found, trained again: in full, with several seeds, and on all data if that is wanted."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controllers.objectives import Objective
from nas.description import COSTS
from nas.identity import several
from nas.records import OTHER_CODE, Rerun, Trial
from nas.reuse.found import Found
from nas.reuse.load import found_of
from nas.reuse.rebuild import other_code, problem_of, rebuilt, space_of
from nas.reuse.single_task import epochs_of
from nas.search.arguments import executor_of
from nas.search.reruns import rerun_job
from nas.search_record import SearchRecord
from nas.store.store import DEFAULT_STORE, Store, open_store
from search_spaces.arguments import Count, checked
from search_spaces.bounds import Epochs
from search_spaces.errors import SearchError, StoreError
from workers.executor import run_jobs
from workers.job import Failed, Finished, Job
from workers.problems.joining import joined

if TYPE_CHECKING:
    import pandas as pd

    from workers.executor import Executor
    from workers.problems import Problem
    from workers.problems.split import Split


@dataclass(frozen=True)
class RetrainingRun:
    """One training of a network.

    Attributes:
        id: the id of the architecture.
        seed: the seed of the training.
        metrics, test_metrics: its metrics by name; none where it failed. ``metrics`` are on the validation
            split, or none but the costs where that was trained on too.
        seconds: the seconds that it took.
        failure: why it failed, in words; None: it did not.
        ran: what ran, and whose code was another one than in the search; see `nas.records.Rerun`.
    """

    id: str
    seed: int
    metrics: dict[str, float]
    test_metrics: dict[str, float]
    seconds: float
    failure: str | None = None
    ran: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Retrained:
    """A network that was trained again.

    Attributes:
        id: the id of the architecture.
        epochs: the epochs of each run.
        runs: the runs, one for each seed, in their order.
        best: the run that is best on the validation split, with its weights; where that was trained on too,
            the first that did not fail. None: all have failed.
    """

    id: str
    epochs: int
    runs: tuple[RetrainingRun, ...]
    best: Found | None


class Retraining(Sequence[Retrained]):
    """The networks that were trained again, each a `Retrained`, the best of the search first."""

    @checked(SearchError)
    def __init__(self, networks: Iterable[Retrained]) -> None:
        self._networks = list(networks)

    def __len__(self) -> int:
        return len(self._networks)

    def __getitem__(self, place: Any) -> Any:
        return self._networks[place]

    def rows(self) -> list[dict[str, Any]]:
        """Returns the rows of `frame` as plain dicts."""
        return [_row(one) for one in self._networks]

    def frame(self) -> pd.DataFrame:
        """Returns the networks as a pandas frame.

        Returns:
            A frame with the columns ``id``, ``n`` (runs that did not fail), ``failed``, ``epochs``,
            ``seconds`` (mean of a run); for every metric ``<metric>_mean`` and ``<metric>_std`` (of the
            sample; missing for one run), on the test split with ``test_`` before them; ``message``, why a run
            failed.
        """
        import pandas as pd

        return pd.DataFrame(self.rows())

    def _repr_html_(self) -> str:
        return str(self.frame().to_html(index=False))


@checked(SearchError)
def retrain(
    store: Store | str | Path = DEFAULT_STORE,
    id: str | None = None,
    *,
    search: str | int | None = None,
    top: Count | None = None,
    epochs: Epochs | None = None,
    seeds: Count = 3,
    all_data: bool = False,
    executor: str | Executor = "pool",
    problem: Problem | None = None,
    space: Any = None,
    listener: Callable[[RetrainingRun], None] | None = None,
) -> Retraining:
    """Trains networks of a search again: for all of its epochs, with seeds that the search has not seen.

    A network is chosen among many, so that its metrics in the search flatter it; those of new seeds do not.
    The store keeps each run beside its trial as soon as it has ended (`nas.leaderboard` with ``over_seeds``).
    The limits of the search on a trial's memory and silence hold, that on its time does not. Where modules of
    your own are not what they were in the search, a warning says so, and each run.

    Args:
        store: the store that keeps the search.
        id: the id of one network, or its beginning.
        search: the name or number of the search; left out: the latest (that has this id).
        top: how many of the best networks, in place of ``id``; 1 if neither is given.
        epochs: the epochs of each run; left out: what the search trains its networks for in full.
        seeds: the number of runs of each network, each with its own seed.
        all_data: whether to train on the validation split too. Then nothing is left to choose the best run
            by: it is the first.
        executor: where networks are trained, as in `nas.Search`.
        problem: the search's problem, where it is not one of the catalog.
        space: the search's space, where it holds modules of your own.
        listener: a function that is called with each run that has ended.

    Raises:
        StoreError, UnknownNameError: there is no such store, search or id, or nothing is trained yet.
        SearchError: an argument is not what it should be; the problem or the space is needed, or is another
            one's.
        ExecutorError: nothing can be trained at all.
    """
    if id is not None and top is not None:
        raise SearchError(f"expected an id or top, got both: {id!r} and {top}")
    with open_store(store) as opened:
        record, trials = _chosen(opened, id, search, top or 1)
        description = record.description
        space = space_of(record, space)
        changed = other_code(record, space)
        # which training of it the store has says nothing of those to come
        found = [found_of(record, replace(one, training=0), rebuilt(space, one), None) for one in trials]
    data = problem_of(description, record.name, problem)
    spans = [
        epochs or epochs_of(description, trial, one.architecture)[0]
        for trial, one in zip(trials, found, strict=True)
    ]
    work = [
        rerun_job(description, one.architecture, place * seeds + run, run, span)
        for place, (one, span) in enumerate(zip(found, spans, strict=True))
        for run in range(seeds)
    ]
    code = {OTHER_CODE: several(changed)} if changed else {}
    gathered = [_Gathered(one, description.objectives[0], all_data, code) for one in found]
    with open_store(store) as opened, executor_of(executor) as running:
        running.open(_with_validation(data) if all_data else data)
        for event in run_jobs(running, work):
            place = event.number // seeds
            run = gathered[place].add(work[event.number], event)
            opened.reruns.keep(record.id, _kept(run, trials[place].number, spans[place], all_data))
            if listener is not None:
                listener(run)
    return Retraining(one.result(span) for one, span in zip(gathered, spans, strict=True))


def _chosen(
    store: Store, id: str | None, search: str | int | None, top: int
) -> tuple[SearchRecord, list[Trial]]:
    """Returns a search, and those of its trials whose networks are trained again."""
    if id is not None:
        record, trial = store.find_trial(id, search)
        return record, [trial]
    record = store.search(search)
    trials = store.ranked(record.id, top)
    if not trials:
        raise StoreError(f"search {record.name!r} has no trained network yet")
    return record, trials


def _kept(run: RetrainingRun, number: int, epochs: int, all_data: bool) -> Rerun:
    """Returns a run as the store keeps it."""
    done = run.metrics, run.test_metrics, run.seconds, run.ran
    return Rerun(number, run.seed, epochs, all_data, run.failure, *done)


class _Gathered:
    """The runs of a network so far, and the best of them.

    Args:
        found: the network.
        objective: the objective that the best run is chosen by.
        all_data: whether the validation split is trained on.
        code: what to say beside what ran, where the code is another one than that of the search.
    """

    def __init__(self, found: Found, objective: Objective, all_data: bool, code: Mapping[str, str]) -> None:
        self._found, self._objective, self._all_data, self._code = found, objective, all_data, code
        self._runs: dict[int, RetrainingRun] = {}
        self._best: tuple[tuple[float, int], RetrainingRun, bytes] | None = None

    def add(self, job: Job, event: Finished | Failed) -> RetrainingRun:
        """Takes in how a run has ended, and returns the run."""
        id = self._found.architecture.id
        if isinstance(event, Failed):
            why = f"{event.reason}: {event.message}"
            self._runs[job.number] = run = RetrainingRun(id, job.seed, {}, {}, event.seconds, why, self._code)
            return run
        known = {} if self._all_data else event.metrics
        ran = {**event.ran, **self._code}
        run = RetrainingRun(
            id, job.seed, {**known, **event.costs}, event.test_metrics, event.seconds, ran=ran
        )
        self._runs[job.number] = run
        score = -math.inf
        if self._objective.metric in known:
            score = self._objective.score(known[self._objective.metric])
        # of equal ones the first: runs end in any order
        place = score, -job.number
        if self._best is None or place > self._best[0]:
            self._best = place, run, event.weights.read()  # now: a pool's weights go with the pool
        return run

    def result(self, epochs: int) -> Retrained:
        """Returns what came of all runs."""
        found = self._found
        runs = tuple(self._runs[number] for number in sorted(self._runs))
        best: Found | None = None
        if self._best is not None:
            _, run, weights = self._best
            done = [one for one in runs if one.failure is None]
            retrained = {
                "runs": len(done),
                "all_data": self._all_data,
                "metrics": _spread([one.metrics for one in done]),
                "test_metrics": _spread([one.test_metrics for one in done]),
            }
            came = {"epochs": epochs, "seconds": run.seconds, "training_seed": run.seed, "ran": dict(run.ran)}
            best = replace(
                found,
                weights=weights,
                metrics=run.metrics,
                test_metrics=run.test_metrics,
                provenance={**found.provenance, **came, "retrained": retrained},
            )
        return Retrained(found.architecture.id, epochs, runs, best)


def _spread(metrics: Sequence[dict[str, float]]) -> dict[str, dict[str, float | None]]:
    """Returns the mean of each metric over runs, and its sample standard deviation (None for one run)."""
    spread: dict[str, dict[str, float | None]] = {}
    for name in dict.fromkeys(name for one in metrics for name in one if name not in COSTS):
        values = [one[name] for one in metrics if name in one]
        std = statistics.stdev(values) if len(values) > 1 else None
        spread[name] = {"mean": statistics.fmean(values), "std": std}
    return spread


def _row(one: Retrained) -> dict[str, Any]:
    done = [run for run in one.runs if run.failure is None]
    failures = [run.failure for run in one.runs if run.failure is not None]
    row: dict[str, Any] = {"id": one.id, "n": len(done), "failed": len(failures), "epochs": one.epochs}
    row["seconds"] = statistics.fmean(run.seconds for run in done) if done else None
    for before, metrics in (("", [run.metrics for run in done]), ("test_", [r.test_metrics for r in done])):
        for name, spread in _spread(metrics).items():
            row |= {f"{before}{name}_{what}": value for what, value in spread.items()}
    row["message"] = failures[0] if failures else None
    return row


def _with_validation(problem: Problem) -> Problem:
    """Returns the problem with its validation examples among those to train on, too."""
    return replace(problem, train=_together(problem.train, problem.validation))


def _together(first: Split, second: Split) -> Split:
    """Returns the examples of two splits of one problem."""
    both = joined([first, second], [0, 0])  # of the same domains
    return replace(both, domain=None) if first.domain is second.domain is None else both
