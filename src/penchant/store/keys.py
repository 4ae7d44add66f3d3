"""API keys and their scopes. A key is shown once, when it is made; the store keeps only its hash."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from penchant.errors import ParameterError
from penchant.store.database import Database, transaction
from penchant.store.tables import clock
from penchant.store.tables import keys as table

SCOPES = ("collect", "read", "admin")
IMPLIED = {"collect": {"collect"}, "read": {"read"}, "admin": {"collect", "read", "admin"}}
DAY = 86_400
PREFIX = "pk"


@dataclass(frozen=True)
class Key:
    """A key as it is stored. ``origins``: web pages that may send it (empty: any caller that is not a browser page).
    ``rate``: requests a second, None for the limit of the service."""

    id: str
    name: str
    scopes: tuple[str, ...]
    hash: bytes
    origins: tuple[str, ...] = ()
    rate: float | None = None
    old_hash: bytes | None = None
    old_until: int | None = None
    created: int = 0

    def allows(self, scope: str) -> bool:
        """Whether the key has a scope; ``admin`` includes all."""
        return any(scope in IMPLIED[own] for own in self.scopes)

    def to_json(self) -> dict[str, Any]:
        """The key without its hashes."""
        return {
            "id": self.id,
            "name": self.name,
            "scopes": list(self.scopes),
            "origins": list(self.origins),
            "rate": self.rate,
            "created": self.created,
            "old_valid_until": self.old_until if self.old_hash else None,
        }


def make_secret(key_id: str) -> tuple[str, bytes]:
    """The text of a new key, and its hash. 256 random bits need no slow hash."""
    text = f"{PREFIX}_{key_id}_{secrets.token_hex(32)}"
    return text, hash_of(text)


def hash_of(text: str) -> bytes:
    """SHA-256 of a key."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


class Keyring:
    """The keys of a store: checked in memory, kept in the database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._keys: dict[str, Key] = {}
        self.unused = True  # whether the store has never had a key: only then is a service open without one

    # -- checking -------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Key]:
        return iter(sorted(self._keys.values(), key=lambda key: (key.created, key.id)))

    def check(self, text: str) -> Key | None:
        """The key of a text, None for an invalid one. Takes constant time, however much of the text is right."""
        parts = text.split("_")
        key = self._keys.get(parts[1]) if len(parts) == 3 else None
        given = hash_of(text)
        if key is None:
            hmac.compare_digest(given, given)
            return None
        fits = hmac.compare_digest(given, key.hash)
        if key.old_hash is not None and key.old_until is not None:
            fits |= hmac.compare_digest(given, key.old_hash) and time.time() < key.old_until
        return key if fits else None

    def origins(self) -> set[str]:
        """Every origin that a key allows."""
        return {origin for key in self._keys.values() for origin in key.origins}

    def load(self) -> None:
        """Reload the keys."""
        (changes,) = self.database.read(self.database.compile(select(clock.c["keys"])))
        self.unused = changes == (0,)
        rows = self.database.read(self.database.compile(select(*table.columns)))
        found = [dict(zip((column.name for column in table.columns), row, strict=True)) for row in rows]
        self._keys = {row["id"]: _from_row(row) for row in found}

    # -- changing -------------------------------------------------------------------------------------------------

    def create(
        self, name: str, scopes: Iterable[str], *, origins: Sequence[str] = (), rate: float | None = None
    ) -> tuple[Key, str]:
        """A new key and its text, which is not stored. Raises ``ParameterError`` for invalid settings."""
        chosen = tuple(dict.fromkeys(scopes))
        check_key(name, chosen, origins, rate)
        key_id = secrets.token_hex(4)
        text, hashed = make_secret(key_id)
        key = Key(key_id, name, chosen, hashed, tuple(origins), rate, created=int(time.time()))
        row = {
            "id": key.id, "name": key.name, "scopes": ",".join(key.scopes), "origins": json.dumps(list(key.origins)),
            "rate": key.rate, "hash": key.hash, "old_hash": None, "old_until": None, "created": key.created,
        }  # fmt: skip
        self._write(insert(table).values({name: bindparam(name) for name in row}), row)
        return key, text

    def rotate(self, key_id: str, *, grace: int = DAY) -> tuple[Key, str]:
        """A new secret for a key; the old one stays valid for ``grace`` seconds."""
        key = self._known(key_id)
        text, hashed = make_secret(key.id)
        key = replace(key, hash=hashed, old_hash=key.hash if grace > 0 else None, old_until=int(time.time()) + grace)
        change = update(table).where(table.c.id == bindparam("which")).values(
            hash=bindparam("h"), old_hash=bindparam("o"), old_until=bindparam("u")
        )  # fmt: skip
        self._write(change, {"which": key.id, "h": key.hash, "o": key.old_hash, "u": key.old_until})
        return key, text

    def revoke(self, key_id: str, *, last: bool = False) -> Key:
        """Revoke a key at once; ``last`` allows it for the only key with the scope ``admin``.

        Raises ``ParameterError`` for an unknown key, and for the only admin key without ``last``: nobody could
        administer the service any more, which stays closed also when it has no key left.
        """
        key = self._known(key_id)
        if not last and [one.id for one in self if one.allows("admin")] == [key.id]:
            raise ParameterError(f"{key.id} is the only admin key: create another one first, or add --last")
        self._write(delete(table).where(table.c.id == bindparam("which")), {"which": key.id})
        return key

    def _known(self, key_id: str) -> Key:
        self.load()
        if key_id not in self._keys:
            raise ParameterError(f"there is no key {key_id[:40]!r}: penchant keys list shows them")
        return self._keys[key_id]

    def _write(self, change: Any, values: dict[str, Any]) -> None:
        statement = self.database.compile(change)
        tick = self.database.compile(update(clock).values(keys=clock.c["keys"] + 1))
        connection = self.database.mine
        with transaction(connection, immediate=self.database.sqlite):
            connection.execute(statement.sql, statement.values(values))
            connection.execute(tick.sql, tick.values({}))
        self.load()


def check_origin(origin: str) -> None:
    """Raises ``ParameterError`` for text that is not a web origin, such as https://shop.example."""
    scheme, _, host = origin.partition("://")
    if scheme not in {"http", "https"} or not host or set(host) & set("/?# ,;\\") or not host.isascii():
        raise ParameterError(f"an origin reads like https://shop.example, not {origin[:80]!r}")


def check_key(name: str, scopes: Sequence[str], origins: Sequence[str], rate: float | None) -> None:
    """Raises ``ParameterError`` for invalid settings of a key."""
    if not name.strip() or len(name) > 100:
        raise ParameterError("a key needs a name of at most 100 characters")
    if not scopes or set(scopes) - set(SCOPES):
        raise ParameterError(f"the scopes of a key are {', '.join(SCOPES)}, not {', '.join(scopes) or 'none'}")
    for origin in origins:
        check_origin(origin)
    if origins and set(scopes) != {"collect"}:
        raise ParameterError("only a key with collect as its single scope may be used by web pages")
    if rate is not None and not 0 < rate < 1e9:
        raise ParameterError(f"a rate is a positive number of requests a second, not {rate!r}")


def _from_row(row: dict[str, Any]) -> Key:
    row = {**row, "scopes": tuple(row["scopes"].split(",")), "origins": tuple(json.loads(row["origins"]))}
    return Key(**{**row, "hash": bytes(row["hash"]), "old_hash": row["old_hash"] and bytes(row["old_hash"])})
