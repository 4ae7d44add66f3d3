"""What was shown, and the recommendation that an event follows from."""  # noqa: INP001  # Alembic runs it by path; it is not imported

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the columns."""
    op.create_table(
        "exposures",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("start", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("fallback", sa.Boolean(), nullable=False),
        sa.Column("items", sa.Text(), nullable=False),
        sa.Column("scores", sa.Text(), nullable=False),
        sa.Column("chances", sa.Text()),
        sa.PrimaryKeyConstraint("person", "id", "start"),
        sqlite_with_rowid=False,
    )
    op.create_index("exposures_time", "exposures", ["time"])
    op.add_column("events", sa.Column("recommendation", sa.Text()))
    op.add_column("clock", sa.Column("exposures", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Remove them."""
    op.drop_column("clock", "exposures")
    op.drop_column("events", "recommendation")
    op.drop_table("exposures")
