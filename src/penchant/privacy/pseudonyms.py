"""Pseudonyms at the door of a store: no id of a person is written, and keys can be rotated.

Who appears under the current key takes along what the store holds of them under earlier keys. What is left under
those is erased at a stated time, or kept for as long as the earlier key is given.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from penchant.data.pseudonyms import Pseudonyms, read_key
from penchant.errors import ParameterError
from penchant.store.cleaning import Cleaning
from penchant.store.events import PSEUDONYMS, EventStore
from penchant.store.people import People
from penchant.store.renaming import AT_ONCE, Renaming

KINDS = {"u": "user", "s": "session"}
REMEMBERED = 100_000  # people who were looked up under the earlier keys, and need not be again


def load(key: str, earlier: Sequence[str] = ()) -> list[Pseudonyms]:
    """The current key and the earlier ones from their files; raises ``DataError`` for one that cannot be read, and
    ``ParameterError`` where two are the same."""
    keys = [Pseudonyms(read_key(one)) for one in (key, *earlier)]
    if len({one.prefix for one in keys}) < len(keys):
        raise ParameterError("pseudonym_key and pseudonym_old_keys name the same key twice")
    return keys


def outside(file: str, store: str | None) -> None:
    """Raises ``ParameterError`` for a key that lies in the file of the store."""
    if store is not None and Path(file).absolute() == Path(store).absolute():
        raise ParameterError("pseudonym_key is the file of the store: a key lies outside of it")


class Door:
    """Names people of an open store by the pseudonyms under the first of ``keys``; the others are earlier ones.

    ``until`` is when what is left under earlier keys is erased, in unix seconds (None: it is kept). Raises
    ``ParameterError`` for another key than that of the store, and for a store that holds ids.
    """

    def __init__(
        self, store: EventStore, people: People, keys: Sequence[Pseudonyms], *, until: int | None = None
    ) -> None:
        self.store, self.people, self.until = store, people, until
        self.current, self.earlier = keys[0], list(keys[1:])
        self.renaming = Renaming(store, people)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._enter()

    def _enter(self) -> None:
        """Check the key against the store; note a new one in it."""
        kept = self.store.pseudonyms
        if kept is None:
            if self.renaming.others((self.current.prefix,), 1):
                raise ParameterError(
                    "this store holds ids of people: turn them into pseudonyms with penchant privacy pseudonymise"
                )
        elif kept != self.current.prefix and kept not in {one.prefix for one in self.earlier}:
            raise ParameterError(
                "pseudonym_key is not the key of this store: name the right one, or after a rotation the one before in "
                "pseudonym_old_keys"
            )
        if kept != self.current.prefix:
            prefix = self.current.prefix
            self.store.writer.do_now(lambda connection: self.store.keep_setting(connection, PSEUDONYMS, prefix))
            self.store.pseudonyms = prefix

    def name(self, person: str) -> str:
        """A person as the store knows them."""
        return _named(self.current, person)

    def names(self, person: str) -> list[str]:
        """Every name that the store may know a person by: under the current key, then under earlier ones."""
        return [_named(one, person) for one in (self.current, *self.earlier)]

    async def come(self, person: str) -> str:
        """As ``name``, for somebody who appears: what is there under earlier keys moves."""
        name = self.name(person)
        if self.earlier and name not in self._seen:
            before = [old for one in self.earlier if (old := _named(one, person)) != name and self._known(old)]
            if before:
                await self.store.writer.do(lambda connection: self._move(connection, before, name))
            self._seen[name] = None
            while len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        return name

    def _known(self, old: str) -> bool:
        return self.renaming.there(old) or self.store.ledger.erased(old)

    def _move(self, connection: Any, before: Sequence[str], name: str) -> None:
        for old in before:
            self.renaming.move(connection, old, name)

    def left(self) -> list[str]:
        """People whose names are not of the current key, some at a time."""
        return self.renaming.others((self.current.prefix,))

    async def expire(self) -> int:
        """Erase who is left under earlier keys, if the time has come; returns how many."""
        if self.until is None or time.time() < self.until:
            return 0
        erased = 0
        while people := self.left():
            for person in people:
                await self.people.erase(person)
            erased += len(people)
        self.until = None  # nothing is left, and nothing comes
        return erased


def _named(key: Pseudonyms, person: str) -> str:
    kind, _, named = person.partition(":")
    return f"{kind}:{key.of(KINDS[kind], named)}"


def moment(date: str) -> int | None:
    """The setting ``pseudonym_old_until`` in unix seconds; None where it is empty. Raises ``ParameterError``."""
    if not date:
        return None
    try:
        found = datetime.fromisoformat(date)
    except ValueError:
        raise ParameterError(f"pseudonym_old_until is a date such as 2027-01-31, not {date[:80]!r}") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def pseudonymise(store: EventStore, key: Pseudonyms, tell: Callable[[int], None] = lambda _: None) -> int:
    """Turn the ids of people in an open store into pseudonyms, and rewrite its files without the ids; returns how many.

    The service must be stopped. Stopped at any moment, the same call goes on. Raises ``ParameterError`` for a store of
    other pseudonyms, and ``StoreError``.
    """
    kept = store.pseudonyms
    if kept not in {None, key.prefix}:
        raise ParameterError("this store holds pseudonyms under another key already")
    renaming, moved = Renaming(store, People(store)), 0

    def some(connection: Any, people: Sequence[str]) -> None:
        for person in people:
            renaming.move(connection, person, _named(key, person))

    while people := renaming.others((key.prefix,), AT_ONCE):
        store.writer.do_now(lambda connection, people=people: some(connection, people))  # type: ignore[misc]  # bound now
        moved += len(people)
        tell(moved)

    def finish(connection: Any) -> None:
        store.keep_setting(connection, PSEUDONYMS, key.prefix)
        renaming.tick(connection)

    store.writer.do_now(finish)
    store.pseudonyms = key.prefix
    if store.database.sqlite:
        Cleaning(store).run()
    return moved
