"""What people wrote without an item: a search, a reply. It is kept apart from events, for it is no interaction.

What stands in ``context`` is what was read of the text; the text itself only where it is to be kept.
"""

from __future__ import annotations

import json
import time
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Integer, Text, bindparam, delete, select, update

from penchant.store.database import Database, Statement
from penchant.store.keep import Keep, of_kind
from penchant.store.tables import events, written

LATELY = 20  # texts of a person that are looked at, the newest


class NewWritten(NamedTuple):
    """A text without an item to append, read; ``person`` is "u:" + user or "s:" + session."""

    person: str
    kind: str | None
    time: int
    context: str  # JSON
    id: str | None
    ms: int = 0  # milliseconds of its second, not stored
    ours: bool = False  # whether the service dated it, because the sender did not
    purpose: str | None = None  # what the person agreed to


class KeptWritten(NamedTuple):
    """Everything that is stored of one such text; ``seq`` is its place in the order of acceptance, among events too."""

    seq: int
    kind: str | None
    time: int  # unix seconds
    context: str  # JSON
    id: str | None
    purpose: str | None

    def to_json(self) -> dict[str, Any]:
        """As exports show it."""
        return {**self._asdict(), "context": json.loads(self.context)}


class Written:
    """The texts without an item of a store; of a person the newest ``most`` are kept."""

    def __init__(self, database: Database, most: int) -> None:
        self.database, self._most = database, most

    def prepare(self) -> None:
        """Compile the statements."""
        make, w = self.database.compile, written.c
        person: Any = bindparam("person", type_=Text())
        listed = select(*(w[name] for name in KeptWritten._fields)).where(w.person == person)
        near = w.time.between(bindparam("since", type_=BigInteger()), bindparam("until", type_=BigInteger()))
        lately = listed.where(near, w.seq <= bindparam("upto", type_=BigInteger()))
        self._lately = make(lately.order_by(w.time.desc(), w.seq.desc()).limit(LATELY))
        self._all = make(listed.order_by(w.seq))
        names = ("person", "seq", *NewWritten._fields[1:5], "purpose")
        fresh = self.database.insert(written).values({name: bindparam(name) for name in names})
        self._insert = make(fresh.on_conflict_do_nothing())
        self._event = make(select(events.c.seq).where(events.c.id == bindparam("id")))
        own = select(w.seq).where(w.person == person).order_by(w.seq.desc())
        past = own.offset(bindparam("most", type_=Integer()))
        self._trim = make(delete(written).where(w.person == person, w.seq.in_(past)))
        source: Any = bindparam("source", type_=Text())
        since = bindparam("since", type_=BigInteger())
        self._refuse = make(delete(written).where(w.person == source, w.time <= since))
        self._move = make(update(written).where(w.person == source).values(person=bindparam("target")))
        self._drop = make(delete(written).where(w.person == person))

    def lately(self, person: str, moment: int, seconds: int, upto: int) -> list[KeptWritten]:
        """The newest texts of a person around a moment, up to ``upto`` (a ``seq``), newest first."""
        span = {"since": moment - seconds, "until": moment + seconds}
        return [KeptWritten._make(row) for row in self.database.read(self._lately, person=person, upto=upto, **span)]

    def of(self, person: str) -> list[KeptWritten]:
        """All texts of a person in the order of acceptance."""
        return [KeptWritten._make(row) for row in self.database.read(self._all, person=person)]

    def insert_within(self, connection: Any, row: NewWritten, seq: int) -> bool:
        """Insert one in a transaction of the caller; returns whether it is new."""
        if row.id is not None and connection.execute(self._event.sql, self._event.values({"id": row.id})).fetchall():
            return False
        named = {**row._asdict(), "seq": seq}
        new = bool(connection.execute(self._insert.sql, self._insert.values(named)).rowcount)
        if new:
            connection.execute(self._trim.sql, self._trim.values({"person": row.person, "most": self._most}))
        return new

    def move(self, connection: Any, source: str, target: str, upto: int) -> None:
        """Move the texts of a person; those dated up to ``upto`` are dropped."""
        connection.execute(self._refuse.sql, self._refuse.values({"source": source, "since": upto}))
        connection.execute(self._move.sql, self._move.values({"source": source, "target": target}))

    def erase(self, connection: Any, person: str) -> list[KeptWritten]:
        """Delete the texts of a person; returns them."""
        rows = connection.execute(self._all.sql, self._all.values({"person": person})).fetchall()
        connection.execute(self._drop.sql, self._drop.values({"person": person}))
        return [KeptWritten._make(row) for row in rows]

    def expire(self, connection: Any, keep: Keep) -> int:
        """Drop what is past, as for events of the same kind; returns how many."""
        cutoffs, gone = keep.cutoffs(int(time.time())), 0
        for kind, before in cutoffs:
            query = f"DELETE FROM written WHERE time < {int(before)} AND {of_kind(kind, cutoffs)}"  # noqa: S608  # checked names
            statement = Statement(query, (), {})
            gone += int(connection.execute(statement.sql, statement.values({})).rowcount)
        return gone
