"""A lease: one process at a time does a piece of work for a store, also where several machines share it.

The holder renews its lease from a thread of its own. Whoever finds it expired, or its process on this machine gone,
takes it over. A clock that jumps can take a lease from a living holder: ``check`` therefore looks again inside the
transaction that writes the result.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from sqlalchemy import bindparam, delete, select, update

from penchant.store.database import StoreError
from penchant.store.events import EventStore
from penchant.store.tables import leases

SECONDS = 60.0  # that a lease lasts without being renewed
RENEW = 10.0  # seconds between two renewals


class BusyLeaseError(StoreError):
    """Another process holds the lease."""


class LostLeaseError(StoreError):
    """The lease expired and another process took it."""


class Lease:
    """The lease of one name, as a context manager; raises ``BusyLeaseError`` if another process holds it.

    ``moment`` tells the time in unix seconds.
    """

    def __init__(self, store: EventStore, name: str, *, moment: Callable[[], float] = time.time) -> None:
        self.store, self.name, self.moment = store, name, moment
        self.holder = f"{_machine()} {os.getpid()} {_birth(os.getpid())} {secrets.token_hex(4)}"
        make, columns = store.database.compile, leases.c
        self._find = make(select(columns.holder, columns.until).where(columns.name == bindparam("which")))
        first = store.database.insert(leases).values(
            name=bindparam("which"), holder=bindparam("who"), until=bindparam("to")
        )
        self._first = make(first.on_conflict_do_nothing())
        mine = update(leases).where(columns.name == bindparam("which"), columns.holder == bindparam("was"))
        self._take = make(mine.values(holder=bindparam("who"), until=bindparam("to")))
        self._drop = make(delete(leases).where(columns.name == bindparam("which"), columns.holder == bindparam("was")))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="penchant-lease", daemon=True)

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def take(self) -> None:
        """Begin to hold the lease. Raises ``BusyLeaseError``, ``StoreError``."""
        self.store.writer.do_now(self._acquire)
        self._thread.start()

    def give_back(self) -> None:
        """End holding it; whoever wants it next need not wait until it expires."""
        self._ended.set()
        self._thread.join()
        try:
            self._run(self._drop, was=self.holder)
        except StoreError:
            return  # it expires by itself, and our process will be gone

    def held(self) -> bool:
        """Whether the lease is still ours, as far as the store shows. Raises ``StoreError``."""
        return any(holder == self.holder for holder, _ in self.store.database.read(self._find, which=self.name))

    def check(self, connection: Any) -> None:
        """Raise ``LostLeaseError`` unless the lease is still ours; for work of the writer, before its changes."""
        if self._change(connection, self._take, was=self.holder, who=self.holder, to=self.moment() + SECONDS) != 1:
            raise LostLeaseError(f"another process took over the lease {self.name!r}: nothing of this one is used")

    # -- inside ---------------------------------------------------------------------------------------------------

    def _acquire(self, connection: Any) -> None:
        now = self.moment()
        values = {"who": self.holder, "to": now + SECONDS}
        if self._change(connection, self._first, **values) == 1:
            return
        rows = connection.execute(self._find.sql, self._find.values({"which": self.name})).fetchall()
        for holder, until in rows:
            expired = until < now or until > now + 2 * SECONDS  # the latter: a clock was wrong
            if not expired and not _gone(holder):
                raise BusyLeaseError(f"{_named(holder)} is at it already ({self.name})")
            if self._change(connection, self._take, was=holder, **values) == 1:
                return
        raise BusyLeaseError(f"another process took the lease {self.name!r} at the same moment")

    def _change(self, connection: Any, statement: Any, **named: Any) -> int:
        values = statement.values({"which": self.name, **named})
        return int(connection.execute(statement.sql, values).rowcount)

    def _run(self, statement: Any, **named: Any) -> int:
        return self.store.writer.do_now(lambda connection: self._change(connection, statement, **named))

    def _renew(self) -> None:
        while not self._ended.wait(RENEW):
            try:
                self._run(self._take, was=self.holder, who=self.holder, to=self.moment() + SECONDS)
            except StoreError:
                continue  # a full disk, a lost connection: the next renewal, or the check at the end


def _machine() -> str:
    """This machine, and the namespace of its process ids."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        pids = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        boot = pids = "?"
    return f"{socket.gethostname()}:{boot}:{pids}".replace(" ", "_")


def _birth(pid: int) -> str:
    """When a process began, so that a number used again is not taken for it; "?" where that is unknown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "?"


def _gone(holder: str) -> bool:
    """Whether a holder was a process of this machine that has ended; False where that cannot be told."""
    machine, pid, birth, *_ = [*holder.split(" "), "", "", ""]
    if machine != _machine() or not pid.isdecimal() or birth == "?":
        return False
    return _birth(int(pid)) != birth


def _named(holder: str) -> str:
    machine, pid, *_ = [*holder.split(" "), "", ""]
    return f"process {pid} on {machine.partition(':')[0]}"
