"""Whose stored history is no longer the one that a model learned: it lost events, or got those of another person."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Text, bindparam, delete, select

from penchant.store.database import Database
from penchant.store.tables import clock, lost


class Losses:
    """Notes, inside transactions of the caller, the clock of events at the last change to the middle of a history."""

    def __init__(self, database: Database) -> None:
        make = database.compile
        person: Any = bindparam("person", type_=Text())
        now = select(clock.c.events).scalar_subquery()
        fresh = database.insert(lost).values(person=person, seq=now)
        self._note = make(fresh.on_conflict_do_update(index_elements=["person"], set_={"seq": fresh.excluded.seq}))
        self._drop = make(delete(lost).where(lost.c.person == person))
        self._of = make(select(lost.c.seq).where(lost.c.person == person))

    def note(self, connection: Any, person: str) -> None:
        """The history of a person changes now."""
        connection.execute(self._note.sql, self._note.values({"person": person}))

    def move(self, connection: Any, source: str, target: str) -> None:
        """The history of ``source`` becomes part of that of ``target``."""
        self.forget(connection, source)
        self.note(connection, target)

    def forget(self, connection: Any, person: str) -> None:
        """Drop the note about a person."""
        connection.execute(self._drop.sql, self._drop.values({"person": person}))

    def of(self, connection: Any, person: str) -> int:
        """The clock of events at the last change; 0 if there was none."""
        rows = connection.execute(self._of.sql, self._of.values({"person": person})).fetchall()
        return int(rows[0][0]) if rows else 0
