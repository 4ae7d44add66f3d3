"""Items over the API: put, patch and delete, kept in the store and acting at once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select, update

from penchant.serve.catalogue.live import FIELDS, Said
from penchant.store.events import EventStore
from penchant.store.tables import clock, items


class Goods:
    """What was said about items, on top of the catalogue that was saved with the model."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        make = store.database.compile
        told = select(items.c.item, items.c.added, items.c.said, items.c.deleted)
        self._all, self._since = make(told), make(told.where(items.c.changed > bindparam("moment")))
        self._one = make(select(items.c.added, items.c.said, items.c.deleted).where(items.c.item == bindparam("item")))
        fresh = store.database.insert(items).values(
            {name: bindparam(name) for name in ("item", "added", "said", "deleted", "changed")}
        )
        anew: dict[str, Any] = {name: bindparam(name) for name in ("added", "said", "deleted", "changed")}
        self._put = make(fresh.on_conflict_do_update(index_elements=["item"], set_=anew))
        self._tick = make(update(clock).values(items=clock.c["items"] + 1).returning(clock.c["items"]))

    def all(self) -> list[Said]:
        """Everything that was said, for a catalogue that starts."""
        return [_said(*row) for row in self.store.database.read(self._all)]

    def since(self, moment: int) -> list[Said]:
        """What was said after a moment of the clock of items."""
        return [_said(*row) for row in self.store.database.read(self._since, moment=moment)]

    async def change(
        self,
        *,
        put: Sequence[Mapping[str, Any]] = (),
        patch: Sequence[Mapping[str, Any]] = (),
        delete: Iterable[str] = (),
    ) -> tuple[list[Said], int]:
        """Change items in one transaction, all or none; each mapping has ``item`` and what is said of it. ``put``
        replaces what was said, ``patch`` adds to it, ``delete`` takes the item off the shelf. Returns what
        now holds, and the clock of items."""

        def work(connection: Any) -> tuple[list[Said], int]:
            ((ticked,),) = connection.execute(self._tick.sql, self._tick.values({})).fetchall()
            now, changed = int(time.time()), dict[str, Said]()

            def write(said: Said) -> None:
                changed[said.item] = self._write(connection, said, ticked)

            for document in put:
                fields, attributes = _split(document)
                before = self._before(connection, document["item"])
                added = now if before is None or before.deleted else before.added
                write(Said(document["item"], added, fields, attributes))
            for document in patch:
                fields, attributes = _split(document)
                before = self._before(connection, document["item"]) or Said(document["item"], now, {}, {})
                fields, attributes = {**before.fields, **fields}, {**before.attributes, **attributes}
                write(Said(before.item, before.added, fields, attributes))
            for item in delete:
                write(Said(item, now, {}, {}, deleted=True))
            return list(changed.values()), ticked

        return await self.store.writer.do(work)

    def _before(self, connection: Any, item: str) -> Said | None:
        rows = connection.execute(self._one.sql, self._one.values({"item": item})).fetchall()
        return _said(item, *rows[0]) if rows else None

    def _write(self, connection: Any, said: Said, ticked: int) -> Said:
        text = json.dumps({"fields": dict(said.fields), "attributes": dict(said.attributes)}, ensure_ascii=False)
        named = {"item": said.item, "added": said.added, "said": text, "deleted": said.deleted}
        named["changed"] = ticked
        connection.execute(self._put.sql, self._put.values(named))
        return said


def _said(item: str, added: int, said: str, deleted: Any) -> Said:
    document = json.loads(said)
    return Said(item, added, document.get("fields", {}), document.get("attributes", {}), bool(deleted))


def _split(document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields and attributes of what is said, as far as it is said."""
    return {name: document[name] for name in FIELDS if name in document}, dict(document.get("attributes") or {})
