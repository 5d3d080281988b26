"""Version 8: banks of shared weights; and weights of a trial that are those of a repeat of its training."""

import sqlalchemy as sa
from alembic import op

revision = "8"
down_revision = "7"


def upgrade() -> None:
    """From version 7."""
    op.create_table(
        "nas_banks",
        sa.Column(
            "search_id", sa.Integer, sa.ForeignKey("nas_searches.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("train_loss", sa.Float, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("data", sa.LargeBinary),
    )
    op.add_column("nas_weights", sa.Column("training", sa.Integer, nullable=False, server_default="0"))
    op.add_column("nas_weights", sa.Column("seed", sa.BigInteger))
