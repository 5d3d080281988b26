"""The tables of the result store, the same for SQLite and PostgreSQL."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.engine import Dialect

VERSION = 10
"""Version of the schema: an older store is brought to it when it is opened, see `nas.store.migrations`."""

metadata = MetaData()


class TolerantJSON(TypeDecorator[Any]):
    """JSON that is read as the text that is there where that is no JSON.

    SQLite holds any text in such a column, and one damaged row must not make the others unreadable.
    """

    impl = JSON
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        read = super().result_processor(dialect, coltype)
        if read is None:  # the driver reads it, from a database that holds nothing but JSON there
            return None

        def process(value: Any) -> Any:
            try:
                return read(value)
            except (ValueError, RecursionError):
                return value

        return process


meta = Table(
    "nas_meta",
    metadata,
    Column("key", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

searches = Table(
    "nas_searches",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("status", String(20), nullable=False),  # running, finished, stopped
    Column("reason", Text),  # why it ended
    Column("created_at", Float, nullable=False),  # seconds since 1970, UTC
    Column("elapsed_seconds", Float, nullable=False, default=0.0),  # of its drivers together
    Column("driver", Text),  # the process that drives it now, see nas.lease
    Column("heartbeat_at", Float),  # when that was last heard of; seconds since 1970, UTC
    Column("written", String(32)),  # names the last transaction of its driver
    Column("description", TolerantJSON, nullable=False),  # see nas.description
    Column("tags", Text),  # a JSON list of words
    Column("notes", Text),
    sqlite_autoincrement=True,  # a number is never given twice, also not after its search is deleted
)

layouts = Table(
    "nas_layouts",  # of dicts in trials, see nas.store.layouts
    metadata,
    Column("search_id", ForeignKey("nas_searches.id", ondelete="CASCADE"), primary_key=True),
    Column("id", Integer, primary_key=True, autoincrement=False),  # from 1
    Column("names", Text, nullable=False),  # a JSON list
)

trials = Table(
    "nas_trials",
    metadata,
    Column("search_id", ForeignKey("nas_searches.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # order of asking, from 0
    Column("architecture_id", String(16), nullable=False),
    Column("status", String(12), nullable=False),  # see nas.records.Status
    Column("reason", Text),  # of a failure, in one word
    Column("message", Text),
    Column("traceback", Text),
    Column("origin", Text, nullable=False),  # how the controller came to it
    Column("parents", Text),  # architecture ids, separated by spaces
    Column("decisions", Text),  # a JSON list of values; their names are those of the layout
    Column("decisions_layout", Integer),
    Column("asked_step", Integer, nullable=False),  # place among the controller's calls
    Column("told_step", Integer),
    Column("score", Float),  # first objective, higher is better; null unless measured
    Column("violation", Float),  # by how much it breaks the limits; null: nothing to rank by
    Column("rung", Integer),  # see nas.ranking.rung_of; 0 unless the trials of its search may pause
    Column("tie", Float),  # validation loss, lower is better; infinite where there is none
    Column("metrics", Text),  # validation metrics and costs, as the decisions are
    Column("metrics_layout", Integer),
    Column("test_metrics", Text),
    Column("tests_layout", Integer),
    Column("epochs", Integer),
    Column("seconds", Float),
    Column("started_at", Float),  # seconds since 1970, UTC
    Column("ran", Text),  # what ran, see workers.acceleration.Ran, as the decisions are; null: unknown
    Column("ran_layout", Integer),
    Index(
        "nas_trials_by_rank",
        "search_id",
        "violation",
        text("rung DESC"),
        text("score DESC"),
        "tie",
        "number",
        sqlite_where=text("violation IS NOT NULL"),
        postgresql_where=text("violation IS NOT NULL"),
    ),
    Index("nas_trials_by_architecture", "architecture_id"),
)


def _of_trial() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["search_id", "number"], ["nas_trials.search_id", "nas_trials.number"], ondelete="CASCADE"
    )


legs = Table(
    "nas_legs",  # of trials that may pause; see nas.records.Leg
    metadata,
    Column("search_id", Integer, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("until", Integer, primary_key=True, autoincrement=False),
    Column("asked_step", Integer, nullable=False),  # steps are those of the trials
    Column("told_step", Integer),
    Column("metrics", TolerantJSON),
    _of_trial(),
)

reports = Table(
    "nas_reports",
    metadata,
    Column("search_id", Integer, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),  # from 1
    Column("metrics", TolerantJSON, nullable=False),
    Column("train_loss", Float),
    Column("seconds", Float, nullable=False),  # of this epoch's training
    Column("samples_per_second", Float),
    _of_trial(),
)

weights = Table(
    "nas_weights",
    metadata,
    Column("search_id", Integer, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("training", Integer, nullable=False),  # of which training: 0 the trial's own, n the n-th repeat
    Column("seed", BigInteger),  # the seed of that repeat, see nas_reruns
    Column("data", LargeBinary, nullable=False),  # safetensors; last, so that the others are read without it
    _of_trial(),
)

logs = Table(
    "nas_logs",
    metadata,
    Column("search_id", Integer, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),  # the end of what the trial printed
    _of_trial(),
)

usage = Table(
    "nas_usage",  # how the workers' time was spent, see workers.executor.Usage
    metadata,
    Column("search_id", ForeignKey("nas_searches.id", ondelete="CASCADE"), primary_key=True),
    Column("at", Float, primary_key=True),  # seconds of the search, all its drivers together
    Column("worker", String(80), primary_key=True),
    Column("node", String(80), nullable=False),
    Column("busy", Float, nullable=False),  # seconds since the worker began
    Column("idle", Float, nullable=False),
    Column("overhead", Float, nullable=False),
)

cards = Table(
    "nas_cards",  # what each card did, see workers.executor.Card
    metadata,
    Column("search_id", ForeignKey("nas_searches.id", ondelete="CASCADE"), primary_key=True),
    Column("at", Float, primary_key=True),  # seconds of the search, all its drivers together
    Column("card", String(120), primary_key=True),  # its id
    Column("name", Text, nullable=False),
    Column("node", String(80), nullable=False),
    Column("trials", Integer, nullable=False),
    Column("room", Integer, nullable=False),
    Column("busy", Float),  # from 0 to 1; null: not measured
    Column("memory", BigInteger),  # bytes
    Column("memory_total", BigInteger),
)

choices = Table(
    "nas_choices",  # what the plan of a search chose, see nas.records.PlanChoice
    metadata,
    Column("search_id", ForeignKey("nas_searches.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),  # their order, from 0
    Column("step", Integer, nullable=False),  # steps are those of the trials
    Column("at", Float, nullable=False),  # seconds of the search, all its drivers together
    Column("part", String(20), nullable=False),
    Column("value", TolerantJSON, nullable=False),
    Column("reason", Text, nullable=False),
)

banks = Table(
    "nas_banks",  # the training of a bank of shared weights, see nas.records.BankEpoch
    metadata,
    Column("search_id", ForeignKey("nas_searches.id", ondelete="CASCADE"), primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),  # from 1
    Column("train_loss", Float, nullable=False),
    Column("seconds", Float, nullable=False),  # of this epoch
    Column("scored", TolerantJSON),  # pairs of decisions and metrics, see nas.records.PathScore; null: none
    Column("data", LargeBinary),  # the bank after it, safetensors; of the last one alone
)

starts = Table(
    "nas_starts",  # older results that a search started from
    metadata,
    Column("search_id", ForeignKey("nas_searches.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),  # order of telling
    Column("decisions", TolerantJSON, nullable=False),
    Column("metrics", TolerantJSON),  # None: it failed
    Column("comparable", Boolean, nullable=False),  # measured as the search measures
    Column("curve", TolerantJSON),  # pairs of epochs and metrics; null: none is known
)

reruns = Table(
    "nas_reruns",  # trainings of a trial's network again, see nas.records.Rerun
    metadata,
    Column("search_id", Integer, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("seed", BigInteger, primary_key=True, autoincrement=False),
    Column("epochs", Integer, primary_key=True, autoincrement=False),
    Column("all_data", Boolean, primary_key=True, autoincrement=False),  # the validation split too
    Column("failure", Text),  # null: it ended well
    Column("metrics", TolerantJSON, nullable=False),
    Column("test_metrics", TolerantJSON, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("ran", TolerantJSON),  # what ran, see workers.acceleration.Ran
    _of_trial(),
)

references = Table(
    "nas_references",  # single-task runs, see nas.records.Reference; of no search, so that all can use them
    metadata,
    Column("key", String(16), primary_key=True),
    Column("data", String(16), nullable=False),
    Column("task", Text, nullable=False),
    Column("architecture_id", String(16), nullable=False),
    Column("epochs", Integer, nullable=False),
    Column("until", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("status", String(12), nullable=False),  # complete, failed
    Column("reason", Text),
    Column("message", Text),
    Column("metrics", TolerantJSON),
    Column("test_metrics", TolerantJSON),
    Column("seconds", Float),
    Column("ran", TolerantJSON),  # what ran, see workers.acceleration.Ran
)

compared = Table(
    "nas_compared",  # with which runs a trial is compared; they need not be there yet
    metadata,
    Column("search_id", Integer, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("task", Text, primary_key=True),
    Column("reference", String(16), nullable=False),  # its key
    _of_trial(),
)
