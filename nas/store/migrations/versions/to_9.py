"""Version 9: how the older trials came to their ends that a search starts from."""

import sqlalchemy as sa
from alembic import op

revision = "9"
down_revision = "8"


def upgrade() -> None:
    """From version 8."""
    op.add_column("nas_starts", sa.Column("curve", sa.JSON))
