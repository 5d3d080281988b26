"""Version 2: what trials printed, how workers spent their time, and what a search started from."""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"


def upgrade() -> None:
    """From version 1."""
    op.add_column("nas_searches", sa.Column("written", sa.String(32)))
    op.create_table(
        "nas_logs",
        sa.Column("search_id", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["search_id", "number"], ["nas_trials.search_id", "nas_trials.number"], ondelete="CASCADE"
        ),
    )
    op.create_table(
        "nas_usage",
        sa.Column(
            "search_id", sa.Integer, sa.ForeignKey("nas_searches.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("at", sa.Float, primary_key=True),
        sa.Column("worker", sa.String(80), primary_key=True),
        sa.Column("node", sa.String(80), nullable=False),
        sa.Column("busy", sa.Float, nullable=False),
        sa.Column("idle", sa.Float, nullable=False),
        sa.Column("overhead", sa.Float, nullable=False),
    )
    op.create_table(
        "nas_starts",
        sa.Column(
            "search_id", sa.Integer, sa.ForeignKey("nas_searches.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("decisions", sa.JSON, nullable=False),
        sa.Column("metrics", sa.JSON),
        sa.Column("comparable", sa.Boolean, nullable=False),
    )
