"""The history of the store's tables; Alembic runs it, ``database.migrate`` starts it."""
