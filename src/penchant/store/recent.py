"""The newest events of everybody, straight from the store, so that erased events never appear."""

from __future__ import annotations

import time
from typing import NamedTuple

from sqlalchemy import bindparam, select

from penchant.store.database import Database
from penchant.store.tables import events


class RecentEvent(NamedTuple):
    """One of the newest events; ``person`` is "u:" + user or "s:" + session."""

    person: str
    item: str
    kind: str | None
    value: float | None
    time: int


def recent(database: Database, k: int) -> list[RecentEvent]:
    """The k newest events by their own time; events dated in the future are left out."""
    columns = (events.c[name] for name in RecentEvent._fields)
    newest = select(*columns).where(events.c.time <= bindparam("now")).order_by(events.c.time.desc()).limit(k)
    return [RecentEvent(*row) for row in database.read(database.compile(newest), now=int(time.time()) + 1)]
