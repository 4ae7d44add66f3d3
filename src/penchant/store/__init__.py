"""The event store: the only room that knows people. SQLite or PostgreSQL; needs the extra ``serve``."""
