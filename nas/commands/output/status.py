"""How a search stands, for people: its job on the cluster, and its trials in the store."""

from __future__ import annotations

import os
import time
from statistics import fmean
from typing import TYPE_CHECKING, Any, get_args

from nas.cluster.job import SEARCH, STORE
from nas.commands.output.tables import print_table
from nas.commands.saying import say
from nas.environment import DEFAULT_STORE
from nas.files import is_file
from nas.lease import living
from nas.records import TRAINED, Status
from nas.results.cards import by_card, card_text, last_cards, mean, memory_share
from nas.results.text import duration, ran_counts, size, spark
from nas.results.usage import by_worker, latest, over_time, total
from nas.store.database import sqlite_file
from nas.store.store import Store
from search_spaces.errors import NasError

if TYPE_CHECKING:
    from nas.cluster.dashboard import Jobs

_KINDS = "busy", "overhead", "idle"
_COLUMNS = 60  # of a curve in text
_CHOICES = 6  # of the plan, the last ones
_CARDS = 8  # have a line each, at the most

Lines = list[tuple[str, str]]
"""What there is to say, each with a word for what it is about."""


def print_status(name: str | None, jobs: Jobs | None, store: str | None, *, workers: bool = False) -> None:
    """Prints how a search stands.

    Args:
        name: the name of the search, or of its job where there are ``jobs``; None: the latest.
        jobs: the jobs of the cluster that it is on; None: only the store is asked.
        store: the store that keeps it; None: the default one, or that of the job.
        workers: whether to print how each worker spent its time, and what each card did, too.

    Raises:
        NasError: there is no such search or job.
    """
    if jobs is None:
        with Store(store or DEFAULT_STORE) as opened:
            _print(search_lines(opened, name))
            if workers:
                _print_workers(opened, name)
        return
    job = jobs.find(name)
    lines = job_lines(job)
    where = store or _readable(job.metadata.get(STORE, ""))
    if where is None:
        printed = last_progress(jobs.logs(job.submission_id), job.metadata[SEARCH])
        _print([*lines, ("search", printed), ("store", "on the head: not to be read from here")])
        return
    try:
        with Store(where) as opened:
            lines += search_lines(opened, job.metadata[SEARCH])
            if workers:
                _print_workers(opened, job.metadata[SEARCH])
    except NasError as error:  # the job may not have come so far
        lines += [("search", job.metadata[SEARCH]), ("store", str(error))]
    _print(lines)


def job_lines(job: Any) -> Lines:
    """Returns how a job stands, from Ray's ``JobDetails``."""
    state = str(job.status.value)
    end = time.time() if job.end_time is None else job.end_time / 1000
    how_long = duration(max(0.0, end - job.start_time / 1000))
    word = "for" if job.end_time is None else "after"
    lines = [("job", f"{job.submission_id}: {state} {word} {how_long}")]
    if state == "FAILED" and job.message:
        said = str(job.message).strip().splitlines()
        lines.append(("message", next((line for line in said[::-1] if line.startswith("error: ")), said[-1])))
    return lines


def search_lines(store: Store, name: str | None) -> Lines:
    """Returns how a search stands in a store.

    Raises:
        UnknownNameError: the store has no such search.
    """
    record = store.search(name)
    description = record.description
    took = duration(record.elapsed_seconds)
    reason = f" ({record.reason})" if record.reason else ""
    lines = [("search", f"{record.name}: {record.state}{reason}, {took} so far")]
    lines += [("tags", " ".join(record.tags))] if record.tags else []
    lines += [("notes", record.notes)] if record.notes else []
    lines += [("warning", warning) for warning in description.warnings]
    counts = store.counts(record.id)
    told = ", ".join(f"{counts[status]} {status}" for status in get_args(Status) if status in counts)
    lines.append(("trials", told or "none yet"))
    metric = description.objectives[0].metric
    best = next(iter(store.ranked(record.id, top=1)), None)
    if best is not None and metric in best.metrics:
        lines.append(("best", f"{metric} {best.metrics[metric]:.4f} ({best.architecture_id[:8]})"))
    lines += _bank_lines(store, record.id)
    lines += [("plan", f"{choice.part}: {choice.reason}") for choice in store.choices(record.id)[-_CHOICES:]]
    trained = sum(counts.get(status, 0) for status in TRAINED)
    if trained and record.elapsed_seconds > 0:
        lines.append(("speed", f"{60 * trained / record.elapsed_seconds:.3g} trials a minute"))
    where = ran_counts(store.ran(record.id))
    lines += [("device", where)] if where else []
    lines += _worker_lines(store, record.id)
    lines += _card_lines(store, record.id)
    driver = living(record.driver, record.heartbeat_at)
    if driver is not None:
        ago = max(0.0, time.time() - (record.heartbeat_at or 0.0))
        lines.append(("driver", f"{driver.words()}, alive, last heard of {ago:.0f} s ago"))
    elif record.driver is not None:
        ago = max(0.0, time.time() - (record.heartbeat_at or 0.0))
        lines.append(("driver", f"gone, last heard of {duration(ago)} ago"))
    else:
        lines.append(("driver", "none"))
    return lines


def _bank_lines(store: Store, search_id: int) -> Lines:
    """How far the training of a bank of shared weights is."""
    epochs = store.bank_epochs(search_id)
    if not epochs:
        return []
    chosen = [one.value["epochs"] for one in store.choices(search_id) if one.part == "bank"]
    of = f" of {chosen[-1]}" if chosen else ""
    return [("bank", f"{len(epochs)}{of} epochs, training loss {epochs[-1].train_loss:.4g}")]


def _worker_lines(store: Store, search: int) -> Lines:
    """Returns how the workers' time was spent; nothing where that was not measured."""
    records = store.usage(search)
    if not records:
        return []
    there = latest(records)
    nodes = len({usage.node for usage in there})
    spent = total(records)
    shares = ", ".join(f"{100 * spent.share(kind):.1f} % {kind}" for kind in _KINDS)
    lines = [("workers", f"{len(there)} on {nodes} node{'s' * (nodes != 1)}: {shares}")]
    busy = [part.share("busy") for _, part in over_time(records)]
    if len(busy) > 1:
        lines.append(("busy", spark(_thinned(busy), 0.0, 1.0)))
    return lines


def _card_lines(store: Store, search: int) -> Lines:
    """Returns what each card did when that was last recorded, and how busy all were over time."""
    records = store.cards(search)
    if not records:
        return []
    cards = last_cards(records)
    lines = []
    for place, card in enumerate(cards[:_CARDS]):
        lines.append(("cards" if place == 0 else "", f"{card.name} on {card.node[:12]}: {card_text(card)}"))
    if len(cards) > _CARDS:
        lines.append(("", f"and {len(cards) - _CARDS} more: nas status --workers"))
    moments: dict[float, list[float | None]] = {}
    for at, card in records:
        moments.setdefault(at, []).append(card.busy)
    busy = [value for value in map(mean, moments.values()) if value is not None]
    if len(busy) > 1:
        lines.append(("", spark(_thinned(busy), 0.0, 1.0)))
    return lines


def card_rows(store: Store, name: str | None) -> list[list[str]]:
    """Returns a row for each card of a search: what it is, what it did last, and in the mean over time."""
    found = by_card(store.cards(store.search(name).id))
    rows = []
    for id, records in found.items():
        _, last = records[-1]
        busy = mean([card.busy for _, card in records])
        full = mean([memory_share(card) for _, card in records])
        rows.append(
            [
                id[:12],
                last.name,
                last.node[:12],
                f"{last.trials} of {last.room}",
                *("" if share is None else f"{100 * share:.1f} %" for share in (busy, full)),
                "" if last.memory_total is None else size(last.memory_total),
            ]
        )
    return rows


def worker_rows(store: Store, name: str | None) -> list[list[str]]:
    """Returns a row for each worker of a search: its name, its node, and how its time was spent."""
    records = store.usage(store.search(name).id)
    nodes = {usage.worker: usage.node for _, usage in records}
    return [
        [
            worker,
            nodes[worker][:12],
            duration(spent.whole),
            *(f"{100 * spent.share(kind):.1f} %" for kind in _KINDS),
        ]
        for worker, spent in by_worker(records).items()
    ]


def _thinned(values: list[float]) -> list[float]:
    """Returns as many values as fit a line, each the mean of some."""
    size = -(-len(values) // _COLUMNS)
    return [fmean(values[start : start + size]) for start in range(0, len(values), size)]


def last_progress(output: str, search: str) -> str:
    """Returns the last line of a driver's output that says how its search stands."""
    said = [line for line in output.splitlines() if line.startswith((f"{search}: ", f"search {search} "))]
    if not said:
        return f"{search}: nothing heard of it yet"
    return said[-1] if said[-1].startswith(f"{search}: ") else said[-1].removeprefix("search ")


def _readable(store: str) -> str | None:
    """Returns the store of a job if it can be read from here: the one that was named, or ``NAS_STORE``."""
    if not store:
        return os.environ.get("NAS_STORE")
    file = sqlite_file(store)
    return store if file is None or is_file(file) else None


def _print_workers(store: Store, name: str | None) -> None:
    print_table("workers", ["worker", "node", "time", *_KINDS], worker_rows(store, name))
    if cards := card_rows(store, name):
        heads = ["card", "name", "node", "trials", "busy", "memory in use", "memory"]
        print_table("cards", heads, cards)


def _print(lines: Lines) -> None:
    for word, text in lines:
        say(f"{word:<8}{text}")
