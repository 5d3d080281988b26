"""The transaction of a turn: what a search has to record, gathered and written at once."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from controllers.records import Outcome
from nas.ranking import Ranking
from nas.records import BankEpoch, EpochReport, Leg, PlanChoice, Rerun, Trial
from nas.store.encoding import finite, plain, storable
from nas.store.layouts import Layouts
from nas.store.runs import keep_rerun
from nas.store.schema import banks, cards, choices, legs, logs, reports, searches, trials, usage, weights
from search_spaces.errors import SearchError
from workers.executor import Card, Usage

_CHANGING = (
    "status", "reason", "message", "traceback", "told_step", "score", "violation", "rung", "tie", "metrics",
    "metrics_layout", "test_metrics", "tests_layout", "epochs", "seconds", "started_at", "ran", "ran_layout",
)  # fmt: skip


def _key(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.search_id == sa.bindparam("the_search"), table.c.number == sa.bindparam("trial"))


# compiled once: the values of a turn are all that changes
_UPDATE_TRIALS = trials.update().where(_key(trials)).values({n: sa.bindparam(f"new_{n}") for n in _CHANGING})
_BEAT = (
    searches.update()
    .where(searches.c.id == sa.bindparam("the_search"), searches.c.driver == sa.bindparam("the_driver"))
    .values(
        elapsed_seconds=sa.bindparam("new_elapsed"),
        heartbeat_at=sa.bindparam("new_heartbeat"),
        written=sa.bindparam("new_written"),
    )
)
_UPDATE_LEGS = (
    legs.update()
    .where(_key(legs), legs.c.until == sa.bindparam("the_end"))
    .values(told_step=sa.bindparam("new_step"), metrics=sa.bindparam("new_metrics"))
)
_DELETE_WEIGHTS = weights.delete().where(_key(weights))
_DELETE_LOGS = logs.delete().where(_key(logs))


class Transaction:
    """What is to be recorded of one search; written when the block of `Store.writing` is left.

    Args:
        search_id: the number of the search.
        driver: what the store must still name as the driver of the search; None: whoever drives it.
        ranking: the ranking of the search; None: by score.
        layouts: the layouts of the search, as far as they are known.
    """

    def __init__(
        self,
        search_id: int,
        driver: str | None = None,
        ranking: Ranking | None = None,
        layouts: Layouts | None = None,
    ) -> None:
        self.search_id, self.driver = search_id, driver
        self._ranking = ranking or Ranking()
        self._layouts = layouts or Layouts(search_id)
        self._new: dict[int, Trial] = {}
        self._changed: dict[int, Trial] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._reports: list[dict[str, Any]] = []
        self._logs: dict[int, str] = {}
        self._usage: list[dict[str, Any]] = []
        self._cards: list[dict[str, Any]] = []
        self._choices: list[dict[str, Any]] = []
        self._bank: tuple[list[BankEpoch], bytes] | None = None
        self._reruns: list[Rerun] = []
        self._new_legs: dict[tuple[int, int], Leg] = {}
        self._ended_legs: dict[tuple[int, int], Leg] = {}
        self._kept: dict[int, tuple[bytes, int, int | None]] = {}  # weights, training, seed
        self._dropped: list[int] = []
        self._search: dict[str, Any] = {}
        self._beat: dict[str, float] | None = None
        self._name = uuid.uuid4().hex
        self._begun: Collection[int] | None = None  # of an interruption

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(
            self._new or self._changed or self._reports or self._kept or self._dropped or self._search
            or self._beat or self._begun is not None or self._new_legs or self._ended_legs or self._logs
            or self._usage or self._cards or self._choices or self._reruns or self._bank
        )  # fmt: skip

    def add(self, trial: Trial) -> None:
        """Records a trial that the store does not have."""
        self._new[trial.number] = trial

    def update(self, trial: Trial, outcome: Outcome | None = None) -> None:
        """Records a trial that the store has, or that was added in this transaction, as it is now.

        Args:
            trial: the trial.
            outcome: how the trial was judged by the ranking of the search, if it was already.
        """
        (self._new if trial.number in self._new else self._changed)[trial.number] = trial
        if outcome is not None:
            self._outcomes[trial.number] = outcome
        else:
            self._outcomes.pop(trial.number, None)

    def begin_leg(self, leg: Leg) -> None:
        """Records a segment of a training that the store does not have."""
        self._new_legs[leg.number, leg.until] = leg

    def end_leg(self, leg: Leg) -> None:
        """Records a segment of a training that was begun, as it is now."""
        key = leg.number, leg.until
        (self._new_legs if key in self._new_legs else self._ended_legs)[key] = leg

    def report(self, number: int, report: EpochReport) -> None:
        """Records one epoch of a trial."""
        self._reports.append(
            {
                "number": number,
                "epoch": report.epoch,
                "metrics": plain(report.metrics),
                "train_loss": finite(report.train_loss),
                "seconds": report.seconds,
                "samples_per_second": finite(report.samples_per_second),
            }
        )

    def log(self, number: int, text: str) -> None:
        """Records the end of what a trial printed, in place of what it printed before its last pause."""
        self._logs[number] = text

    def usage(self, at: float, usages: Sequence[Usage]) -> None:
        """Records how the workers' time was spent until `at` seconds of the search."""
        self._usage += [{"at": at, **asdict(one)} for one in usages]

    def cards(self, at: float, found: Sequence[Card]) -> None:
        """Records what each card did, as it was at `at` seconds of the search."""
        rows = [{"at": at, **asdict(one)} for one in {card.id: card for card in found}.values()]
        self._cards += [{"card": row.pop("id"), **row, "busy": finite(row["busy"])} for row in rows]

    def choose(self, place: int, choice: PlanChoice) -> None:
        """Records what the plan of the search has chosen, as the so many-th of its choices, from 0."""
        self._choices.append({"place": place, **asdict(choice), "reason": storable(choice.reason)})

    def bank(self, epochs: Sequence[BankEpoch], data: bytes) -> None:
        """Records some epochs of the training of the search's bank, and the bank after the last of them."""
        self._bank = list(epochs), data

    def rerun(self, rerun: Rerun) -> None:
        """Records how a network did that was trained again."""
        self._reruns.append(rerun)

    def keep_weights(self, number: int, data: bytes, training: int = 0, seed: int | None = None) -> None:
        """Records the weights of a trial, which has none, as safetensors.

        Args:
            number: the number of the trial.
            data: the weights.
            training: the training whose weights they are: 0, the trial's own; n, the n-th repeat.
            seed: the seed of that repeat; None: the trial's own.
        """
        self._kept[number] = data, training, seed

    def drop_weights(self, number: int) -> None:
        """Forgets the weights of a trial."""
        if self._kept.pop(number, None) is None:
            self._dropped.append(number)

    def beat(self, elapsed_seconds: float) -> None:
        """Records that the driver is alive, and how long its search has taken with all its drivers."""
        self._beat = {"new_elapsed": elapsed_seconds, "new_heartbeat": time.time()}

    def is_written(self, connection: Connection) -> bool:
        """Returns whether this is in the store already, though its driver was not told so."""
        if self._beat is None:
            return False
        query = sa.select(searches.c.written).where(searches.c.id == self.search_id)
        return bool(connection.scalar(query) == self._name)

    def search(self, **values: Any) -> None:
        """Records columns of the search itself."""
        self._search |= values

    def interrupt(self, begun: Collection[int]) -> None:
        """Records that every trial of the search that is running is so no more.

        Args:
            begun: the numbers of those that were in training. They are interrupted, and so are those
                that were trained in part before; the others are queued.
        """
        self._begun = begun

    def write(self, connection: Connection, again: bool) -> None:
        """Writes all of it, once.

        Args:
            connection: a connection in a transaction of the database.
            again: whether it was tried before, and may have been written.

        Raises:
            SearchError: another driver has taken the search over.
        """
        if not (again and self.is_written(connection)):
            self.flush(connection)

    def flush(self, connection: Connection) -> None:
        """Writes all of it.

        Raises:
            SearchError: another driver has taken the search over.
        """
        here: dict[str, Any] = {"search_id": self.search_id}
        self._write_search(connection)
        written = [trial for kind in (self._new, self._changed) for trial in kind.values()]
        self._layouts.ensure(
            connection,
            [
                *(trial.decisions for trial in self._new.values()),
                *(trial.metrics for trial in written),
                *(trial.test_metrics for trial in written),
                *(trial.ran for trial in written),
            ],
        )
        rows = [here | self._row(trial) for trial in self._new.values()]
        changes = [self._at(n) | self._changes(trial) for n, trial in self._changed.items()]
        if rows:
            connection.execute(trials.insert(), rows)
        if changes:
            connection.execute(_UPDATE_TRIALS, changes)
        if self._begun is not None:
            running = sa.and_(trials.c.search_id == self.search_id, trials.c.status == "running")
            # what was trained in part before, too, though it was queued now
            begun = trials.c.number.in_(self._begun) | trials.c.epochs.is_not(None)
            left = sa.case((begun, "interrupted"), else_="queued")
            connection.execute(trials.update().where(running).values(status=left))
        if self._new_legs:
            connection.execute(legs.insert(), [here | _leg(leg) for leg in self._new_legs.values()])
        if self._ended_legs:
            ended = [
                self._at(leg.number)
                | {"the_end": leg.until, "new_step": leg.told_step, "new_metrics": _leg(leg)["metrics"]}
                for leg in self._ended_legs.values()
            ]
            connection.execute(_UPDATE_LEGS, ended)
        if self._reports:
            connection.execute(reports.insert(), [here | report for report in self._reports])
        if self._logs:
            connection.execute(_DELETE_LOGS, [self._at(n) for n in self._logs])
            connection.execute(
                logs.insert(),
                [here | {"number": n, "text": storable(text)} for n, text in self._logs.items()],
            )
        if self._usage:
            connection.execute(usage.insert(), [here | row for row in self._usage])
        if self._cards:
            connection.execute(cards.insert(), [here | row for row in self._cards])
        if self._choices:
            connection.execute(choices.insert(), [here | row for row in self._choices])
        if self._bank is not None:
            epochs, data = self._bank
            connection.execute(banks.update().where(banks.c.search_id == self.search_id).values(data=None))
            rows = [here | asdict(one) | {"scored": _scored(one), "data": None} for one in epochs]
            rows[-1]["data"] = data
            connection.execute(banks.insert(), rows)
        for rerun in self._reruns:
            keep_rerun(connection, self.search_id, rerun)
        if self._dropped:
            connection.execute(_DELETE_WEIGHTS, [self._at(n) for n in self._dropped])
        for number, (data, training, seed) in self._kept.items():
            row = {"number": number, "data": data, "training": training, "seed": seed}
            connection.execute(weights.insert(), [here | row])

    def written(self) -> None:
        """Says that what was flushed has been committed."""
        self._layouts.commit()

    def _write_search(self, connection: Connection) -> None:
        if self._beat is not None:
            here = {"the_search": self.search_id, "the_driver": self.driver}
            _expect_one(connection.execute(_BEAT, here | self._beat | {"new_written": self._name}))
        if self._search:
            query = searches.update().where(searches.c.id == self.search_id)
            if self.driver is not None:
                query = query.where(searches.c.driver == self.driver)
            _expect_one(connection.execute(query.values(**self._search)))

    def _at(self, number: int) -> dict[str, Any]:
        return {"the_search": self.search_id, "trial": number}

    def _row(self, trial: Trial) -> dict[str, Any]:
        decisions, layout = self._layouts.encode(trial.decisions)
        fixed = {
            "number": trial.number,
            "architecture_id": trial.architecture_id,
            "origin": storable(trial.origin),
            "parents": " ".join(trial.parents) or None,
            "decisions": decisions,
            "decisions_layout": layout,
            "asked_step": trial.asked_step,
        }
        return fixed | {name.removeprefix("new_"): value for name, value in self._changes(trial).items()}

    def _changes(self, trial: Trial) -> dict[str, Any]:
        """Returns the columns that change in the life of a trial, as parameters of the update."""
        violation, rung, tie = self._ranking.keys(trial, self._outcomes.get(trial.number))
        metrics, layout = self._layouts.encode(plain(trial.metrics))
        tests, tests_layout = self._layouts.encode(plain(trial.test_metrics))
        ran, ran_layout = self._layouts.encode(trial.ran)
        return {
            "new_status": trial.status,
            "new_reason": storable(trial.reason),
            "new_message": storable(trial.message),
            "new_traceback": storable(trial.traceback),
            "new_told_step": trial.told_step,
            "new_score": finite(trial.score),
            "new_violation": violation,
            "new_rung": rung,
            "new_tie": tie,
            "new_metrics": metrics,
            "new_metrics_layout": layout,
            "new_test_metrics": tests,
            "new_tests_layout": tests_layout,
            "new_epochs": trial.epochs,
            "new_seconds": finite(trial.seconds),
            "new_started_at": trial.started_at,
            "new_ran": ran,
            "new_ran_layout": ran_layout,
        }


def _expect_one(result: sa.CursorResult[Any]) -> None:
    if result.rowcount != 1:
        raise SearchError("this search is now driven by another process: this one gives up")


def _scored(epoch: BankEpoch) -> list[list[Any]] | None:
    pairs = [[one.decisions, None if one.metrics is None else plain(one.metrics)] for one in epoch.scored]
    return pairs or None


def _leg(leg: Leg) -> dict[str, Any]:
    return {
        "number": leg.number,
        "until": leg.until,
        "asked_step": leg.asked_step,
        "told_step": leg.told_step,
        "metrics": None if leg.metrics is None else plain(leg.metrics),
    }
