"""What people wrote without an item: searches and replies."""  # noqa: INP001  # Alembic runs it by path; it is not imported

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "written",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text()),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("id", sa.Text()),
        sa.Column("purpose", sa.Text()),
        sa.PrimaryKeyConstraint("person", "seq"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "written_id",
        "written",
        ["id"],
        unique=True,
        sqlite_where=sa.text("id IS NOT NULL"),
        postgresql_where=sa.text("id IS NOT NULL"),
    )
    op.create_index("written_time", "written", ["time"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("written")
