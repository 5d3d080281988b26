"""Version 10: how those networks did with a bank of shared weights that a controller let train it."""

import sqlalchemy as sa
from alembic import op

revision = "10"
down_revision = "9"


def upgrade() -> None:
    """From version 9."""
    op.add_column("nas_banks", sa.Column("scored", sa.JSON))
