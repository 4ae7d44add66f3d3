"""The event store, the only room that knows people: SQLite or PostgreSQL. Needs the extra ``serve``."""
