"""Ids of a log of any size: a number for each in the order of their first appearance, their texts on disk.

The memory holds 16 bytes of hash and at most 11 of a table for each id. Two of n ids have the same hash with a
probability of n² / 2^129: 10^-21 for a billion.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from penchant.core.histories import Bools, Ints, Longs
from penchant.data.prepared import texts
from penchant.data.reading.ids import IdTable, normalised, spelled_texts, were_floats
from penchant.data.vocab import MAX_ID_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD = 1000  # ids whose first lines are remembered, for the doctor
FULL = 0.75  # the share of the places of the table that may be taken
GROW = 1.5
ROOM = 1 << 20  # numbers by which the file of hashes grows at least
PAIR = 16  # bytes of a hash


@dataclass
class Known:
    """The ids that a table has, as the rest of reading sees them: how many, and which are the first."""

    count: int = 0
    head: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[str]:
        return iter(self.head)


@dataclass(eq=False)
class IdsOnDisk(IdTable):
    """As ``IdTable``, with the texts and hashes in a folder; ``first_line`` covers the first 1,000 ids."""

    folder: Path = field(kw_only=True)
    secret: bytes = field(kw_only=True)  # 16 bytes
    saved: list[int] = field(default_factory=list)  # how many ids each part has
    known_ids: Known = field(default_factory=Known)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.index = self.known_ids  # type: ignore[assignment]  # of which reading asks only these two
        self._keys = np.frombuffer(self.secret, np.uint64).copy()
        self._fresh: list[pl.Series] = []
        self._hashes = np.empty((0, 2), np.uint64)
        self._map: mmap.mmap | None = None
        self._slots = np.empty(0, np.int32)
        count = sum(self.saved)
        self.known_ids.count = count
        if count:
            self._reserve(0)
            self.known_ids.head = texts.Texts(self.folder, self.saved)[:HEAD]

    # -- reading --------------------------------------------------------------------------------------------------

    def refused(self, raw: pl.Series) -> list[tuple[str, Bools]]:
        """Reasons and the rows ``(rows,)`` they apply to."""
        if raw.dtype != pl.String or _is_plain(raw):
            return super().refused(raw) if raw.dtype != pl.String else []
        _, reasons = spelled_texts(raw)
        if reasons.null_count() == len(raw):
            return []
        found = reasons.drop_nulls().unique(maintain_order=True).to_list()
        return [(text, (reasons == text).fill_null(value=False).to_numpy()) for text in found]

    def encode(self, raw: pl.Series, lines: Longs, source: int) -> Ints:
        """Numbers of ids that were not refused, shape ``(rows,)``; new ids get the next numbers, in order."""
        if not len(raw):
            return np.empty(0, dtype=np.int32)
        if raw.dtype == pl.String:
            if _is_plain(raw):
                return self._numbered(raw, lines, source)
            ids = normalised(raw)[0]
            changed = (ids != raw).fill_null(value=False).to_numpy()
            self._note(changed, were_floats(raw).to_numpy(), raw, lines, source)
            return self._numbered(ids, lines, source)
        if raw.dtype.is_integer():
            return self._numbered(raw.cast(pl.String), lines, source)
        distinct_rows = raw.arg_unique()
        distinct = raw.gather(distinct_rows)
        codes = self._numbered(normalised(distinct)[0], lines[distinct_rows.to_numpy()], source)
        floats = were_floats(distinct)
        nothing = np.zeros(0, dtype=np.bool_)
        merged = raw.is_in(distinct.filter(floats).implode()).to_numpy() if floats.any() else nothing
        self._note(nothing, merged, raw, lines, source)
        return raw.replace_strict(distinct, pl.Series(codes), return_dtype=pl.Int32).to_numpy()

    def _numbered(self, ids: pl.Series, lines: Longs, source: int) -> Ints:
        from penchant.kernels.ids import hashed, numbered

        self._reserve(len(ids))
        hashes, codes = np.empty((len(ids), 2), np.uint64), np.empty(len(ids), np.int32)
        first = np.empty(len(ids), np.int64)
        data, ends = _joined(ids)
        hashed(data, ends, self._keys, hashes)
        before = self.known_ids.count
        self.known_ids.count = numbered(hashes, self._hashes, before, self._slots, codes, first)
        new = first[: self.known_ids.count - before]
        if len(new):
            fresh = ids.gather(new)
            self._fresh.append(fresh)
            room = max(0, HEAD - before)
            self.known_ids.head += fresh.head(room).to_list()
            self.first_line += lines[new[:room]].tolist()
            self.first_source += [source] * len(new[:room])
        return codes

    def _reserve(self, rows: int) -> None:
        """Make room for so many more ids."""
        from penchant.kernels.ids import placed

        count = self.known_ids.count
        most = count + rows
        if most > len(self._hashes):
            room = max(most, int(count * GROW), len(self._hashes) + ROOM)
            self._hashes = np.empty((0, 2), np.uint64)  # lets the mapping go
            self._map = None
            with (self.folder / "hashes").open("a+b") as file:
                file.truncate(room * PAIR)
                self._map = mmap.mmap(file.fileno(), room * PAIR)
            self._hashes = np.ndarray((room, 2), np.uint64, self._map)
        if most > FULL * len(self._slots):
            self._slots = np.empty(0, np.int32)
            self._slots = np.full(int(max(most, count * GROW) / FULL) + 16, -1, np.int32)
            placed(self._hashes, count, self._slots)

    # -- keeping --------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the ids that are new since the last time."""
        if self._fresh:
            texts.write(pl.concat(self._fresh), self.folder, len(self.saved))
            self.saved.append(sum(map(len, self._fresh)))
            self._fresh = []
        if self._map is not None:
            self._map.flush()

    def state(self) -> dict[str, Any]:
        """What ``restore`` needs, as plain JSON values."""
        return {
            "saved": self.saved, "first_line": self.first_line, "first_source": self.first_source,
            "respelled": self.respelled, "respelled_example": self.respelled_example,
            "merged": self.merged, "merged_example": self.merged_example,
        }  # fmt: skip

    def written(self) -> texts.Texts:
        """The ids that are saved."""
        return texts.Texts(self.folder, self.saved)

    @classmethod
    def restored(cls, role: str, folder: Path, secret: bytes, state: dict[str, Any] | None) -> IdsOnDisk:
        """The table as ``state`` describes it; an empty one without."""
        if state is None:
            return cls(role, folder=folder, secret=secret)
        given = dict(state)
        for example in ("respelled_example", "merged_example"):
            given[example] = None if given[example] is None else tuple(given[example])
        return cls(role, folder=folder, secret=secret, **given)


def _joined(ids: pl.Series) -> tuple[NDArray[np.uint8], Longs]:
    """The bytes of texts one after the other, and where each ends."""
    data = bytearray(ids.str.join("").item().encode() + bytes(8))
    return np.frombuffer(data, np.uint8), np.cumsum(ids.str.len_bytes().to_numpy(), dtype=np.int64)


def _is_plain(raw: pl.Series) -> bool:
    """Whether all ids are there and made of nothing but ASCII letters, digits, ``_`` and ``-``."""
    from penchant.kernels.ids import plain

    if raw.null_count():
        return False
    sizes = raw.str.len_bytes()
    if not len(raw) or sizes.min() == 0 or sizes.max() > MAX_ID_BYTES:  # type: ignore[operator]  # numbers
        return False
    data, _ = _joined(raw)
    return plain(data, len(data) - 8)
