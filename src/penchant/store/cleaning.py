"""Erased data leaves the files too: the store is rewritten without it, in the background.

``secure_delete`` overwrites a row where it was deleted. Copies of the row remain where SQLite moved it from one page to
another, in parts of pages that are no longer used. Only ``VACUUM`` is free of them.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select, update

from penchant.store.database import BUSY_SECONDS
from penchant.store.events import EventStore
from penchant.store.tables import clock, erased

PENDING, CLEAN = "pending", "clean"  # whether files of the store may still hold what was erased
DATABASE = "database"  # PostgreSQL decides when its files no longer hold a deleted row
PATIENCE_MS = 100  # that a checkpoint waits for readers; writers wait as long


def pause(after: float, share: float, seconds: float) -> float:
    """Seconds to wait before a rewrite: at least ``after``, and so long that rewrites, of which the last took
    ``seconds``, take at most this share of the time."""
    return max(after, seconds * (1 / share - 1))


class Erasure(NamedTuple):
    """One entry of the ledger of erasures."""

    time: int  # unix seconds
    files: str  # PENDING, CLEAN or DATABASE


class Cleaning:
    """Rewrites the store after erasures.

    A rewrite takes half a minute or more for each GB and as much disk as the store; meanwhile events wait, and are
    stored after it. The rewrite reaches the file by a checkpoint, which gives way to readers and is tried again.
    """

    def __init__(self, store: EventStore) -> None:
        self.store = store
        make, one = store.database.compile, clock.c
        self._upto = make(select(one.erased))
        found = select(erased.c.time, erased.c.number <= one.cleaned).select_from(erased.join(clock, one.one == 1))
        self._find = make(found.where(erased.c.hash == bindparam("hash")))
        cleaned = update(clock).where(one.cleaned < bindparam("upto")).values(cleaned=bindparam("upto"))
        self._note = make(cleaned)
        self._rewritten = 0  # erasures before the last rewrite
        self.seconds = 0.0  # that the last rewrite took

    def find(self, hashed: bytes) -> Erasure | None:
        """The erasure of a hash, None if there is none."""
        rows = self.store.database.read(self._find, hash=hashed)
        if not rows:
            return None
        when, complete = rows[0]
        files = (CLEAN if complete else PENDING) if self.store.database.sqlite else DATABASE
        return Erasure(int(when), files)

    def due(self) -> bool:
        """Whether files may hold data of somebody who was erased."""
        counters = self.store.clock()
        return self.store.database.sqlite and counters.cleaned < counters.erased

    @property
    def rewritten(self) -> int:
        """The number of the last erasure before the last rewrite."""
        return self._rewritten

    def run(self) -> bool:
        """Rewrite the store if an erasure came after the last rewrite, then empty the log. Returns whether every file
        is clean now; if not, a reader was in the way: try again. Blocks; call it in a thread. Raises ``StoreError``.
        """
        if self.store.clock().erased > self._rewritten:
            start = time.perf_counter()
            self._rewritten = self.store.writer.outside_now(self._rewrite)
            self.seconds = time.perf_counter() - start
        upto = self._rewritten
        if not empty_log(self.store):
            return False
        named = self._note.values({"upto": upto})
        self.store.writer.do_now(lambda connection: connection.execute(self._note.sql, named) and None)
        return True

    def _rewrite(self, connection: Any) -> int:
        ((upto,),) = connection.execute(self._upto.sql, []).fetchall()
        connection.execute("VACUUM")
        return int(upto)


def empty_log(store: EventStore) -> bool:
    """Move SQLite's log into the file and truncate it. Returns False if a reader still needs the log.

    Most of the log is moved beside the writer; the writer itself waits for at most ``PATIENCE_MS``.
    """
    connection = store.database.connect()
    try:
        ((_, in_log, moved),) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    finally:
        connection.close()
    return bool(in_log == moved and store.writer.outside_now(_truncate))


def _truncate(connection: Any) -> bool:
    connection.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
    try:
        ((busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
    return not busy
