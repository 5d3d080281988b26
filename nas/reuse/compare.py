"""The networks that a search of several tasks has found, beside single-task runs of the same backbones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.description import Description
from nas.records import Reference, Trial
from nas.results.scores import compared_metrics, delta_m_pct, gains_pct, reference_values, values_of
from nas.results.text import ran_text
from nas.reuse.rebuild import problem_of, rebuilt, space_of
from nas.reuse.single_task import runs_of, train
from nas.search.user_code import code_of_networks
from nas.store.store import DEFAULT_STORE, Store, open_store
from search_spaces.arguments import Count, checked
from search_spaces.errors import NasError, SearchError, StoreError
from workers.acceleration import Ran

if TYPE_CHECKING:
    import pandas as pd

    from workers.executor import Executor
    from workers.problems import Problem

Listener = Callable[[Reference], None]

_LINKED = 1000
"""So many of the best networks are linked with their references, which may have been trained for others."""


@checked(SearchError)
def compare(
    store: Store | str | Path = DEFAULT_STORE,
    search: str | int | None = None,
    *,
    top: Count = 3,
    executor: str | Executor = "pool",
    problem: Problem | None = None,
    space: Any = None,
    listener: Listener | None = None,
) -> pd.DataFrame:
    """Compares the best networks for several tasks with single-task runs of the same backbone and budget.

    For each task that is the same architecture, built for the task alone (what several tasks share falls
    away) and trained on the data of that task for the same epochs, by the same recipe. What has not been
    trained yet is trained now and kept in the store, for every search in it with the same data and seed; then
    leaderboards show ``delta_m_pct`` too. Runs that fail are tried again the next time. Ctrl-C keeps what is
    done.

    Args:
        store: the store that keeps the search.
        search: the name or number of the search; left out: the latest.
        top: how many of its best networks are compared.
        executor: where references are trained, as in `nas.Search`.
        problem: the search's problem, where it is not one of the catalog.
        space: the search's space, where it holds modules of your own.
        listener: a function that is called with each reference that was trained.

    Returns:
        A frame with a row for each network and task: ``rank, id, task, metric``; on the validation split
        ``found`` (by the network of several tasks), ``reference``, ``gain_pct`` (positive is better) and
        ``delta_m_pct``, the network's mean gain (see `nas.results.scores.delta_m_pct`); the same on the test
        split, with ``test_`` before it; ``reference_id``, and in ``message`` why there is no reference, or
        that it ran in another arithmetic than the network: a small gain may be owed to that.

    Raises:
        StoreError, UnknownNameError: there is no such store or search, or it has trained nothing yet.
        SearchError: an argument is not what it should be; the search has one task; or the problem or the
            space is needed, or is another one's.
        BuildError: a network cannot be built for one task.
        ExecutorError: nothing can be trained at all.
    """
    import pandas as pd

    with open_store(store) as opened:
        rows = comparisons(
            opened, search, top=top, executor=executor, problem=problem, space=space, listener=listener
        )
    return pd.DataFrame(rows)


def comparisons(
    store: Store,
    search: str | int | None = None,
    *,
    top: int = 3,
    executor: str | Executor = "pool",
    problem: Problem | None = None,
    space: Any = None,
    listener: Listener | None = None,
) -> list[dict[str, Any]]:
    """Compares as `compare` does, and returns the rows as plain dicts."""
    record = store.search(search)
    description = record.description
    tasks = description.signature.tasks
    if len(tasks) < 2:
        raise SearchError(f"search {record.name!r} has one task: expected several, to compare with one")
    ranked = store.ranked(record.id, max(top, _LINKED))
    if not ranked:
        raise StoreError(f"search {record.name!r} has no trained network yet")
    space = space_of(record, space)
    code = code_of_networks(space)
    runs = {}
    for place, trial in enumerate(ranked):
        try:
            runs[trial.number] = runs_of(description, trial, rebuilt(space, trial), code)
        except NasError:
            if place < top:
                raise
    store.references.link(
        record.id,
        {number: {task: run.reference for task, run in own.items()} for number, own in runs.items()},
    )
    best = ranked[:top]
    known = store.references.of_search(record.id)
    missing = {
        run.reference.key: run
        for trial in best
        for task, run in runs[trial.number].items()
        if _status(known, trial, task) != "complete"
    }
    if missing:
        train(
            list(missing.values()),
            problem_of(description, record.name, problem),
            budget=description.budget,
            standardise=description.standardise,
            executor=executor,
            store=store.references,
            listener=listener or (lambda reference: None),
        )
        known = store.references.of_search(record.id)
    return [
        row
        for rank, trial in enumerate(best, start=1)
        for row in _rows(description, rank, trial, known.get(trial.number, {}))
    ]


def _other_arithmetic(trial: Trial, reference: Reference) -> str | None:
    """Returns how a reference ran where that was not as the network did; None where it was, or is unknown."""
    if not trial.ran or not reference.ran or Ran.same_arithmetic(trial.ran, reference.ran):
        return None
    return f"ran on {_told(reference.ran)}, the network on {_told(trial.ran)}"


def _told(ran: Mapping[str, str]) -> str:
    return ran_text(ran) + (", compiled" if ran.get("compiled") == "yes" else "")


def _status(known: Mapping[int, Mapping[str, Reference]], trial: Trial, task: str) -> str:
    reference = known.get(trial.number, {}).get(task)
    return "wanted" if reference is None else reference.status


def _rows(
    description: Description, rank: int, trial: Trial, references: Mapping[str, Reference]
) -> list[dict[str, Any]]:
    """Returns the rows of one network."""
    tasks = description.signature.tasks
    rows: dict[str, dict[str, Any]] = {
        task: {"rank": rank, "id": trial.architecture_id, "task": task, "metric": metric}
        for task, metric in compared_metrics(tasks).items()
    }
    for before, metrics in (("", trial.metrics), ("test_", trial.test_metrics)):
        found = values_of(tasks, metrics)
        alone = reference_values(tasks, references, test=bool(before))
        gains, delta = gains_pct(tasks, found, alone), delta_m_pct(tasks, found, alone)
        for task, row in rows.items():
            row |= {
                f"{before}found": found.get(task),
                f"{before}reference": alone.get(task),
                f"{before}gain_pct": gains.get(task),
                f"{before}delta_m_pct": delta,
            }
    for task, row in rows.items():
        reference = references.get(task)
        row["reference_id"] = None if reference is None else reference.architecture_id
        row["message"] = reference and (reference.message or _other_arithmetic(trial, reference))
    return list(rows.values())
