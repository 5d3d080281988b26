"""Version 5: trainings of what was found, again with other seeds."""

import sqlalchemy as sa
from alembic import op

revision = "5"
down_revision = "4"


def upgrade() -> None:
    """From version 4."""
    op.create_table(
        "nas_reruns",
        sa.Column("search_id", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seed", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("epochs", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("all_data", sa.Boolean, primary_key=True, autoincrement=False),
        sa.Column("failure", sa.Text),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("test_metrics", sa.JSON, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.ForeignKeyConstraint(
            ["search_id", "number"], ["nas_trials.search_id", "nas_trials.number"], ondelete="CASCADE"
        ),
    )
