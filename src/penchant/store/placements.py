"""Placements that were set over HTTP: every version is kept, the newest one counts."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, insert, select

from penchant.store.events import EventStore
from penchant.store.tables import placements


class StoredPlacement(NamedTuple):
    """One version of a placement; ``document`` None: it was removed."""

    name: str
    version: int
    time: int  # unix seconds
    document: dict[str, Any] | None


class StoredPlacements:
    """The placements of a store."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        make, p = store.database.compile, placements.c
        self._all = make(select(p.name, p.version, p.time, p.document).order_by(p.name, p.version))
        self._count = make(select(func.count()).select_from(placements))
        self._last = make(select(func.max(p.version)).where(p.name == bindparam("the_name")))
        fields = ("name", "version", "time", "document")
        self._add = make(insert(placements).values({name: bindparam(f"the_{name}") for name in fields}))

    def count(self) -> int:
        """How many versions there are: it grows with every change."""
        return int(self.store.database.read(self._count)[0][0])

    def newest(self) -> dict[str, StoredPlacement]:
        """The newest version of each name, removed ones included."""
        rows = self.store.database.read(self._all)
        found = (
            StoredPlacement(name, version, moment, None if text is None else json.loads(text))
            for name, version, moment, text in rows
        )
        return {one.name: one for one in found}

    async def set(self, name: str, document: Mapping[str, Any] | None) -> int:
        """Write the next version of a placement; returns its number. Raises ``StoreError``."""

        def work(connection: Any) -> int:
            ((last,),) = connection.execute(self._last.sql, self._last.values({"the_name": name})).fetchall()
            version = (last or 0) + 1
            text = None if document is None else json.dumps(document, default=str)
            values = {"the_name": name, "the_version": version, "the_time": int(time.time()), "the_document": text}
            connection.execute(self._add.sql, self._add.values(values))
            return version

        return await self.store.writer.do(work)
