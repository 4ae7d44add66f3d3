"""People under another name: those of a store become pseudonyms, or move from the pseudonyms of an earlier key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Text, bindparam, func, literal, literal_column, select, union, update

from penchant.store.events import EventStore
from penchant.store.people import People
from penchant.store.tables import PERSONAL, clock

AT_ONCE = 500  # people of one transaction


class Renaming:
    """Moves everything of a person to another name."""

    def __init__(self, store: EventStore, people: People) -> None:
        self.store, self.people = store, people
        make = store.database.compile
        person: Any = bindparam("person", type_=Text())
        self._there = make(union(*(select(one.c.person).where(one.c.person == person) for one in PERSONAL)))
        target: Any = bindparam("target", type_=Text())
        self._moves = [make(update(one).where(one.c.person == person).values(person=target)) for one in PERSONAL]
        self._tick = make(update(clock).values(erased=clock.c.erased + 1))

    def there(self, person: str) -> bool:
        """Whether the store holds anything of a person."""
        return bool(self.store.database.read(self._there, person=person))

    def move(self, connection: Any, source: str, target: str) -> None:
        """Move a person, with what refuses their late events, in a transaction of the caller."""
        if self.store.ledger.carry(connection, source, target):
            self.tick(connection)  # other processes read the ledger again
        if connection.execute(self._there.sql, self._there.values({"person": target})).fetchall():
            self.people.merge_within(connection, source, target)
            return
        named = {"person": source, "target": target}
        for statement in self._moves:
            connection.execute(statement.sql, statement.values(named))

    def others(self, prefixes: tuple[str, ...], most: int = AT_ONCE) -> list[str]:
        """People whose ids begin with none of the prefixes, all of one length, some at a time."""
        kept, size = [literal(one) for one in prefixes], len(prefixes[0])
        parts = [select(one.c.person).where(func.substr(one.c.person, 3, size).not_in(kept)) for one in PERSONAL]
        found = self.store.database.compile(union(*parts).limit(literal_column(str(int(most)))))
        return [str(row[0]) for row in self.store.database.read(found)]

    def everybody(self) -> list[str]:
        """Everybody of whom the store holds anything; reads all of it."""
        found = self.store.database.compile(union(*(select(one.c.person) for one in PERSONAL)))
        return [str(row[0]) for row in self.store.database.read(found)]

    def tick(self, connection: Any) -> None:
        """Count an erasure, after which the files of the store are rewritten."""
        connection.execute(self._tick.sql, self._tick.values({}))
