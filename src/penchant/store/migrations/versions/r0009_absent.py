"""New stores say in their settings which columns no event ever had. Old ones do not, and change nothing."""  # noqa: INP001  # Alembic runs it by path; it is not imported

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing: a process that does not know of these settings must not write to a store that has them."""


def downgrade() -> None:
    """Forget them: whoever writes from now on does not keep them true."""
    op.execute("DELETE FROM settings WHERE name IN ('absent.kind', 'absent.value', 'absent.context')")
