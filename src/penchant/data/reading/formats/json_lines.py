"""JSON lines: one object a line."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from penchant.data.reading.batches import BadRow, Batch, Table, numbered
from penchant.data.reading.formats.base import Format, Peek
from penchant.data.reading.formats.delimited import shown
from penchant.data.reading.lines import Lines, first_lines
from penchant.data.reading.opening import attributed_to
from penchant.data.reading.sniffing import SAMPLE_LINES
from penchant.errors import DataError


class JsonLines(Format):
    """One JSON object a line."""

    name = "JSON lines"
    has_lines = True

    def recognises(self, peek: Peek) -> bool:
        """A text that starts with an object or an array, unless the caller names a separator."""
        return peek.is_text and peek.sep is None and (peek.start == "{" or _is_array(peek))

    def open(self, peek: Peek) -> Table:
        """The table; its columns are the members of the first objects."""
        if peek.start == "[":
            raise DataError("this is one JSON array", file=peek.name, fix="Write an object a line: jq -c '.[]' FILE")
        source = self.described(peek, encoding=shown(peek.codec), compression=peek.compression, damage=peek.damage)
        reader = Lines(peek.file, source, peek.codec, guessed=peek.encoding is None)
        with attributed_to(peek.damage, peek.name):
            lines = first_lines(peek)
            rows = [row for row in (_parsed(line) for line in lines[:SAMPLE_LINES]) if isinstance(row, dict)]
            names = list(dict.fromkeys(itertools.chain.from_iterable(rows)))
            if not names:
                raise DataError(
                    "no line is a JSON object", file=peek.name, line=1, value=lines[0], fix="Write one object a line"
                )
        if "reviewerID" in names or {"asin", "overall"} <= set(names) or "parent_asin" in names:
            source.layout = "Amazon reviews"
        sample = [[None if row.get(name) is None else _text(row[name]) for name in names] for row in rows]
        return Table(source, peek.path, names, lambda wanted: _batches(reader, [names[i] for i in wanted]), sample)


def _is_array(peek: Peek) -> bool:
    return peek.start == "[" and _parsed(peek.text.strip()[1:].splitlines()[0].strip().rstrip(",")) is not None


def _batches(reader: Lines, names: Sequence[str]) -> Iterator[Batch]:
    for lines, first, final, damaged, share in reader.blocks():
        numbers, raw, bad = numbered(first, len(lines)), lines, list[BadRow]()
        filled = raw.str.contains(r"\S")
        raw, numbers = raw.filter(filled), numbers[filled.to_numpy()]
        # only the lines that gave no value at all are parsed one by one, to say why
        columns = {f"c{i}": _member(raw, name) for i, name in enumerate(names)}
        nothing = np.logical_and.reduce([column.is_null().to_numpy() for column in columns.values()])
        keep = np.ones(len(raw), dtype=np.bool_)
        suspect = ~raw.str.contains(r"^\s*\{.*\}\s*$").to_numpy() | nothing
        if damaged:
            suspect |= raw.str.contains("\ufffd", literal=True).to_numpy()
        for row in np.flatnonzero(suspect):
            reason = _json_fault(raw[int(row)], damaged=damaged)
            if reason:
                keep[row] = False
                bad.append(BadRow(int(numbers[row]), "", raw[int(row)][:80], reason, raw[int(row)]))
        frame = pl.DataFrame(columns)
        if not keep.all():
            frame, raw, numbers = frame.filter(keep), raw.filter(pl.Series(keep)), numbers[keep]
        bad += [reader.torn] if final and reader.torn else []
        yield Batch(frame, numbers, raw, bad, share)


def _member(raw: pl.Series, name: str) -> pl.Series:
    if "'" in name or "\\" in name:
        return pl.Series([_one(line, name) for line in raw.to_list()], dtype=pl.String)
    return raw.str.json_path_match(f"$['{name}']")


def _one(line: str, name: str) -> str | None:
    row = _parsed(line)
    value = row.get(name) if isinstance(row, dict) else None
    return None if value is None else _text(value)


def _json_fault(line: str, *, damaged: bool) -> str | None:
    if damaged and "\ufffd" in line:
        return "bytes that are not in the file's encoding"
    try:
        row = json.loads(line)
    except ValueError as error:
        return f"this is not JSON: {error}"
    except RecursionError:
        return "this JSON is nested too deeply"
    return None if isinstance(row, dict) else "this is JSON, but not an object"


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


FORMAT = JsonLines()
