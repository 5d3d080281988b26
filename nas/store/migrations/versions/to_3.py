"""Version 3: single-task runs, and which trials are compared with them."""

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """From version 2."""
    op.create_table(
        "nas_references",
        sa.Column("key", sa.String(16), primary_key=True),
        sa.Column("data", sa.String(16), nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("architecture_id", sa.String(16), nullable=False),
        sa.Column("epochs", sa.Integer, nullable=False),
        sa.Column("until", sa.Integer, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("message", sa.Text),
        sa.Column("metrics", sa.JSON),
        sa.Column("test_metrics", sa.JSON),
        sa.Column("seconds", sa.Float),
    )
    op.create_table(
        "nas_compared",
        sa.Column("search_id", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("task", sa.Text, primary_key=True),
        sa.Column("reference", sa.String(16), nullable=False),
        sa.ForeignKeyConstraint(
            ["search_id", "number"], ["nas_trials.search_id", "nas_trials.number"], ondelete="CASCADE"
        ),
    )
