"""The first tables."""  # noqa: INP001  # Alembic runs it by path; it is not imported

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of version 0.1."""
    op.create_table(
        "events",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text()),
        sa.Column("value", sa.Double()),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("context", sa.Text()),
        sa.Column("id", sa.Text()),
        sa.PrimaryKeyConstraint("person", "seq"),
        sqlite_with_rowid=False,
    )
    stated = sa.text("id IS NOT NULL")
    op.create_index("events_id", "events", ["id"], unique=True, sqlite_where=stated, postgresql_where=stated)
    op.create_index("events_time", "events", ["time"])
    op.create_table(
        "items",
        sa.Column("item", sa.Text(), primary_key=True),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "attributes",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("person", "name"),
        sqlite_with_rowid=False,
    )
    op.create_index("attributes_value", "attributes", ["name", "value", "person"])
    op.create_table(
        "erased",
        sa.Column("hash", sa.LargeBinary(), primary_key=True),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("origins", sa.Text(), nullable=False),
        sa.Column("rate", sa.Double()),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("old_hash", sa.LargeBinary()),
        sa.Column("old_until", sa.BigInteger()),
        sa.Column("created", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "activations",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
    )
    counts = ("events", "items", "erased", "keys", "models", "dropped_old", "dropped_many")
    clock = op.create_table(
        "clock",
        sa.Column("one", sa.Integer(), primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in counts),
    )
    op.bulk_insert(clock, [{"one": 1, **dict.fromkeys(counts, 0)}])


def downgrade() -> None:
    """Drop the tables."""
    for name in ("clock", "settings", "activations", "keys", "erased", "attributes", "items", "events"):
        op.drop_table(name)
