"""The ledger of erasures as a whole: read from a store or a file, and applied to a store that was restored.

The file holds what the ledger of the store holds, keyed hashes and moments, one JSON object a line; it is only ever
appended to. A store that comes back from a backup knows nothing of later erasures: the file does.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, select, union, update

from penchant.errors import DataError
from penchant.store.database import Database
from penchant.store.events import OWN_ID, EventStore
from penchant.store.tables import PERSONAL, clock, erased, erased_ids, events, written


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
    known = make(union(*(select(one.c.person) for one in PERSONAL)))
    drops = [make(delete(one).where(one.c.person == bindparam("person"))) for one in PERSONAL]
    named = [make(select(one.c.person, one.c.seq, one.c.id).where(one.c.id.is_not(None))) for one in (events, written)]
    drop = [
        make(delete(one).where(one.c.person == bindparam("person"), one.c.seq == bindparam("seq")))
        for one in (events, written)
    ]
    tick = make(update(clock).values(erased=clock.c.erased + 1).returning(clock.c.erased))

    def work(connection: Any) -> int:
        people = [person for (person,) in connection.execute(known.sql, known.values({})).fetchall()]
        gone = [person for person in people if store.hash(person) in ledger.people] if ledger.people else []
        if ledger.ids:
            for listed, out in zip(named, drop, strict=True):
                for person, seq, event_id in connection.execute(listed.sql, listed.values({})).fetchall():
                    if store.ledger.hash_id(event_id) in ledger.ids:
                        connection.execute(out.sql, out.values({"person": person, "seq": seq}))
            store.ledger.enter_ids(connection, dict(ledger.ids))
        for person in gone:
            for one in drops:
                connection.execute(one.sql, one.values({"person": person}))
        for hashed, entry in ledger.people.items():
            ((number,),) = connection.execute(tick.sql, tick.values({})).fetchall()
            store.ledger.put(connection, hashed, entry._replace(ms=999 if entry.ms < 0 else entry.ms), number)
        store.keep_setting(connection, OWN_ID, secrets.token_hex(8))  # clocks of models belong to another life of it
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


def read_file(file: Path) -> tuple[Erasures, set[str]]:
    """The ledger in a file, and the names of the secrets of its hashes; empty if there is none. A line that a crash cut
    is left out, and so are ids whose time is over. Raises ``DataError`` for a damaged file."""
    found, keys, now = Erasures(), set[str](), int(time.time())
    if not file.exists():
        return found, keys
    for number, line in enumerate(file.read_bytes().decode("utf-8", "replace").split("\n"), 1):
        if not line.endswith("}"):  # empty, or cut
            continue
        try:
            said = json.loads(line)
            keys.add(str(said["key"]))
            if "hash" in said:
                entry = Erased(said["time"], said["ms"], said["ahead"], said["first"])
                found.add(Erasures({bytes.fromhex(said["hash"]): entry}))
            elif said["until"] >= now:
                found.add(Erasures(ids={bytes.fromhex(said["id"]): int(said["until"])}))
        except (ValueError, KeyError, TypeError) as wrong:
            raise DataError(f"is not a ledger of erasures ({wrong!r})", file=str(file), line=number) from None
    return found, keys


def settle(store: EventStore, file: Path) -> int:
    """Bring an open store and its file together: whoever the file knows and the store does not is erased, and the file
    gets what it lacks. Returns the number of people who were erased.

    Raises ``DataError`` for a damaged file, and where the store lacks erasures that were hashed under another secret.
    """
    filed, keys = read_file(file)
    known = Erasures.of(store.database)
    late = filed.after(known)
    if late.people and keys - {store.ledger.key}:
        raise DataError(
            f"it knows {len(late.people):,} erasures that the store does not, hashed under another secret: they would "
            "find nobody", file=str(file),
            fix="Start with the secret of then, or move the file away if it belongs to another store.",
        )  # fmt: skip
    gone = apply(store, late) if late.people else 0
    lacking = known.after(filed)
    if lacking:
        append(file, store.ledger.key, lacking)
    return gone


class Entry(NamedTuple):
    """One erasure: its number in the clock of erasures, its time, and the first event that was erased."""

    number: int
    time: int  # unix seconds
    first: int  # see ``store.tables``


def entries(database: Database) -> list[Entry]:
    """Every erasure of a store, by number."""
    c = erased.c
    rows = database.read(database.compile(select(c.number, c.time, c.first).order_by(c.number)))
    return [Entry._make(row) for row in rows]
