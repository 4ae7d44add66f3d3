"""Pseudonyms of people: ids replaced by a keyed hash, the same in the service, in exports and in logs that are read.

HMAC-SHA-256 under a key of the operator, cut to 144 bits. Whoever has the key, or guesses an id and has the key, finds
the person again: pseudonyms are personal data.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from pathlib import Path

import polars as pl

from penchant.errors import DataError

FEWEST_KEY_BYTES = 16
TAG_BYTES, HASH_BYTES = 3, 18  # multiples of three: base64 without padding
MARK = "p_"


class Pseudonyms:
    """The pseudonyms under one key. A pseudonym begins with ``prefix``, which names the key and tells nothing of it."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.prefix = MARK + _text(hmac.digest(key, b"penchant key", "sha256")[:TAG_BYTES])

    def of(self, kind: str, id: str) -> str:
        """The pseudonym of an id; ``kind`` (user, session, basket) keeps equal ids apart. A pseudonym stays itself."""
        if self.made(id):
            return id
        digest = hmac.digest(self._key, f"{kind}\0{id}".encode(), "sha256")
        return self.prefix + _text(digest[:HASH_BYTES])

    def made(self, id: str) -> bool:
        """Whether an id has the form of a pseudonym under this key."""
        return id.startswith(self.prefix) and len(id) == len(self.prefix) + HASH_BYTES * 4 // 3

    def column(self, ids: pl.Series) -> pl.Series:
        """The pseudonyms of a column of ids, named by their kind; one hash for each distinct id."""
        distinct = ids.drop_nulls().unique()
        hashed = pl.Series([self.of(ids.name, one) for one in distinct.to_list()], dtype=pl.String)
        return ids.replace_strict(distinct, hashed, default=None, return_dtype=pl.String)


def read_key(file: str | Path) -> bytes:
    """The key of pseudonyms from a file; raises ``DataError`` if it cannot be read or is too short."""
    try:
        key = Path(file).read_bytes()
    except OSError as wrong:
        raise DataError(f"the key cannot be read ({wrong.strerror})", file=str(file)) from None
    if len(key) < FEWEST_KEY_BYTES:
        raise DataError(
            f"a key has at least {FEWEST_KEY_BYTES} bytes",
            file=str(file),
            fix="head -c 32 /dev/urandom > FILE makes one",
        )
    return key


def key_of(file: str | Path | None) -> bytes | None:
    """As ``read_key``; None without a file."""
    return None if file is None else read_key(file)


def _text(digest: bytes) -> str:
    return urlsafe_b64encode(digest).decode()
