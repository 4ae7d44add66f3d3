"""The clock of each item change, so that a process reads only new changes."""  # noqa: INP001  # Alembic runs it by path; it is not imported

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; earlier changes get clock 0."""
    op.add_column("items", sa.Column("changed", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index("items_changed", "items", ["changed"])


def downgrade() -> None:
    """Drop the column."""
    op.drop_index("items_changed", "items")
    op.drop_column("items", "changed")
