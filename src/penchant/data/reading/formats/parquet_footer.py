"""The sizes in the footer of a Parquet file and the heads of its pages, read before any of its data is decoded."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

VIEW = 16  # bytes of a decoded value, without its text
MOST = 1 << 30  # bytes of a footer
HEADS = 1 << 12, 1 << 24  # bytes of the head of a page; one with long texts as least and most value is long
FALSE = 2
VARIABLE, BINARY, SEQUENCES, MAP, STRUCT = (4, 5, 6), 8, (9, 10), 11, 12  # types of Thrift's compact form
FIXED = {3: 1, 7: 8}  # a byte, and a double: their bytes


@dataclass(frozen=True)
class Chunk:
    """A column of a row group: the name at its root, its values and their bytes before compression."""

    name: str
    values: int
    size: int


@dataclass(frozen=True)
class RowGroup:
    """What a row group and its pages say about themselves, the larger of both."""

    rows: int
    chunks: list[Chunk]

    def decoded(self, names: Sequence[str] | None, rows: int) -> float:
        """Bytes that some columns take for that many rows at once; None: all columns.

        Where a column has several values a row, one row may have them all.
        """
        share = min(1.0, rows / max(1, self.rows))
        return sum(
            (chunk.size + VIEW * chunk.values) * (share if chunk.values <= self.rows else 1.0)
            for chunk in self.chunks
            if names is None or chunk.name in names
        )


def row_groups(path: Path) -> list[RowGroup]:
    """The row groups of a file; none where the footer cannot be read, which the reader of the data explains."""
    try:
        with path.open("rb") as file:
            file.seek(-8, 2)
            end = file.tell()
            size = int.from_bytes(file.read(4), "little")
            if size > min(end, MOST):
                return []
            file.seek(end - size)
            footer = _Compact(file.read(size)).struct()
            return [RowGroup(int(group[3]), [_chunk(file, part[3]) for part in group[1]]) for group in footer[4]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, struct.error):
        return []


def _chunk(file: IO[bytes], stated: dict[int, Any]) -> Chunk:
    """A column of a row group. The reader believes the pages, so a footer that understates them does not count."""
    values = size = 0
    at = min(int(stated[9]), int(stated.get(11) or stated[9]))  # data pages, and the dictionary before them
    end = at + int(stated[7])
    while at < end:
        page, long = _page(file, at)
        size += long + int(page[2])
        values += int((page.get(5) or page.get(8) or {1: 0})[1])
        at += long + max(0, int(page[3]))
    return Chunk(stated[3][0].decode("utf-8", "replace"), max(values, int(stated[5])), max(size, int(stated[6])))


def _page(file: IO[bytes], at: int) -> tuple[dict[int, Any], int]:
    """The head of a page, and its bytes."""
    for most in HEADS:
        file.seek(at)
        head = _Compact(file.read(most))
        with contextlib.suppress(ValueError, IndexError):
            return head.struct(), head.at
    raise ValueError("the head of a page cannot be read")


class _Compact:
    """Thrift's compact form: a structure becomes a dictionary by the numbers of its fields."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def struct(self) -> dict[int, Any]:
        found, number = dict[int, Any](), 0
        while kind := self.byte():
            step = kind >> 4
            number = number + step if step else self.integer()
            found[number] = (kind & 15) != FALSE if kind & 15 <= FALSE else self.value(kind & 15)
        return found

    def value(self, kind: int) -> Any:
        if kind in VARIABLE:
            return self.integer()
        if kind in SEQUENCES or kind == MAP:
            return self.sequence() if kind in SEQUENCES else self.pairs()
        if kind == STRUCT:
            return self.struct()
        if kind in FIXED:
            return self.take(FIXED[kind])
        if kind != BINARY:
            raise ValueError(f"no type of Thrift has the number {kind}")
        return self.take(self.unsigned())

    def sequence(self) -> list[Any]:
        head = self.byte()
        size = head >> 4 if head >> 4 < 15 else self.unsigned()
        return [self.byte() if head & 15 <= FALSE else self.value(head & 15) for _ in range(size)]

    def pairs(self) -> list[Any]:
        size = self.unsigned()
        kinds = self.byte() if size else 0
        return [(self.value(kinds >> 4), self.value(kinds & 15)) for _ in range(size)]

    def take(self, size: int) -> bytes:
        self.at += size
        if self.at > len(self.data):
            raise ValueError("the footer ends too early")
        return self.data[self.at - size : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def unsigned(self) -> int:
        found, shift = 0, 0
        while shift < 70:
            byte = self.byte()
            found |= (byte & 127) << shift
            if byte < 128:
                return found
            shift += 7
        raise ValueError("a number of the footer has more than 64 bits")

    def integer(self) -> int:
        found = self.unsigned()
        return (found >> 1) ^ -(found & 1)
