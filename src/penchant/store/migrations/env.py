"""Runs migrations on the connection of ``database.migrate``."""  # noqa: INP001  # Alembic runs it by path; it is not imported

from __future__ import annotations

from alembic import context

from penchant.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
