"""The ledger of erasures: what is kept of erased people, to refuse their late events.

That is a keyed hash of the person, the moment of the erasure, how far the sender's clock was ahead, and keyed hashes of
the ids of the events, as long as events are kept. Events whose id was erased are refused, and events dated up to the
erasure: by the clock of the service if it dated them, else by the clock of the sender, which was ahead by what its
events had shown.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import bindparam, case, delete, func, select, union_all

from penchant.store.database import Database, Statement
from penchant.store.tables import ahead, erased, erased_ids, events, lost, written

CHUNK = 256  # rows of one statement
FOREVER = 2**62
MS = 1000


class Dated(Protocol):
    """An event that arrives."""

    @property
    def person(self) -> str: ...
    @property
    def time(self) -> int: ...
    @property
    def ms(self) -> int: ...
    @property
    def ours(self) -> bool: ...
    @property
    def id(self) -> str | None: ...


class Limit(NamedTuple):
    """Up to when events of an erased person are refused, in unix milliseconds."""

    ours: int  # by the clock of the service: the erasure
    theirs: int  # by the clock of the sender


class Refusal(NamedTuple):
    """Why an event was not stored."""

    field: str
    detail: str


class Ledger:
    """Reads and writes the ledger in the transactions of the writer. ``secret`` keys the hashes."""

    def __init__(self, database: Database, secret: bytes) -> None:
        self.database, self._secret = database, secret
        make = database.compile
        named: Any = bindparam("person")
        self._all = make(select(erased.c.hash, erased.c.time, erased.c.ms, erased.c.ahead))
        self._limit = make(select(erased.c.time, erased.c.ms, erased.c.ahead).where(erased.c.hash == bindparam("hash")))
        self._any_ids = make(select(erased_ids.c.hash).limit(1))
        own = [
            select(one.c.id, one.c.time).where(one.c.person == named, one.c.id.is_not(None))
            for one in (events, written)
        ]
        self._own_ids = make(union_all(*own))
        self._ahead = make(select(ahead.c.ms).where(ahead.c.person == named))
        fresh = database.insert(ahead).values(person=named, ms=bindparam("ms"))
        larger, told = ahead.c.ms < fresh.excluded.ms, {"ms": fresh.excluded.ms}
        self._note = make(fresh.on_conflict_do_update(index_elements=["person"], set_=told, where=larger))
        self._forget = make(delete(ahead).where(ahead.c.person == named))
        self._expire = make(delete(erased_ids).where(erased_ids.c.until < bindparam("now")))
        values: dict[str, Any] = {name: bindparam(name) for name in ("hash", "time", "ms", "ahead", "number", "first")}
        again = {name: value for name, value in values.items() if name != "hash"}
        gone = database.insert(erased).values(values)
        before, new = erased.c.first, gone.excluded.first
        again["first"] = case((before < 0, new), (new < 0, before), (before < new, before), else_=new)  # the earliest
        whole = select(func.min(events.c.seq), select(lost.c.seq).where(lost.c.person == named).scalar_subquery())
        self._first = make(whole.where(events.c.person == named))
        entry = select(*(erased.c[name] for name in values if name != "hash"))
        self._entry = make(entry.where(erased.c.hash == bindparam("hash")))
        self._erase = make(gone.on_conflict_do_update(index_elements=["hash"], set_=again))
        self._sized: dict[tuple[str, int], Statement] = {}
        self._limits: dict[bytes, Limit] = {}
        self._ids, self._clock = False, -1

    # -- hashes ---------------------------------------------------------------------------------------------------

    def hash(self, person: str) -> bytes:
        """The keyed hash that recognises an erased person."""
        return hmac.digest(self._secret, b"erased\0" + person.encode(), "sha256")

    def hash_id(self, event_id: str) -> bytes:
        """The keyed hash that recognises the id of an erased event; it does not lead to the person."""
        return hmac.digest(self._secret, b"event\0" + event_id.encode(), "sha256")

    @property
    def key(self) -> str:
        """The name of the secret, by which a file of hashes says under which one they were made."""
        return hmac.digest(self._secret, b"erasures key", "sha256")[:6].hex()

    # -- refusing -------------------------------------------------------------------------------------------------

    def follow(self, connection: Any, clock: int) -> None:
        """Read the ledger again if the clock of erasures has changed."""
        if clock == self._clock:
            return
        rows = connection.execute(self._all.sql, []).fetchall()
        self._limits = {bytes(hashed): _limit(when, ms, ahead) for hashed, when, ms, ahead in rows}
        self._ids = bool(connection.execute(self._any_ids.sql, self._any_ids.values({})).fetchall())
        self._clock = clock

    def of(self, person: str) -> Limit | None:
        """The limit of an erased person as of the last ``follow``, None for others."""
        return self._limits.get(self.hash(person)) if self._limits else None

    def refused(self, connection: Any, rows: Sequence[Dated]) -> dict[int, Refusal]:
        """The events that are refused, by their place."""
        if not self._limits:
            return {}
        found: dict[int, Refusal] = {}
        for n, row in enumerate(rows):
            limit = self._limits.get(self.hash(row.person))
            if limit is None:
                continue
            upto = limit.ours if row.ours else limit.theirs
            if row.time * MS + row.ms <= upto:
                moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(-(-upto // MS)))
                found[n] = Refusal("time", f"is before {moment}, when this person was erased")
        named = [(n, row.id) for n, row in enumerate(rows) if row.id is not None and n not in found]
        if self._ids and named:
            hashes = [self.hash_id(event_id) for _, event_id in named]
            gone = self._among(connection, hashes)
            for (n, _), hashed in zip(named, hashes, strict=True):
                if hashed in gone:
                    found[n] = Refusal("id", "is the id of an event that was erased")
        return found

    def _among(self, connection: Any, hashes: list[bytes]) -> set[bytes]:
        found: set[bytes] = set()
        for part in _parts(hashes):
            statement = self._of_size("find", len(part))
            rows = connection.execute(statement.sql, statement.values(_numbered(hash=part))).fetchall()
            found |= {bytes(hashed) for (hashed,) in rows}
        return found

    def note(self, connection: Any, rows: Sequence[Dated]) -> None:
        """Note how far the clocks of senders are ahead, as these events show it."""
        now, found = int(time.time() * MS), dict[str, int]()
        if max((row.time for row in rows), default=0) < now // MS:
            return
        for row in rows:
            ms = row.time * MS + row.ms - now
            if ms > 0 and not row.ours and ms > found.get(row.person, 0):
                found[row.person] = ms
        for person, ms in sorted(found.items()):
            connection.execute(self._note.sql, self._note.values({"person": person, "ms": ms}))

    # -- erasing --------------------------------------------------------------------------------------------------

    def ahead(self, connection: Any, person: str) -> int:
        """How far a person's clock was ahead at most, in milliseconds."""
        rows = connection.execute(self._ahead.sql, self._ahead.values({"person": person})).fetchall()
        return int(rows[0][0]) if rows else 0

    def clock_ahead(self, person: str) -> float:
        """As ``ahead``, outside a transaction and in seconds."""
        rows = self.database.read(self._ahead, person=person)
        return rows[0][0] / MS if rows else 0.0

    def limit(self, connection: Any, person: str) -> Limit | None:
        """The limit of an erased person, None for others."""
        named = self._limit.values({"hash": self.hash(person)})
        rows = connection.execute(self._limit.sql, named).fetchall()
        return _limit(*rows[0]) if rows else None

    def entry(self, person: str) -> tuple[int, int, int, int]:
        """What is kept of an erased person, outside a transaction: time, millisecond, clock ahead and first event."""
        ((when, ms, late, _, first),) = self.database.read(self._entry, hash=self.hash(person))
        return int(when), int(ms), int(late), int(first)

    def found(self, person: str) -> Limit | None:
        """The limit of an erased person, outside a transaction; None for others."""
        rows = self.database.read(self._limit, hash=self.hash(person))
        return _limit(*rows[0]) if rows else None

    def erased(self, person: str) -> bool:
        """Whether a person was ever erased, outside a transaction."""
        return self.found(person) is not None

    def move(self, connection: Any, source: str, target: str) -> None:
        """What the clock of ``source`` showed, it showed for ``target``."""
        if shown := self.ahead(connection, source):
            connection.execute(self._note.sql, self._note.values({"person": target, "ms": shown}))
            connection.execute(self._forget.sql, self._forget.values({"person": source}))

    def enter(self, connection: Any, person: str, number: int, keep: int | None) -> int:
        """Enter an erasure, before the events of the person are deleted; returns its time in unix seconds.

        ``number`` is the clock of erasures. The ids of the events are refused for ``keep`` seconds (None: for ever).
        """
        before, shown = self.limit(connection, person), self.ahead(connection, person)
        own = connection.execute(self._own_ids.sql, self._own_ids.values({"person": person})).fetchall()
        now = int(time.time() * MS)
        kept = [self.until(when, keep) for _, when in own]
        self.enter_ids(connection, {self.hash_id(named): until for (named, _), until in zip(own, kept, strict=True)})
        connection.execute(self._forget.sql, self._forget.values({"person": person}))
        late = max(shown, 0 if before is None else before.theirs - now)  # an earlier erasure still holds
        ((first, changed),) = connection.execute(self._first.sql, self._first.values({"person": person})).fetchall()
        first = 0 if changed else -1 if first is None else first
        named = {"hash": self.hash(person), "time": now // MS, "ms": now % MS, "ahead": late, "number": number}
        named["first"] = first
        connection.execute(self._erase.sql, self._erase.values(named))
        return now // MS

    def carry(self, connection: Any, source: str, target: str) -> bool:
        """What refuses late events of ``source`` refuses those of ``target`` too; returns whether there is anything."""
        rows = connection.execute(self._entry.sql, self._entry.values({"hash": self.hash(source)})).fetchall()
        limit = self.limit(connection, target)
        for row in rows:
            named = dict(zip(("time", "ms", "ahead", "number", "first"), row, strict=True))
            late = limit is not None and limit.ours >= named["time"] * MS + named["ms"]
            if not late:
                connection.execute(self._erase.sql, self._erase.values({**named, "hash": self.hash(target)}))
        return bool(rows)

    def put(self, connection: Any, hashed: bytes, entry: tuple[int, int, int, int], number: int) -> None:
        """Enter the erasure of a hash: its time, millisecond, clock ahead and first event."""
        named = dict(zip(("time", "ms", "ahead", "first"), entry, strict=True))
        connection.execute(self._erase.sql, self._erase.values({**named, "hash": hashed, "number": number}))

    def until(self, when: int, keep: int | None) -> int:
        """Until when the id of an erased event, dated at a moment, is refused."""
        return FOREVER if keep is None else max(int(time.time()), when) + keep

    def enter_ids(self, connection: Any, until: dict[bytes, int]) -> None:
        """Refuse the events whose ids have these hashes, each until a moment in unix seconds."""
        for part in _parts(sorted(until.items())):
            statement = self._of_size("enter", len(part))
            named = _numbered(hash=[hashed for hashed, _ in part], until=[when for _, when in part])
            connection.execute(statement.sql, statement.values(named))

    def expire(self, connection: Any) -> int:
        """Drop the hashes of ids whose time is over; returns how many."""
        return int(connection.execute(self._expire.sql, self._expire.values({"now": int(time.time())})).rowcount)

    def _of_size(self, what: str, size: int) -> Statement:
        found = self._sized.get((what, size))
        if found is None:
            c, places = erased_ids.c, range(size)
            if what == "find":
                wanted = [bindparam(f"hash{n}", type_=c.hash.type) for n in places]
                query: Any = select(c.hash).where(c.hash.in_(wanted))
            else:
                rows: list[Any] = [{name: bindparam(f"{name}{n}") for name in ("hash", "until")} for n in places]
                query = self.database.insert(erased_ids).values(rows).on_conflict_do_nothing()
            found = self._sized[what, size] = self.database.compile(query)
        return found


def _limit(when: int, ms: int, ahead: int) -> Limit:
    ours = when * MS + ms
    return Limit(ours, ours + ahead)


def _parts(rows: list[Any]) -> list[list[Any]]:
    """Parts of few sizes, so that each statement is prepared once."""
    parts, start = [], 0
    while start < len(rows):
        left = len(rows) - start
        size = CHUNK if left >= CHUNK else 1 << (left.bit_length() - 1)
        parts.append(rows[start : start + size])
        start += size
    return parts


def _numbered(**columns: list[Any]) -> dict[str, Any]:
    return {f"{name}{n}": value for name, values in columns.items() for n, value in enumerate(values)}
