"""What people chose, the purpose of an event, whose history lost events, and the first event of an erased person."""  # noqa: INP001  # Alembic runs it by path; it is not imported

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and the columns."""
    op.add_column("events", sa.Column("purpose", sa.Text()))
    op.add_column("erased", sa.Column("first", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "choices",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("training", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("person"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lost",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("lost")
    op.drop_table("choices")
    op.drop_column("erased", "first")
    op.drop_column("events", "purpose")
