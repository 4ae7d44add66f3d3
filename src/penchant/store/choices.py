"""What a person chose: to pause, to be private, not to be learned from, and what is switched off."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Boolean, Text, bindparam, delete, select

from penchant.errors import ParameterError
from penchant.store.database import Database
from penchant.store.tables import choices

FRESH = 1.0  # seconds
MOST, LONGEST = 60, 200  # entries of a list, and characters of each
VALUE = "="  # between an attribute of items and its value, in ``off_items``


@dataclass(frozen=True)
class Chosen:
    """The choices of a person; the defaults are those of a person who chose nothing.

    ``paused``: nothing is recorded, and answers are made from what is there. ``private``: nothing is recorded, and
    answers use nothing of what is there. ``training``: whether models and counts over everybody may learn from the
    events. ``off_kinds``: kinds of events that answers do not use. ``off_items``: items that are not shown, as
    ``attribute=value``. Raises ``ParameterError`` that names an invalid one.
    """

    paused: bool = False
    private: bool = False
    training: bool = True
    off_kinds: tuple[str, ...] = ()
    off_items: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("off_kinds", "off_items"):
            listed = getattr(self, name)
            if len(listed) > MOST or any(not 1 <= len(one) <= LONGEST for one in listed):
                raise ParameterError(f"{name} has at most {MOST} entries of 1 to {LONGEST} characters")
        for one in self.off_items:
            name, sign, value = one.partition(VALUE)
            if not (sign and name and value):
                raise ParameterError(f"off_items has entries like genre=horror, not {one[:80]!r}")

    @property
    def records(self) -> bool:
        """Whether events and shown lists are written."""
        return not (self.paused or self.private)

    def to_json(self) -> dict[str, Any]:
        """All choices as plain values."""
        return {**asdict(self), "off_kinds": list(self.off_kinds), "off_items": list(self.off_items)}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Chosen:
        """The choices of a document."""
        values: dict[str, Any] = {k: tuple(one) if isinstance(one, list) else one for k, one in document.items()}
        return cls(**values)


NOTHING = Chosen()


class Choices:
    """The choices in a store."""

    def __init__(self, database: Database) -> None:
        self.database = database
        make = database.compile
        person: Any = bindparam("person", type_=Text())
        self._of = make(select(choices.c.document).where(choices.c.person == person))
        fresh = database.insert(choices).values(
            person=person, document=bindparam("document"), training=bindparam("training", type_=Boolean())
        )
        told = {"document": fresh.excluded.document, "training": fresh.excluded.training}
        self._set = make(fresh.on_conflict_do_update(index_elements=["person"], set_=told))
        self._drop = make(delete(choices).where(choices.c.person == person))
        self._any = make(select(choices.c.person).limit(1))
        self._some, self._looked = False, -math.inf

    def of(self, person: str) -> Chosen:
        """The choices of a person."""
        rows = self.database.read(self._of, person=person)
        return Chosen.of(json.loads(rows[0][0])) if rows else NOTHING

    def any(self) -> bool:
        """Whether anybody chose anything; known for a second, and at once in the process that wrote it."""
        now = time.monotonic()
        if now - self._looked > FRESH:
            self._some, self._looked = bool(self.database.read(self._any)), now
        return self._some

    def set_within(self, connection: Any, person: str, change: dict[str, Any]) -> Chosen:
        """Change some choices of a person in a transaction of the caller; returns all. Raises ``ParameterError``."""
        before = self._within(connection, person) or NOTHING
        chosen = replace(before, **change)
        if chosen == NOTHING:
            connection.execute(self._drop.sql, self._drop.values({"person": person}))
            return chosen
        self._looked = -math.inf
        row = {"person": person, "document": json.dumps(chosen.to_json()), "training": chosen.training}
        connection.execute(self._set.sql, self._set.values(row))
        return chosen

    def within(self, connection: Any, person: str) -> Chosen:
        """As ``of``, in a transaction of the caller."""
        return self._within(connection, person) or NOTHING

    def move(self, connection: Any, source: str, target: str) -> None:
        """What ``source`` chose, ``target`` chose, unless they chose something."""
        mine, theirs = self._within(connection, source), self._within(connection, target)
        if mine is not None:
            if theirs is None:
                self.set_within(connection, target, mine.to_json() | _tuples(mine))
            connection.execute(self._drop.sql, self._drop.values({"person": source}))

    def erase(self, connection: Any, person: str) -> int:
        """Delete the choices of a person; returns how many rows."""
        return int(connection.execute(self._drop.sql, self._drop.values({"person": person})).rowcount)

    def _within(self, connection: Any, person: str) -> Chosen | None:
        rows = connection.execute(self._of.sql, self._of.values({"person": person})).fetchall()
        return Chosen.of(json.loads(rows[0][0])) if rows else None


def _tuples(chosen: Chosen) -> dict[str, tuple[str, ...]]:
    return {"off_kinds": chosen.off_kinds, "off_items": chosen.off_items}
