"""What refuses late events of erased people: their moment, how far their clock was ahead, and their event ids."""  # noqa: INP001  # Alembic runs it by path, not by import

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and tables. Earlier erasures refuse events dated in their second, as before."""
    op.add_column("erased", sa.Column("ms", sa.Integer(), nullable=False, server_default="999"))
    op.add_column("erased", sa.Column("ahead", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "erased_ids",
        sa.Column("hash", sa.LargeBinary(), primary_key=True),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("erased_ids_until", "erased_ids", ["until"])
    op.create_table(
        "ahead",
        sa.Column("person", sa.Text(), primary_key=True),
        sa.Column("ms", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("ahead")
    op.drop_table("erased_ids")
    op.drop_column("erased", "ahead")
    op.drop_column("erased", "ms")
