"""Which model an activation rolled back."""  # noqa: INP001  # Alembic runs it by path; it is not imported

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the column."""
    op.add_column("activations", sa.Column("bad", sa.Text()))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("activations", "bad")
