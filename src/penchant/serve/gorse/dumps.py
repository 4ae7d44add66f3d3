"""The dumps of Gorse, row by row: users, items and feedback under the names of its API.

===============  ===========================================================================================
JSON lines       what ``/api/bulk/users``, ``items`` and ``feedback`` export; a row shows by its ids what it is
binary           what ``gorse-cli dump`` and ``/api/dump`` write: a mark for each kind of row (-1 users, -2 items,
                 -3 feedback, 0 the end), then its rows, each as its length and a protobuf message; marks and
                 lengths are 64 bits, the low byte first
===============  ===========================================================================================

Either may be compressed. A binary dump does not say when feedback was last updated.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from penchant.data.reading.batches import BadRow
from penchant.data.reading.opening import AGAIN, opened, read_fully
from penchant.errors import DataError

USER, ITEM, FEEDBACK = "user", "item", "feedback"
MARKS = {-1: USER, -2: ITEM, -3: FEEDBACK}
NO_TIME = -62_135_596_800  # how the binary dump writes that there is no time: the year 1, in unix seconds
LONGEST = 1 << 24  # bytes of one row
SHOWN = 2000  # characters of a rejected row that are kept
# field of the message: name, type
FIELDS: dict[str, dict[int, tuple[str, str]]] = {
    USER: {1: ("UserId", "text"), 2: ("Labels", "json"), 3: ("Comment", "text"), 4: ("Subscribe", "texts")},
    ITEM: {
        2: ("ItemId", "text"), 3: ("IsHidden", "truth"), 4: ("Categories", "texts"), 5: ("Timestamp", "time"),
        6: ("Labels", "json"), 7: ("Comment", "text"),
    },
    FEEDBACK: {
        2: ("FeedbackType", "text"), 3: ("UserId", "text"), 4: ("ItemId", "text"), 5: ("Value", "number"),
        6: ("Timestamp", "time"), 7: ("Comment", "text"), 8: ("Updated", "time"), 9: ("Labels", "json"),
    },
}  # fmt: skip


class Row(NamedTuple):
    """A row of a dump; ``document`` is a reason where it cannot be read."""

    line: int  # of the file; in a binary dump the number of the row
    kind: str
    document: dict[str, Any] | BadRow
    share: float  # of the file read so far

    def raw(self) -> str:
        """The row as JSON."""
        return json.dumps(self.document, ensure_ascii=False, default=str)[:SHOWN]


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of a dump. Raises ``DataError`` for a file that is none, or ends too early."""
    with opened(path) as file:
        head, damage = read_fully(file.stream, 8)
        if damage or not head:
            raise DataError(damage or "the file is empty", file=str(path), fix=AGAIN)
        binary = len(head) == 8 and struct.unpack("<q", head)[0] in {*MARKS, 0}
        read = _binary if binary else _lines
        yield from read(head, file.stream, file.share, str(path))


def _lines(head: bytes, stream: BinaryIO, share: Callable[[], float], name: str) -> Iterator[Row]:
    rest, number = head, 0
    while True:
        part, damage = read_fully(stream, 1 << 20)
        *lines, rest = (rest + part).split(b"\n")
        if len(rest) > LONGEST:
            raise DataError(f"a line is longer than {LONGEST:,} bytes", file=name, line=number + 1)
        for line in lines if part else [*lines, rest]:
            number += 1
            if line.strip():
                yield _line(number, line, share())
        if damage:
            raise DataError(damage, file=name, line=number + 1, fix=AGAIN)
        if not part:
            return


def _line(number: int, line: bytes, share: float) -> Row:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        for kind, needed in ((FEEDBACK, "FeedbackType"), (ITEM, "ItemId"), (USER, "UserId")):
            if needed in found:
                return Row(number, kind, found, share)
    text = line.decode("utf-8", "backslashreplace").strip()[:SHOWN]
    reason = "not a JSON object" if not isinstance(found, dict) else "no FeedbackType, ItemId or UserId"
    return Row(number, "", BadRow(number, "", text[:80], reason, text), share)


# -- binary -----------------------------------------------------------------------------------------------------------


def _binary(head: bytes, stream: BinaryIO, share: Callable[[], float], name: str) -> Iterator[Row]:
    kind, number, word = "", 0, head
    while (length := struct.unpack("<q", word)[0]) != 0:
        if length in MARKS:
            kind = MARKS[length]
        elif not 0 < length <= LONGEST or not kind:
            raise DataError("a row of this dump has no valid length", file=name, line=number + 1, fix=AGAIN)
        else:
            number += 1
            yield _message(number, kind, _exactly(stream, length, name, number), share())
        word = _exactly(stream, 8, name, number)


def _exactly(stream: BinaryIO, size: int, name: str, row: int) -> bytes:
    data, damage = read_fully(stream, size)
    if len(data) < size:
        raise DataError(f"{damage or 'the dump ends too early'}, after row {row:,}", file=name, fix=AGAIN)
    return data


def _message(number: int, kind: str, data: bytes, share: float) -> Row:
    document: dict[str, Any] = {}
    try:
        for field, value in _fields(data):
            name, of_type = FIELDS[kind].get(field, ("", ""))
            if of_type == "texts":
                document.setdefault(name, []).append(value.decode())
            elif of_type:
                document[name] = _value(of_type, value)
    except (ValueError, IndexError, struct.error, AttributeError) as wrong:
        return Row(number, kind, BadRow(number, "", data[:40].hex(), f"not a message of a {kind} ({wrong})", ""), share)
    return Row(number, kind, document, share)


def _value(of_type: str, value: Any) -> Any:
    match of_type:
        case "text":
            return value.decode()
        case "json":
            return json.loads(value) if value else None
        case "truth":
            return bool(value)
        case "number":
            return struct.unpack("<d", value)[0]
        case _:
            seconds = next((part for field, part in _fields(value) if field == 1), 0)
            seconds -= 1 << 64 if seconds >= 1 << 63 else 0
            return None if seconds == NO_TIME else seconds


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message: numbers as they are, everything else as bytes. Raises ``ValueError``."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        match key & 7:
            case 0:
                value, at = _varint(data, at)
                yield key >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, at = _varint(data, at)
            case 5:
                size = 4
            case other:
                raise ValueError(f"wire type {other}")
        if at + size > len(data):
            raise ValueError("it ends too early")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("a number is too long")
