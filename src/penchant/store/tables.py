"""The tables of the event store. ``migrations`` creates them, and a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

# The events of a person are adjacent, in the order of acceptance: an answer reads neighbouring rows.
# ``person`` is "u:" + user or "s:" + session; ``seq`` grows with every event; times are unix seconds.
events = Table(
    "events",
    metadata,
    Column("person", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("item", Text, nullable=False),
    Column("kind", Text),
    Column("value", Double),
    Column("time", BigInteger, nullable=False),
    Column("context", Text),  # JSON
    Column("id", Text),
    Column("recommendation", Text),  # the id of the exposure that the event follows from, as its sender says
    Column("purpose", Text),  # what the person agreed to
    sqlite_with_rowid=False,
)
Index(
    "events_id",
    events.c.id,
    unique=True,
    sqlite_where=text("id IS NOT NULL"),
    postgresql_where=text("id IS NOT NULL"),
)
Index("events_time", events.c.time)

# What people wrote without an item: a search, a reply. No interaction: it has no item, and no reader of events sees it.
# ``seq`` is from the same clock as that of events.
written = Table(
    "written",
    metadata,
    Column("person", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text),
    Column("time", BigInteger, nullable=False),
    Column("context", Text, nullable=False),  # JSON; what is kept of the text stands in it
    Column("id", Text),
    Column("purpose", Text),  # what the person agreed to
    sqlite_with_rowid=False,
)
Index(
    "written_id",
    written.c.id,
    unique=True,
    sqlite_where=text("id IS NOT NULL"),
    postgresql_where=text("id IS NOT NULL"),
)
Index("written_time", written.c.time)

# Item changes made over the API, on top of the catalogue that was saved with the model.
items = Table(
    "items",
    metadata,
    Column("item", Text, primary_key=True),
    Column("added", BigInteger, nullable=False),
    Column("said", Text, key="document", nullable=False),  # JSON; a null attribute removes the saved one
    Column("deleted", Boolean, nullable=False),
    Column("changed", BigInteger, nullable=False, server_default="0"),  # the clock of items at the change
    sqlite_with_rowid=False,
)
Index("items_changed", items.c.changed)

# What was shown: a row for each page of a list, those of a person adjacent. Lists are JSON.
exposures = Table(
    "exposures",
    metadata,
    Column("person", Text, primary_key=True),
    Column("id", String(32), primary_key=True),
    Column("start", Integer, primary_key=True, autoincrement=False),  # the position of the first item
    Column("number", BigInteger, nullable=False),  # the clock of exposures when it was written
    Column("time", BigInteger, nullable=False),
    Column("placement", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("model", Text, nullable=False),  # its version
    Column("fallback", Boolean, nullable=False),
    Column("items", Text, nullable=False),
    Column("scores", Text, nullable=False),
    Column("chances", Text),
    sqlite_with_rowid=False,
)
Index("exposures_time", exposures.c.time)

# One row per attribute, so that a segment of people is one index range.
attributes = Table(
    "attributes",
    metadata,
    Column("person", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("attributes_value", attributes.c.name, attributes.c.value, attributes.c.person)

# What is left of an erased person; ``ledger`` says what it is for.
erased = Table(
    "erased",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False, server_default="0"),  # the clock of erasures at the erasure
    Column("ms", Integer, nullable=False, server_default="999"),  # milliseconds of the second
    Column("ahead", BigInteger, nullable=False, server_default="0"),  # of the sender's clock, in milliseconds
    # seq of the first event: models fitted before it hold nothing; 0: unknown, -1: there was none
    Column("first", BigInteger, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)

# Keyed hashes of the ids of erased events, and until when they are refused; nothing leads from them to a person.
erased_ids = Table(
    "erased_ids",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("until", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("erased_ids_until", erased_ids.c.until)

# Milliseconds by which events of a person were dated in the future, at most; most people have no row.
ahead = Table(
    "ahead",
    metadata,
    Column("person", Text, primary_key=True),
    Column("ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What a person chose; most people have no row.
choices = Table(
    "choices",
    metadata,
    Column("person", Text, primary_key=True),
    Column("document", Text, nullable=False),  # JSON, see ``store.choices``
    Column("training", Boolean, nullable=False),  # whether models may learn from the events
    sqlite_with_rowid=False,
)

# People who lost or gained events other than at the end of their history, and the clock of events then: a model that
# was fitted before holds a history that the store can no longer tell.
lost = Table(
    "lost",
    metadata,
    Column("person", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # comma-separated
    Column("origins", Text, nullable=False),  # JSON list
    Column("rate", Double),  # requests a second; null: the setting of the service
    Column("hash", LargeBinary, nullable=False),  # SHA-256 of a 256-bit secret
    Column("old_hash", LargeBinary),  # before the last rotation
    Column("old_until", BigInteger),
    Column("created", BigInteger, nullable=False),
)

activations = Table(
    "activations",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("bad", Text),  # the model that was rolled back to this one
)

# What was trained, newest last: from which data, with which recipe, how it was judged. ``name`` is the saved folder.
trainings = Table(
    "trainings",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("name", Text, nullable=False),  # empty where nothing was saved
    Column("outcome", String(16), nullable=False),
    Column("key", String(64), nullable=False),  # of everything that the outcome depends on
    Column("data", String(64), nullable=False),  # fingerprint
    Column("recipe", Text, nullable=False),  # JSON of the model and its parameters
    Column("document", Text, nullable=False),  # JSON
)
Index("trainings_name", trainings.c.name)

# What was decided over HTTP about the places of lists; the newest version of a name counts, and none of it is changed.
placements = Table(
    "placements",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("time", BigInteger, nullable=False),
    Column("document", Text),  # JSON; null: removed, and the file counts again
    sqlite_with_rowid=False,
)

# Work that one process at a time may do for a store.
leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Double, nullable=False),  # unix seconds
)

settings = Table(
    "settings",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

# One row. ``events`` assigns seq; the others grow with every change to what processes hold in memory.
clock = Table(
    "clock",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("events", BigInteger, nullable=False),
    Column("items", BigInteger, nullable=False),
    Column("erased", BigInteger, nullable=False),
    Column("keys", BigInteger, nullable=False),
    Column("models", BigInteger, nullable=False),
    Column("dropped_old", BigInteger, nullable=False),
    Column("dropped_many", BigInteger, nullable=False),
    Column("cleaned", BigInteger, nullable=False, server_default="0"),  # erasures that no file holds any more
    Column("exposures", BigInteger, nullable=False, server_default="0"),  # ever written
)

PERSONAL = (events, written, attributes, exposures, ahead, choices, lost)  # every table with rows of a person
