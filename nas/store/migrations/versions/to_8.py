"""Version 8: weights that are kept of a trial may be those of a repeat of its training."""

import sqlalchemy as sa
from alembic import op

revision = "8"
down_revision = "7"


def upgrade() -> None:
    """From version 7."""
    op.add_column("nas_weights", sa.Column("training", sa.Integer, nullable=False, server_default="0"))
    op.add_column("nas_weights", sa.Column("seed", sa.BigInteger))
