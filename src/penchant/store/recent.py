"""The newest events of everybody, by an index, from the store: what was erased is not in it."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import bindparam, select

from penchant.serve.service import Service
from penchant.store.tables import events


def recent(service: Service, k: int) -> list[dict[str, Any]]:
    """The k newest by their own time; what is dated ahead of now is left out until then."""
    database = service.store.database
    names = ("person", "item", "kind", "value", "time")
    newest = select(*(events.c[name] for name in names)).where(events.c.time <= bindparam("now"))
    statement = database.compile(newest.order_by(events.c.time.desc()).limit(k))
    return [dict(zip(names, row, strict=True)) for row in database.read(statement, now=int(time.time()) + 1)]
