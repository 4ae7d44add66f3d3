"""Item ids and item indexes: the one place that maps between them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from penchant.errors import DataError

MAX_ID_BYTES = 512
IDS_AT_ONCE = 10_000  # to hash
_WHOLE = re.compile(r"^-?\d+\.0+$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def normalise_id(value: object) -> str:
    """The one spelling of an id: ``1``, ``"1"``, ``" 1"`` and ``1.0`` are all ``"1"``.

    Raises ``DataError`` for an empty id, a control character or more than 512 bytes of UTF-8.
    """
    if type(value) is str and value.isascii() and value.isalnum() and len(value) <= MAX_ID_BYTES:
        return value  # most ids: there is nothing to look for
    if isinstance(value, bool) or value is None:
        raise DataError(f"an id cannot be {value!r}")
    if isinstance(value, (float, np.floating)):
        number = float(value)
        if not np.isfinite(number):
            raise DataError(f"an id cannot be {number!r}")
        value = int(number) if number.is_integer() else number
    text = str(value).strip(" \t\r\n")
    if _WHOLE.match(text):
        text = text[: text.index(".")]
    if not text:
        raise DataError("an id is empty")
    if _CONTROL.search(text):
        raise DataError("an id contains a control character", value=text)
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise DataError("an id is not valid text", value=ascii(text)) from None
    if size > MAX_ID_BYTES:
        raise DataError(f"an id has {size} bytes, the limit is {MAX_ID_BYTES}", value=text[:40])
    return text


def _plain(ids: list[Any]) -> TypeGuard[list[str]]:
    """Whether all ids are short texts of ASCII letters and digits, in which there is nothing to look for."""
    return (
        set(map(type, ids)) <= {str}
        and all(map(str.isascii, ids))
        and all(map(str.isalnum, ids))
        and max(map(len, ids), default=0) <= MAX_ID_BYTES
    )


class Vocab:
    """Item ids ↔ item indexes. An id is a text; an index is a position in the arrays of a model.

    ``integers`` notes that the ids were numbers, so that the library returns numbers. An unknown id encodes to -1.
    ``extend`` only appends, so an index never changes its meaning.
    """

    __slots__ = ("_index", "ids", "integers")

    def __init__(self, ids: Iterable[object], *, integers: bool = False) -> None:
        given = list(ids)
        self.ids: list[str] = given if _plain(given) else [normalise_id(value) for value in given]
        self.integers = integers
        self._index: dict[str, int] = {item_id: index for index, item_id in enumerate(self.ids)}
        if len(self._index) != len(self.ids):
            twice = next(item_id for index, item_id in enumerate(self.ids) if self._index[item_id] != index)
            raise DataError("an item id occurs twice in the vocabulary", value=twice)

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, item_id: object) -> bool:
        return self.index(item_id) >= 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocab) and self.ids == other.ids

    __hash__ = None  # type: ignore[assignment]  # it can be extended

    def __repr__(self) -> str:
        return f"Vocab({len(self):,} items)"

    def index(self, item_id: object) -> int:
        """The index of one id; -1 if it is unknown."""
        known = self._index.get(item_id) if isinstance(item_id, str) else None
        if known is not None:
            return known
        try:
            return self._index.get(normalise_id(item_id), -1)
        except DataError:
            return -1

    def encode(self, ids: Iterable[object]) -> NDArray[np.int32]:
        """Indexes of ids, shape ``(len(ids),)``; -1 for an unknown id."""
        known = self._index
        return np.array(
            [known[one] if isinstance(one, str) and one in known else self.index(one) for one in ids], dtype=np.int32
        )

    def decode(self, indexes: Sequence[int] | NDArray[np.integer]) -> list[str]:
        """Ids of indexes, always strings; ``external`` gives integers back where the ids were integers."""
        return [self.ids[int(index)] for index in indexes]

    def external(self, index: int) -> str | int:
        """The id as its owner wrote it: an integer where all ids were integers, else a string."""
        return int(self.ids[index]) if self.integers else self.ids[index]

    def extend(self, ids: Iterable[object]) -> int:
        """Append the ids that are new, in their order; return how many there were."""
        before = len(self.ids)
        for value in ids:
            item_id = normalise_id(value)
            if item_id not in self._index:
                self._index[item_id] = len(self.ids)
                self.ids.append(item_id)
        return len(self.ids) - before

    def fingerprint(self) -> str:
        """SHA-256 of the ids in order: vocabularies are equal exactly if their fingerprints are."""
        digest = hashlib.sha256()
        for start in range(0, len(self.ids), IDS_AT_ONCE):
            digest.update(
                "".join([f"{item_id}\0" for item_id in self.ids[start : start + IDS_AT_ONCE]]).encode("utf-8")
            )
        return digest.hexdigest()
