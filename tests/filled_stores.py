"""Stores with something in every table, and all that can be read of them."""

from __future__ import annotations

import math
from typing import Any

import sqlalchemy as sa

from nas.records import BankEpoch, EpochReport, Leg, PathScore, PlanChoice, Reference, Rerun, Start, Trial
from nas.store.schema import metadata
from nas.store.store import Store
from workers.executor import Card, Usage

OBJECTIVE = {"objectives": [{"metric": "accuracy", "direction": "maximize"}], "limits": []}
RAN = {"device": "cpu", "precision": "float32"}


def fill(store: Store, name: str, seed: int = 0) -> int:
    """A search with something in every table; returns its number."""
    starts = [Start({"a": seed}, {"accuracy": math.inf}, True), Start({}, None, False)]
    search = store.create_search(name, OBJECTIVE | {"seed": seed}, given=starts).id
    with store.writing(search) as writing:
        for number in range(5):
            metrics = {"accuracy": number / 5, "loss": math.nan, "num_params": 10 + number}
            writing.add(
                Trial(
                    number,
                    f"{seed:08x}{number:08x}",
                    {"a": number, "é": "ü\0", "lr": 0.1 + 0.2} if number % 2 else {"a": number},
                    "complete",
                    parents=("0" * 16,) * number,
                    score=number / 5,
                    metrics=metrics,
                    test_metrics={"accuracy": 1e-300},
                    epochs=4 if number == 1 else None,
                    seconds=0.1,
                    ran={"device": f"card {number % 2}", "compiled": "no: \0 ü"} if number else {},
                )
            )
            writing.begin_leg(Leg(number, 3, 1, 2, {"accuracy": 0.5}))
            writing.report(number, EpochReport(1, {"accuracy": 0.5}, None, 0.1, None))
            writing.log(number, f"{name} {number}")
        writing.keep_weights(4, bytes([seed]) * 100_000)
        writing.keep_weights(1, bytes([seed]) * 10, 1, 2**40 + seed)  # of a repeat
        writing.usage(1.5, [Usage("worker", "node", 1.0, 0.5, 0.25)])
        writing.choose(0, PlanChoice("finals", {"number": 3, "until": 9}, "a reason", 12, 1.25))
        scored = (
            PathScore({"a": 1, "b": True}, {"accuracy": 0.5, "loss": math.nan}),
            PathScore({"a": 2}, None),
        )
        writing.bank([BankEpoch(1, 2.5, 0.5), BankEpoch(2, 1.5, 0.25, scored)], bytes([seed]) * 1000)
        writing.cards(1.5, [Card("GPU-1", "a card", "node", 2, 8, 0.5, 2**40, 2**41)])
    own, shared = _reference(seed), _reference(99)
    store.references.keep(own)
    store.references.keep(shared)
    store.references.link(search, {0: {"label": own, "other": shared}, 1: {"label": shared}})
    for rerun in (
        Rerun(
            1,
            2**40 + seed,
            4,
            False,
            None,
            {"accuracy": 0.25, "loss": math.inf},
            {"accuracy": 0.25},
            0.5,
            RAN,
        ),
        Rerun(1, 2, 4, True, "exception: ValueError: no", {}, {}, 0.5),
    ):
        store.reruns.keep(search, rerun)
    store.annotate(search, tags=["one", "zwei"], notes=f"of {name}")
    return search


def _reference(seed: int) -> Reference:
    return Reference(
        "d" * 16, "label", "a" * 16, 4, 4, seed, "complete", metrics={"accuracy": 0.5}, seconds=1, ran=RAN
    )


def all_of(store: Store, name: str) -> Any:
    """All that the store has of a search, but its number."""
    record = store.search(name)
    trials = store.trials(record.id)
    return repr(
        (
            vars(record) | {"id": None},
            trials,
            store.ranked(record.id, 3),
            store.legs(record.id),
            [store.reports(record.id, trial.number) for trial in trials],
            [store.log(record.id, trial.number) for trial in trials],
            [store.weights(record.id, trial.number) for trial in trials],
            store.usage(record.id),
            store.cards(record.id),
            store.choices(record.id),
            store.bank_epochs(record.id),
            store.bank(record.id),
            store.starts(record.id),
            sorted(store.references.of_search(record.id).items()),
            store.reruns.of_search(record.id),
            store.frame(record.id).to_csv(),
        )
    )


def row_counts(store: Store) -> dict[str, int]:
    """The rows of each table."""
    with store._database.reading() as connection:
        return {
            table.name: int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)
            for table in metadata.sorted_tables
        }
