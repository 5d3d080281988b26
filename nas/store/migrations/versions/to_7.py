"""Version 7: what the plan of a search has chosen; and trials that came to their end rank by that."""

import sqlalchemy as sa
from alembic import op

revision = "7"
down_revision = "6"


def upgrade() -> None:
    """From version 6."""
    op.create_table(
        "nas_choices",
        sa.Column(
            "search_id", sa.Integer, sa.ForeignKey("nas_searches.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("part", sa.String(20), nullable=False),
        sa.Column("value", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    # nas.ranking.WHOLE, as it was then
    op.execute("UPDATE nas_trials SET rung = 2147483647 WHERE status = 'complete' AND rung > 0")
