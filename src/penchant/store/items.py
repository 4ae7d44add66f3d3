"""Item changes made over the API: put, patch and delete, durable in the store."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, update

from penchant.store.events import EventStore
from penchant.store.tables import clock, items

FIELDS = ("title", "domain", "available", "hidden", "expires")


@dataclass(frozen=True, eq=False)
class ItemChange:
    """Everything the API has set for one item, on top of the catalogue that was saved with the model.

    ``fields`` holds the names of ``FIELDS`` that were set; a field or attribute that is None removes the saved value.
    """

    item: str
    added: int  # unix seconds
    fields: Mapping[str, Any]
    attributes: Mapping[str, Any]
    deleted: bool = False


class Items:
    """The item changes of a store."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        make = store.database.compile
        rows = select(items.c.item, items.c.added, items.c.document, items.c.deleted)
        self._all, self._since = make(rows), make(rows.where(items.c.changed > bindparam("moment")))
        self._one = make(rows.where(items.c.item == bindparam("item")))
        names = ("item", "added", "document", "deleted", "changed")
        fresh = store.database.insert(items).values({name: bindparam(name) for name in names})
        anew: dict[str, Any] = {name: bindparam(name) for name in names[1:]}
        self._put = make(fresh.on_conflict_do_update(index_elements=["item"], set_=anew))
        self._tick = make(update(clock).values(items=clock.c["items"] + 1).returning(clock.c["items"]))

    def all(self) -> list[ItemChange]:
        """Every change, for a catalogue that is loaded."""
        return [_change(*row) for row in self.store.database.read(self._all)]

    def since(self, moment: int) -> list[ItemChange]:
        """Changes made after a moment of the clock of items."""
        return [_change(*row) for row in self.store.database.read(self._since, moment=moment)]

    async def change(
        self,
        *,
        put: Sequence[Mapping[str, Any]] = (),
        patch: Sequence[Mapping[str, Any]] = (),
        delete: Iterable[str] = (),
    ) -> tuple[list[ItemChange], int]:
        """Change items in one transaction, all or none. Each mapping has ``item`` and the fields to set.

        ``put`` replaces earlier changes, ``patch`` adds to them, ``delete`` removes the item from the catalogue.
        Returns the changes that now hold, and the clock of items.
        """

        def work(connection: Any) -> tuple[list[ItemChange], int]:
            ((ticked,),) = connection.execute(self._tick.sql, self._tick.values({})).fetchall()
            now, changed = int(time.time()), dict[str, ItemChange]()

            def write(change: ItemChange) -> None:
                changed[change.item] = self._write(connection, change, ticked)

            for document in put:
                fields, attributes = _split(document)
                before = self._before(connection, document["item"])
                added = now if before is None or before.deleted else before.added
                write(ItemChange(document["item"], added, fields, attributes))
            for document in patch:
                fields, attributes = _split(document)
                before = self._before(connection, document["item"]) or ItemChange(document["item"], now, {}, {})
                fields, attributes = {**before.fields, **fields}, {**before.attributes, **attributes}
                write(ItemChange(before.item, before.added, fields, attributes))
            for item in delete:
                write(ItemChange(item, now, {}, {}, deleted=True))
            return list(changed.values()), ticked

        return await self.store.writer.do(work)

    def put_within(self, connection: Any, documents: Iterable[Mapping[str, Any]]) -> int:
        """Put items inside a transaction of the caller; returns how many changed."""
        ticked, changed, now = 0, 0, int(time.time())
        for document in documents:
            fields, attributes = _split(document)
            before = self._before(connection, document["item"])
            there = before is not None and not before.deleted
            if before is not None and there and (before.fields, before.attributes) == (fields, attributes):
                continue
            if not changed:
                ((ticked,),) = connection.execute(self._tick.sql, self._tick.values({})).fetchall()
            added = before.added if before is not None and there else now
            self._write(connection, ItemChange(document["item"], added, fields, attributes), ticked)
            changed += 1
        return changed

    def _before(self, connection: Any, item: str) -> ItemChange | None:
        rows = connection.execute(self._one.sql, self._one.values({"item": item})).fetchall()
        return _change(*rows[0]) if rows else None

    def _write(self, connection: Any, change: ItemChange, ticked: int) -> ItemChange:
        text = json.dumps({"fields": dict(change.fields), "attributes": dict(change.attributes)}, ensure_ascii=False)
        named = {"item": change.item, "added": change.added, "document": text, "deleted": change.deleted}
        connection.execute(self._put.sql, self._put.values({**named, "changed": ticked}))
        return change


def _change(item: str, added: int, document: str, deleted: Any) -> ItemChange:
    found = json.loads(document)
    return ItemChange(item, added, found.get("fields", {}), found.get("attributes", {}), bool(deleted))


def _split(document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields and the attributes that a document sets."""
    return {name: document[name] for name in FIELDS if name in document}, dict(document.get("attributes") or {})
