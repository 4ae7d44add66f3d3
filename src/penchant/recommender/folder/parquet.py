"""How much a Parquet file unpacks to, read from its footer and the heads of its pages, before a row is read.

A file of 166 KB can hold 40 million equal rows. The format is https://github.com/apache/parquet-format: pages, each
with a head, then a footer that says where they are. Heads and footer are structures of Thrift's compact protocol; here
they are dictionaries by field number.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from penchant.errors import FormatError

MAGIC = b"PAR1"
MOST_PAGES = 1_000_000
_DEPTH = 16  # structures inside structures
_DATA, _DICTIONARY, _DATA_2 = 5, 7, 8  # fields of the head of a page


class Contained(NamedTuple):
    """What a file holds: rows, values of all columns, and bytes when unpacked."""

    rows: int
    values: int
    bytes: int


def measure(name: str, data: bytes) -> Contained:
    """What a file holds by the heads of its pages. Raises ``FormatError`` for anything but a file that stands alone."""
    try:
        return _measure(name, data)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise FormatError(f"{name} is a damaged Parquet file") from None


def _measure(name: str, data: bytes) -> Contained:
    length = int.from_bytes(data[-8:-4], "little")
    if len(data) < 12 or data[:4] != MAGIC or data[-4:] != MAGIC or length > len(data) - 12:
        raise FormatError(f"{name} is not a Parquet file, or is truncated")
    groups = _Reader(data, len(data) - 8 - length, len(data) - 8).structure().get(4, [])
    rows = values = unpacked = pages = 0
    for group in groups:
        rows += _size(group[3])
        for column in group[1]:
            if column.get(1):
                raise FormatError(f"{name} refers to another file")
            meta = column[3]
            starts = [at for at in (meta.get(11), meta[9]) if at]
            at = min(starts)
            stop = at + _size(meta[7])
            if at < len(MAGIC) or stop > len(data):
                raise FormatError(f"{name} refers to pages outside itself")
            while at < stop:
                reader = _Reader(data, at, stop)
                head = reader.structure()
                at = reader.at + _size(head[3])
                pages += 1
                unpacked += _size(head[2])
                if _DICTIONARY not in head:
                    values += _size((head.get(_DATA) or head[_DATA_2])[1])
            if pages > MOST_PAGES:
                raise FormatError(f"{name} has more than {MOST_PAGES:,} pages")
    return Contained(rows, values, unpacked)


def _size(value: int) -> int:
    if value < 0:
        raise ValueError
    return value


class _Reader:
    """Thrift's compact protocol, from ``at`` to ``stop``. Raises ``IndexError`` or ``ValueError`` if malformed."""

    def __init__(self, data: bytes, at: int, stop: int) -> None:
        self.data, self.at, self.stop = data, at, stop

    def structure(self, depth: int = _DEPTH) -> dict[int, Any]:
        """The fields of a structure by number."""
        if depth == 0:
            raise ValueError
        found: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            kind = head & 15
            found[number] = kind == 1 if kind in {1, 2} else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in {1, 2, 3}:  # truth values in a list take a byte each
            return self._byte()
        if kind in {4, 5, 6}:
            return self._zigzag()
        if kind == 7:
            return self._skip(8)
        if kind == 8:
            return self._skip(self._number())
        if kind in {9, 10}:
            head = self._byte()
            size = head >> 4 if head >> 4 < 15 else self._number()
            if size > self.stop - self.at:  # each element takes a byte at least
                raise ValueError
            return [self._value(head & 15, depth - 1) for _ in range(size)]
        if kind == 12:
            return self.structure(depth - 1)
        raise ValueError  # maps, which the format does not use

    def _byte(self) -> int:
        self._skip(1)
        return self.data[self.at - 1]

    def _skip(self, size: int) -> bool:
        if size > self.stop - self.at:
            raise IndexError
        self.at += size
        return size > 0

    def _number(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError

    def _zigzag(self) -> int:
        value = self._number()
        return (value >> 1) ^ -(value & 1)
