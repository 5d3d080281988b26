"""The tables of the result store, the same for SQLite and PostgreSQL."""

from sqlalchemy import (
    JSON,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VERSION = 1
"""Version of the schema; a store of another version is refused with a message."""

metadata = MetaData()

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
    Column("name", String(200), nullable=False, unique=True),
    Column("status", String(20), nullable=False),  # running, finished, stopped
    Column("reason", Text),  # why it ended
    Column("created_at", Float, nullable=False),  # seconds since 1970, UTC
    Column("elapsed_seconds", Float, nullable=False, default=0.0),  # of its drivers together
    Column("description", JSON, nullable=False),  # see nas.description
)

trials = Table(
    "nas_trials",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("search_id", ForeignKey("nas_searches.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),  # order of asking, from 0
    Column("architecture_id", String(16), nullable=False),
    Column("status", String(12), nullable=False),  # see nas.records.Status
    Column("reason", String(40)),  # of a failure, in one word
    Column("message", Text),
    Column("traceback", Text),
    Column("origin", String(40), nullable=False),  # how the controller came to it
    Column("parents", JSON, nullable=False),  # architecture ids
    Column("decisions", JSON, nullable=False),
    Column("asked_step", Integer, nullable=False),  # place among the controller's calls
    Column("told_step", Integer),
    Column("score", Float),  # first objective, higher is better; null unless complete
    Column("metrics", JSON),  # validation metrics and costs
    Column("test_metrics", JSON),
    Column("epochs", Integer),
    Column("seconds", Float),
    Column("started_at", Float),  # seconds since 1970, UTC
    UniqueConstraint("search_id", "number"),
    Index("nas_trials_by_score", "search_id", "score"),
    Index("nas_trials_by_architecture", "architecture_id"),
)

reports = Table(
    "nas_reports",
    metadata,
    Column("trial_id", ForeignKey("nas_trials.id", ondelete="CASCADE"), primary_key=True),
    Column("epoch", Integer, primary_key=True),  # from 1
    Column("metrics", JSON, nullable=False),
    Column("train_loss", Float),
    Column("seconds", Float, nullable=False),  # of this epoch's training
    Column("samples_per_second", Float),
)

weights = Table(
    "nas_weights",
    metadata,
    Column("trial_id", ForeignKey("nas_trials.id", ondelete="CASCADE"), primary_key=True),
    Column("data", LargeBinary, nullable=False),  # safetensors
)
