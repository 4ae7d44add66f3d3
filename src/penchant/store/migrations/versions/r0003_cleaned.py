"""Which erasures are complete in the files of the store."""  # noqa: INP001  # Alembic runs it by path, not by import

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. Earlier erasures count as incomplete, so that the store is rewritten once."""
    op.add_column("erased", sa.Column("number", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE erased SET number = (SELECT erased FROM clock)")
    op.add_column("clock", sa.Column("cleaned", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Remove the columns."""
    op.drop_column("clock", "cleaned")
    op.drop_column("erased", "number")
