"""Reading how a search went: the epochs of its trials, its workers' time, what it started from."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nas.records import BankEpoch, EpochReport, Leg, PathScore, PlanChoice, Start
from nas.store.damages import whole_rows
from nas.store.encoding import numbers
from nas.store.schema import banks, cards, choices, legs, logs, reports, starts, usage
from workers.executor import Card, Usage

_AT_ONCE = 1000
"""Trials that are named in one query."""


def read_curves(
    connection: Connection, search_id: int, trials: Sequence[int]
) -> dict[int, list[EpochReport]]:
    """Returns the epochs of several trials in order, by number; trials without any are left out."""
    query = sa.select(reports).order_by(reports.c.number, reports.c.epoch)
    found: dict[int, list[EpochReport]] = {}
    for start in range(0, len(trials), _AT_ONCE):
        these = reports.c.number.in_(trials[start : start + _AT_ONCE])
        rows = connection.execute(query.where(reports.c.search_id == search_id, these)).mappings()
        for row in whole_rows(connection, reports, rows):
            metrics, rate = numbers(row["metrics"]), row["samples_per_second"]
            report = EpochReport(row["epoch"], metrics, row["train_loss"], row["seconds"], rate)
            found.setdefault(row["number"], []).append(report)
    return found


def read_last_epochs(connection: Connection, search_id: int) -> dict[int, int]:
    """Returns by trial the last epoch that was reported."""
    query = sa.select(reports.c.number, sa.func.max(reports.c.epoch)).group_by(reports.c.number)
    rows = connection.execute(query.where(reports.c.search_id == search_id))
    return {row.number: row[1] for row in rows if isinstance(row[1], int)}


def read_metrics_at(
    connection: Connection, search_id: int, epochs: Collection[int]
) -> dict[tuple[int, int], dict[str, float]]:
    """Returns the metrics of trials after these epochs, by trial and epoch, as far as they were reported."""
    query = sa.select(reports).where(reports.c.search_id == search_id, reports.c.epoch.in_(sorted(epochs)))
    rows = whole_rows(connection, reports, connection.execute(query).mappings())
    return {(row["number"], row["epoch"]): numbers(row["metrics"]) for row in rows}


def read_legs(connection: Connection, search_id: int) -> list[Leg]:
    """Returns the segments of the trainings of a search, by trial and epoch."""
    query = sa.select(legs).where(legs.c.search_id == search_id).order_by(legs.c.number, legs.c.until)
    return [
        Leg(
            row["number"],
            row["until"],
            row["asked_step"],
            row["told_step"],
            None if row["metrics"] is None else numbers(row["metrics"]),
        )
        for row in whole_rows(connection, legs, connection.execute(query).mappings())
    ]


def read_log(connection: Connection, search_id: int, number: int) -> str:
    """Returns the end of what a trial printed."""
    here = sa.and_(logs.c.search_id == search_id, logs.c.number == number)
    text = connection.scalar(sa.select(logs.c.text).where(here)) or ""
    return text if isinstance(text, str) else repr(text)


def read_usage(connection: Connection, search_id: int) -> list[tuple[float, Usage]]:
    """Returns how the workers' time was spent, with the seconds of the search at which that was asked."""
    query = sa.select(usage).where(usage.c.search_id == search_id).order_by(usage.c.at, usage.c.worker)
    told = "worker", "node", "busy", "idle", "overhead"
    return [
        (row["at"], Usage(*(row[name] for name in told)))
        for row in whole_rows(connection, usage, connection.execute(query).mappings())
    ]


def read_cards(connection: Connection, search_id: int) -> list[tuple[float, Card]]:
    """Returns what each card did, with the seconds of the search at which that was."""
    query = sa.select(cards).where(cards.c.search_id == search_id).order_by(cards.c.at, cards.c.card)
    told = "name", "node", "trials", "room", "busy", "memory", "memory_total"
    return [
        (row["at"], Card(row["card"], *(row[name] for name in told)))
        for row in whole_rows(connection, cards, connection.execute(query).mappings())
    ]


def read_choices(connection: Connection, search_id: int) -> list[PlanChoice]:
    """Returns what the plan of a search has chosen, in that order."""
    query = sa.select(choices).where(choices.c.search_id == search_id).order_by(choices.c.place)
    told = "part", "value", "reason", "step", "at"
    return [
        PlanChoice(*(row[name] for name in told))
        for row in whole_rows(connection, choices, connection.execute(query).mappings())
    ]


def read_bank_epochs(connection: Connection, search_id: int) -> list[BankEpoch]:
    """Returns the epochs for which the bank of a search was trained, in order."""
    query = sa.select(banks).where(banks.c.search_id == search_id).order_by(banks.c.epoch)
    return [
        BankEpoch(
            row["epoch"],
            row["train_loss"],
            row["seconds"],
            tuple(
                PathScore(decisions, None if metrics is None else numbers(metrics))
                for decisions, metrics in row["scored"] or ()
            ),
        )
        for row in whole_rows(connection, banks, connection.execute(query).mappings())
    ]


def read_bank(connection: Connection, search_id: int) -> bytes | None:
    """Returns the bank of a search, as it was last kept; None: it has none."""
    here = sa.and_(banks.c.search_id == search_id, banks.c.data.is_not(None))
    data = connection.scalar(sa.select(banks.c.data).where(here).order_by(banks.c.epoch.desc()).limit(1))
    return None if data is None else bytes(data)


def read_starts(connection: Connection, search_id: int) -> list[Start]:
    """Returns the older results that a search started from."""
    query = sa.select(starts).where(starts.c.search_id == search_id).order_by(starts.c.place)
    return [
        Start(
            row["decisions"],
            None if row["metrics"] is None else numbers(row["metrics"]),
            row["comparable"],
            {epochs: numbers(values) for epochs, values in row["curve"] or ()},
        )
        for row in whole_rows(connection, starts, connection.execute(query).mappings())
    ]
