"""JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from penchant.data.reading.batches import BadRow, Batch, Table, numbered
from penchant.data.reading.formats.base import Format, Peek
from penchant.data.reading.formats.delimited import shown
from penchant.data.reading.lines import Lines, first_lines
from penchant.data.reading.nested import EACH, Path, as_text, at_path, json_paths
from penchant.data.reading.opening import attributed_to
from penchant.data.reading.sniffing import SAMPLE_LINES
from penchant.errors import DataError


class JsonLines(Format):
    """One JSON object a line."""

    name = "JSON lines"
    has_lines = True

    def recognises(self, peek: Peek) -> bool:
        """A text that starts with an object, unless the caller names a separator."""
        return peek.is_text and peek.sep is None and peek.start == "{"

    def open(self, peek: Peek) -> Table:
        """The table; its columns are the members of the first objects."""
        source = self.described(peek, encoding=shown(peek.codec), compression=peek.compression, damage=peek.damage)
        reader = Lines(peek.file, source, peek.codec, guessed=peek.encoding is None)
        with attributed_to(peek.damage, peek.name):
            lines = first_lines(peek)
            rows = [row for row in (_parsed(line) for line in lines[:SAMPLE_LINES]) if isinstance(row, dict)]
            paths = json_paths(rows)
            if not paths:
                raise DataError(
                    "no line is a JSON object", file=peek.name, line=1, value=lines[0], fix="Write one object a line"
                )
        names, wanted_paths = list(paths), list(paths.values())
        source.layout = layout_of(names)
        return Table(
            source,
            peek.path,
            names,
            lambda wanted: _batches(reader, [wanted_paths[i] for i in wanted]),
            sample_of(rows, wanted_paths),
        )


def layout_of(names: Sequence[str]) -> str | None:
    """The well-known layout that the names of members show."""
    amazon = "reviewerID" in names or {"asin", "overall"} <= set(names) or "parent_asin" in names
    return "Amazon reviews" if amazon else None


def sample_of(rows: Sequence[Any], paths: Sequence[Path]) -> list[list[str | None]]:
    """The values at some paths of the first objects, as text."""
    found = [[at_path(row, path) for path in paths] for row in rows]
    return [[None if value is None else as_text(value) for value in row] for row in found]


def _batches(reader: Lines, paths: Sequence[Path]) -> Iterator[Batch]:
    for block in reader.blocks():
        numbers, raw, bad = numbered(block.first, len(block.lines)), block.lines, list[BadRow]()
        filled = raw.str.contains(r"\S")
        raw, numbers = raw.filter(filled), numbers[filled.to_numpy()]
        # only the lines that gave no value at all are parsed one by one, to say why
        columns = {f"c{i}": member(raw, path) for i, path in enumerate(paths)}
        nothing = np.logical_and.reduce([column.is_null().to_numpy() for column in columns.values()])
        keep = np.ones(len(raw), dtype=np.bool_)
        suspect = ~raw.str.contains(r"^\s*\{.*\}\s*$").to_numpy() | nothing
        if block.damaged:
            suspect |= raw.str.contains("\ufffd", literal=True).to_numpy()
        for row in np.flatnonzero(suspect):
            reason = _json_fault(raw[int(row)], damaged=block.damaged)
            if reason:
                keep[row] = False
                bad.append(BadRow(int(numbers[row]), "", raw[int(row)][:80], reason, raw[int(row)]))
        frame = pl.DataFrame(columns)
        if not keep.all():
            frame, raw, numbers = frame.filter(keep), raw.filter(pl.Series(keep)), numbers[keep]
        bad += [reader.torn] if block.final and reader.torn else []
        yield Batch(frame, numbers, raw, bad, block.share)


def member(raw: pl.Series, path: Path) -> pl.Series:
    """The value at a path of each object, as text; a JSON list for a path through a list."""
    if EACH in path or any("'" in key or "\\" in key for key in path):
        found = (at_path(_parsed(line), path) for line in raw.to_list())
        return pl.Series([None if value is None else as_text(value) for value in found], dtype=pl.String)
    return raw.str.json_path_match("$" + "".join(f"['{key}']" for key in path))


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


FORMAT = JsonLines()
