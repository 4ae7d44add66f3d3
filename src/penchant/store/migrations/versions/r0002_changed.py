"""When an item changed: a process that knew them all reads only what is new."""  # noqa: INP001  # Alembic runs it by its path, no import finds it

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what was said before has changed at the first tick."""
    op.add_column("items", sa.Column("changed", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index("items_changed", "items", ["changed"])


def downgrade() -> None:
    """Take it away again."""
    op.drop_index("items_changed", "items")
    op.drop_column("items", "changed")
