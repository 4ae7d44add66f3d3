"""The ledger of erasures as a whole: read from a store or a file, and applied to a store that was restored.

The file holds what the ledger of the store holds, keyed hashes and moments, one JSON object a line; it is only ever
appended to. A store that comes back from a backup knows nothing of later erasures: the file does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, select, union, update

from penchant.errors import DataError
from penchant.store.database import Database
from penchant.store.events import EventStore
from penchant.store.tables import PERSONAL, attributes, clock, erased, erased_ids, events, exposures


class Erased(NamedTuple):
    """The entry of a person in the ledger; see ``store.ledger``."""

    time: int  # unix seconds
    ms: int  # of the second; -1: unknown
    ahead: int
    first: int = 0  # see ``store.tables``


@dataclass
class Erasures:
    """A ledger of erasures: people by their hashes, and until when the hashes of event ids are refused."""

    people: dict[bytes, Erased] = field(default_factory=dict)
    ids: dict[bytes, int] = field(default_factory=dict)

    @classmethod
    def of(cls, database: Database) -> Erasures:
        """The ledger of an open store."""
        c = erased.c
        rows = database.read(database.compile(select(c.hash, c.time, c.ms, c.ahead, c.first)))
        ids = database.read(database.compile(select(erased_ids.c.hash, erased_ids.c.until)))
        people = {bytes(hashed): Erased(*entry) for hashed, *entry in rows}
        return cls(people, {bytes(hashed): until for hashed, until in ids})

    def add(self, other: Erasures) -> None:
        """Enter what another ledger holds; of two erasures of a person the later one counts."""
        for hashed, entry in other.people.items():
            if hashed not in self.people or self.people[hashed] < entry:
                self.people[hashed] = entry
        for hashed, until in other.ids.items():
            self.ids[hashed] = max(until, self.ids.get(hashed, 0))

    def after(self, other: Erasures) -> Erasures:
        """What ``other`` lacks: people who were erased later, to the second, and ids."""
        late = {
            hashed: entry
            for hashed, entry in self.people.items()
            if hashed not in other.people or other.people[hashed].time < entry.time
        }
        return Erasures(late, {hashed: until for hashed, until in self.ids.items() if hashed not in other.ids})

    def __bool__(self) -> bool:
        return bool(self.people or self.ids)


def apply(store: EventStore, ledger: Erasures) -> int:
    """Erase from an open store whoever a ledger names, and events whose ids were erased, in one transaction; enter them
    in its ledger. Returns the number of people in the store."""
    make = store.database.compile
    known = make(union(*(select(one.c.person) for one in (events, attributes, exposures))))
    drops = [make(delete(one).where(one.c.person == bindparam("person"))) for one in PERSONAL]
    named = make(select(events.c.person, events.c.seq, events.c.id).where(events.c.id.is_not(None)))
    drop = make(delete(events).where(events.c.person == bindparam("person"), events.c.seq == bindparam("seq")))
    tick = make(update(clock).values(erased=clock.c.erased + 1).returning(clock.c.erased))

    def work(connection: Any) -> int:
        people = [person for (person,) in connection.execute(known.sql, known.values({})).fetchall()]
        gone = [person for person in people if store.hash(person) in ledger.people] if ledger.people else []
        if ledger.ids:
            for person, seq, event_id in connection.execute(named.sql, named.values({})).fetchall():
                if store.ledger.hash_id(event_id) in ledger.ids:
                    connection.execute(drop.sql, drop.values({"person": person, "seq": seq}))
            store.ledger.enter_ids(connection, dict(ledger.ids))
        for person in gone:
            for one in drops:
                connection.execute(one.sql, one.values({"person": person}))
        for hashed, entry in ledger.people.items():
            ((number,),) = connection.execute(tick.sql, tick.values({})).fetchall()
            store.ledger.put(connection, hashed, entry._replace(ms=999 if entry.ms < 0 else entry.ms), number)
        return len(gone)

    return int(store.writer.do_now(work))


# -- the file ---------------------------------------------------------------------------------------------------------


def append(file: Path, key: str, ledger: Erasures) -> None:
    """Write the entries of a ledger to the end of a file, mode 0600, and wait until they are on disk. ``key`` names the
    secret of their hashes."""
    lines = [{"hash": hashed.hex(), **entry._asdict(), "key": key} for hashed, entry in ledger.people.items()]
    lines += [{"id": hashed.hex(), "until": until, "key": key} for hashed, until in sorted(ledger.ids.items())]
    _write(file, lines)


def _write(file: Path, lines: Iterable[dict[str, Any]]) -> None:
    handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(handle).st_size
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"  # a crash in the middle of a line
        text = "".join(json.dumps(line) + "\n" for line in lines)
        os.write(handle, (("\n" if torn else "") + text).encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def read_file(file: Path, key: str) -> Erasures:
    """The ledger in a file; empty if there is none. A last line that a crash cut is left out.

    Raises ``DataError`` for a damaged file, and for hashes under another secret, which would find nobody.
    """
    found = Erasures()
    if not file.exists():
        return found
    lines = file.read_bytes().decode("utf-8", "replace").split("\n")
    for number, line in enumerate(lines, 1):
        try:
            said = json.loads(line) if line.strip() else None
            if said is None:
                continue
            if said["key"] != key:
                raise DataError(
                    "the erasures were hashed under another secret, and would find nobody", file=str(file), line=number,
                    fix="Start with the secret of then, or move the file away if it belongs to another store.",
                )  # fmt: skip
            if "hash" in said:
                entry = Erased(said["time"], said["ms"], said["ahead"], said["first"])
                found.add(Erasures({bytes.fromhex(said["hash"]): entry}))
            else:
                found.add(Erasures(ids={bytes.fromhex(said["id"]): int(said["until"])}))
        except (ValueError, KeyError, TypeError) as wrong:
            if number >= len(lines) - 1 or (number < len(lines) and not line.endswith("}")):
                continue
            raise DataError(f"is not a ledger of erasures ({wrong!r})", file=str(file), line=number) from None
    return found
