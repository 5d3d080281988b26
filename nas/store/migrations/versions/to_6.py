"""Version 6: what ran, with each training; and what the cards did."""

import sqlalchemy as sa
from alembic import op

revision = "6"
down_revision = "5"


def upgrade() -> None:
    """From version 5."""
    op.add_column("nas_trials", sa.Column("ran", sa.Text))
    op.add_column("nas_trials", sa.Column("ran_layout", sa.Integer))
    op.add_column("nas_reruns", sa.Column("ran", sa.JSON))
    op.add_column("nas_references", sa.Column("ran", sa.JSON))
    op.create_table(
        "nas_cards",
        sa.Column(
            "search_id", sa.Integer, sa.ForeignKey("nas_searches.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("at", sa.Float, primary_key=True),
        sa.Column("card", sa.String(120), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("node", sa.String(80), nullable=False),
        sa.Column("trials", sa.Integer, nullable=False),
        sa.Column("room", sa.Integer, nullable=False),
        sa.Column("busy", sa.Float),
        sa.Column("memory", sa.BigInteger),
        sa.Column("memory_total", sa.BigInteger),
    )
