"""One JSON document: an array of objects in any layout, alone or as the only array of an object."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from penchant.core.memory import Meter
from penchant.data.reading.batches import Batch, Table, numbered
from penchant.data.reading.formats import base
from penchant.data.reading.formats.base import SAMPLE_ROWS, Format, Peek
from penchant.data.reading.formats.delimited import shown
from penchant.data.reading.formats.json_lines import layout_of, member, sample_of
from penchant.data.reading.names import NAMES, plain
from penchant.data.reading.nested import json_paths
from penchant.data.reading.opening import AGAIN, opened
from penchant.errors import DataError

EXPANDS = 8  # bytes of memory for a byte of the document
PIECE = 1 << 20  # bytes of it that are read at once
_ARRAY = re.compile(r"^\s*\[\s*[\[{\]]")
_WRAPPED = re.compile(r'^\s*\{\s*"[^"]*"\s*:\s*\[\s*\{')


class JsonArray(Format):
    """An array of JSON objects on one line or many. The whole document is read into memory."""

    name = "JSON array"
    rank = 40  # before JSON lines, which also start with a brace

    def recognises(self, peek: Peek) -> bool:
        """A text that starts with an array of objects, or with an object over several lines or around such an array."""
        if not peek.is_text or peek.sep is not None:
            return False
        if _ARRAY.match(peek.text):
            return True
        first, _, rest = peek.text.lstrip().partition("\n")
        if not first.startswith("{"):
            return False
        try:
            document = json.loads(first)
        except (ValueError, RecursionError):  # an indented document, or the start of a long line, or a broken line
            return first.strip() == "{" or bool(_WRAPPED.match(peek.text))
        return not rest.strip() and _wraps(document)

    def open(self, peek: Peek) -> Table:
        """The table; its columns are the members of the first objects."""
        objects = _objects(peek)
        paths = json_paths(objects[:SAMPLE_ROWS])
        if not paths:
            raise DataError("the objects of this JSON array have no members", file=peek.name)
        names, members = list(paths), list(paths.values())
        source = self.described(
            peek, header=True, encoding=shown(peek.codec), compression=peek.compression, layout=layout_of(names)
        )

        def batches(wanted: Sequence[int]) -> Iterator[Batch]:
            for start in range(0, len(objects), base.ROWS):
                part = objects[start : start + base.ROWS]
                raw = pl.Series([json.dumps(one, ensure_ascii=False) for one in part], dtype=pl.String)
                frame = pl.DataFrame({f"c{at}": member(raw, members[i]) for at, i in enumerate(wanted)})
                yield Batch(
                    frame, numbered(start + 1, len(part)), raw, share=min(1.0, (start + len(part)) / len(objects))
                )

        return Table(source, peek.path, names, batches, sample_of(objects[:SAMPLE_ROWS], members))


def _wraps(document: Any) -> bool:
    """Whether the only object of a file is not an event but holds an array of them."""
    members = {plain(name) for name in document}
    lists = [value for value in document.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
    return len(lists) == 1 and not members & {*NAMES["user"], *NAMES["session"]}


def _whole(peek: Peek) -> bytes:
    """All bytes of the document; raises ``MemoryLimitError`` as soon as its objects would not fit into memory."""
    meter, parts = Meter(f"reading {peek.name}", factor=EXPANDS), list[bytes]()
    with opened(peek.file) as file:
        while part := file.stream.read(PIECE):
            parts.append(part)
            meter.add(len(part))
    return b"".join(parts)


def _objects(peek: Peek) -> list[Any]:
    try:
        document = json.loads(_whole(peek).decode(peek.codec))
    except UnicodeDecodeError as error:
        raise DataError(f"this JSON is not {shown(peek.codec)} throughout", file=peek.name) from error
    except json.JSONDecodeError as error:
        what = f"this JSON document is not complete, or broken: {error.msg}"
        raise DataError(what, file=peek.name, line=error.lineno, fix=AGAIN) from error
    except RecursionError as error:
        raise DataError("this JSON document is nested too deeply", file=peek.name) from error
    except (EOFError, OSError) as error:
        raise DataError(f"the compressed file is damaged ({error})", file=peek.name, fix=AGAIN) from error
    if isinstance(document, dict):
        lists = [
            value for value in document.values() if isinstance(value, list) and any(isinstance(v, dict) for v in value)
        ]
        if len(lists) > 1:
            raise DataError(
                f"this JSON document holds {len(lists)} arrays of objects", file=peek.name, fix="Keep one of them"
            )
        document = lists[0] if lists else [document]
    if not document:
        raise DataError("this JSON array is empty", file=peek.name)
    other = next((n for n, one in enumerate(document) if not isinstance(one, dict)), None)
    if other is not None:
        kind = "an array" if isinstance(document[other], list) else f"{document[other]!r:.40}"
        what = f"element {other + 1} of this JSON array is {kind}, not an object with names"
        raise DataError(what, file=peek.name, fix='Write objects: [{"user": ..., "item": ...}, ...]')
    found: list[Any] = document
    return found


FORMAT = JsonArray()
