"""Text files as tables: delimited lines and JSON lines, read a block at a time."""

from __future__ import annotations

import codecs
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from penchant.data.reading.batches import BadRow, Batch, Table, numbered
from penchant.data.reading.encoding import known, sniff_encoding
from penchant.data.reading.endings import LastField
from penchant.data.reading.opening import HEAD, head_of, laid_to, opened, read_fully
from penchant.data.reading.report import Source
from penchant.data.reading.sniffing import SAMPLE_LINES, Dialect, separator_name, sniff
from penchant.data.reading.splitting import Splitter
from penchant.errors import DataError

BLOCK = 1 << 24  # bytes of text that are parsed at once


class Lines:
    """The lines of a text file in blocks, decoded; says in ``source`` which encoding it was and what was damaged.

    A line in the middle of which a damaged file breaks off is no line: after the last block it is ``torn``.
    """

    def __init__(self, path: Path, source: Source, encoding: str, *, guessed: bool) -> None:
        self.path, self.source, self.encoding, self.guessed = path, source, encoding, guessed
        self.torn: BadRow | None = None
        self.unfinished = False  # whether nothing ends the last line

    def blocks(self) -> Iterator[tuple[pl.Series, int, bool, bool, float]]:
        """``(lines, number of the first, whether it is the last block, damaged, share read)``."""
        with opened(self.path) as file:
            wide = self.encoding.startswith(("utf-16", "utf-32"))  # a line end is no single byte there
            recode = codecs.getincrementaldecoder(self.encoding)("replace") if wide else None
            encoding = "utf-8-sig" if wide else self.encoding
            first, rest, ascii_so_far, old_mac = 1, b"", True, False
            ended = False
            while not ended:
                data, broken = read_fully(file.stream, BLOCK)
                self.source.damage = self.source.damage or broken
                ended = len(data) < BLOCK
                if recode is not None:
                    data = recode.decode(data, ended).encode()
                data = rest + data
                if first == 1:
                    old_mac = b"\r" in data and b"\n" not in data
                if old_mac:
                    data = data.replace(b"\r", b"\n")
                cut = len(data) if ended and not broken else data.rfind(b"\n") + 1
                block, rest = data[:cut], data[cut:]
                if not block and not ended:
                    continue
                damaged = False
                try:
                    text = block.decode(encoding)
                    damaged = wide and "\ufffd" in text
                except UnicodeDecodeError:
                    guess = sniff_encoding(block)
                    # so far any encoding would have done: these bytes are the first that tell
                    if self.guessed and ascii_so_far and guess != "utf-8-sig":
                        encoding, self.source.encoding = guess, guess
                    text, damaged = block.decode(encoding, errors="replace"), True
                ascii_so_far = ascii_so_far and block.isascii()
                if encoding == "utf-8-sig":
                    encoding = "utf-8"
                lines = pl.Series([text.removesuffix("\n")], dtype=pl.String).str.split("\n").explode()
                if not text:
                    lines = lines.clear()
                if "\r" in text:
                    lines = lines.str.strip_suffix("\r")
                self.unfinished = ended and bool(text) and not text.endswith("\n")
                if broken and rest:
                    last = rest.decode(encoding, errors="replace")
                    reason = f"{broken} in the middle of this row"
                    self.torn = BadRow(first + len(lines), "", last[:80], reason, last)
                yield lines, first, ended, damaged, file.share()
                first += len(lines)


def open_text(path: Path, sep: str | None, encoding: str | None, named: Sequence[str]) -> Table:
    """A text file as a table; raises ``DataError`` where no columns can be made out."""
    head, compression, damage = head_of(path)
    codec = known(encoding) if encoding else sniff_encoding(head)
    shown = "utf-8" if codec == "utf-8-sig" else codec
    text = head.decode(codec, errors="replace").replace("\r\n", "\n")
    if "\n" not in text:
        text = text.replace("\r", "\n")
    lines = text.split("\n")
    if len(lines) > 2:
        lines = lines[:-1] if len(head) >= HEAD or damage or not lines[-1] else lines
    lines = lines[: 4 * SAMPLE_LINES]
    source = Source(str(path), "delimited text", encoding=shown, compression=compression, damage=damage)
    reader = Lines(path, source, codec, guessed=encoding is None)
    with laid_to(damage, path):
        return _understood(reader, text, lines, sep, named)


def _understood(reader: Lines, text: str, lines: list[str], sep: str | None, named: Sequence[str]) -> Table:
    """The table of a text whose first lines are ``lines``."""
    source, path = reader.source, reader.path
    start = text.lstrip()[:1]
    if start == "{" and sep is None:
        return _json_lines(reader, lines)
    if start == "[" and sep is None and _parsed(text.strip()[1:].splitlines()[0].strip().rstrip(",")) is not None:
        raise DataError("this is one JSON array", file=str(path), fix="Write an object a line: jq -c '.[]' FILE")
    dialect = sniff(lines, str(path), sep, named)
    source.separator, source.header = separator_name(dialect.separator), dialect.header is not None
    source.layout = dialect.layout
    return Table(
        source,
        path,
        dialect.names,
        lambda wanted: _delimited(reader, dialect, wanted),
        [[*row] for row in dialect.sample],
    )


def _delimited(reader: Lines, dialect: Dialect, wanted: Sequence[int]) -> Iterator[Batch]:
    splitter = Splitter(dialect.separator, dialect.n_fields, wanted, dialect.header)
    skip, end = dialect.header_lines, dialect.n_fields - 1
    last = LastField(wanted.index(end)) if end in wanted else None
    for lines, first, final, damaged, share in reader.blocks():
        here = min(skip, len(lines))
        skip -= here
        batch = splitter.split(lines[here:], first + here, final=final, damaged=damaged, share=share)
        if last is not None:
            batch = last.check(batch, unfinished=final and reader.unfinished)
        batch.bad.extend([reader.torn] if final and reader.torn else [])
        yield batch


def _json_lines(reader: Lines, lines: Sequence[str]) -> Table:
    reader.source.format = "JSON lines"
    rows = [row for row in (_parsed(line) for line in lines[:SAMPLE_LINES]) if isinstance(row, dict)]
    names = list(dict.fromkeys(itertools.chain.from_iterable(rows)))
    if not names:
        raise DataError(
            "no line is a JSON object", file=reader.source.name, line=1, value=lines[0], fix="Write one object a line"
        )
    if "reviewerID" in names or {"asin", "overall"} <= set(names) or "parent_asin" in names:
        reader.source.layout = "Amazon reviews"
    sample = [[None if row.get(name) is None else _text(row[name]) for name in names] for row in rows]
    return Table(
        reader.source, reader.path, names, lambda wanted: _json_batches(reader, [names[i] for i in wanted]), sample
    )


def _json_batches(reader: Lines, names: Sequence[str]) -> Iterator[Batch]:
    for lines, first, final, damaged, share in reader.blocks():
        numbers, raw, bad = numbered(first, len(lines)), lines, list[BadRow]()
        filled = raw.str.contains(r"\S")
        raw, numbers = raw.filter(filled), numbers[filled.to_numpy()]
        # a cheap look first: only lines of which nothing could be read are parsed one by one to say why
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
