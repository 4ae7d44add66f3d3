"""How Alembic reaches the store: over the connection that ``database.migrate`` hands it."""  # noqa: INP001  # Alembic runs it by its path, no import finds it

from __future__ import annotations

from alembic import context

from penchant.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
