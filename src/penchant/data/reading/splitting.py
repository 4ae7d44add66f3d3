"""Splitting lines into fields: separators of any length, quotes, fields over several lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from penchant.data.reading.batches import BadRow, Batch, numbered
from penchant.data.reading.report import many

WHITESPACE = " "  # any run of blanks and tabs
_UNIT = "\x1f"  # replaces a run of blanks
MAX_RECORD_LINES = 200  # a quoted field over more lines means a quote that is never closed


def is_open(text: str, separator: str) -> bool:
    """Whether a record ends inside a quoted field; a quote opens one only at the start of a field."""
    return _quotes(text, separator)[0]


def is_tidy(text: str, separator: str) -> bool:
    """Whether every quoted field closes right before a separator or the end."""
    return _quotes(text, separator) == (False, True)


def _quotes(text: str, separator: str) -> tuple[bool, bool]:
    """Whether a quoted field stays open, and whether all closed ones end at the end of a field."""
    at, size, tidy = 0, len(text), True
    while at <= size and '"' in text:
        if text.startswith('"', at):
            at += 1
            while True:
                close = text.find('"', at)
                if close < 0:
                    return True, tidy
                if text.startswith('""', close):
                    at = close + 2
                    continue
                at = close + 1
                break
            tidy = tidy and (at == size or text.startswith(separator, at))
        found = text.find(separator, at)
        if found < 0:
            break
        at = found + len(separator)
    return False, tidy


def split_record(text: str, separator: str) -> list[str]:
    """The fields of one record; removes quotes around a field and undoubles those inside."""
    if separator == WHITESPACE:
        text, separator = re.sub(r"[ \t]+", " ", text.strip(" \t")), " "
    if len(separator) == 1:
        try:
            return next(csv.reader([text], delimiter=separator), [])
        except csv.Error:
            return [text]
    fields: list[str] = []
    at = 0
    while True:
        if text.startswith('"', at):
            value, at = "", at + 1
            while (close := text.find('"', at)) >= 0 and text.startswith('""', close):
                value, at = value + text[at:close] + '"', close + 2
            end = len(text) if close < 0 else close
            value, at = value + text[at:end], min(end + 1, len(text))
            found = text.find(separator, at)
            fields.append(value + text[at : found if found >= 0 else len(text)])
        else:
            found = text.find(separator, at)
            fields.append(text[at : found if found >= 0 else len(text)])
        if found < 0:
            return fields
        at = found + len(separator)


def after_lines(data: bytes, count: int) -> bytes:
    """A text without its first lines."""
    at = 0
    for _ in range(count):
        found = data.find(b"\n", at)
        at = len(data) if found < 0 else found + 1
    return data[at:] if at else data


@dataclass
class Splitter:
    """Splits blocks of lines into the wanted fields; keeps a record that continues in the next block."""

    separator: str
    n_fields: int
    wanted: Sequence[int]
    header: str | None = None  # the line of the header, to recognise it in concatenated files
    pending: list[str] = field(default_factory=list)

    def split(
        self,
        lines: pl.Series,
        first: int,
        *,
        final: bool,
        damaged: bool = False,
        share: float = 1.0,
        data: bytes | None = None,
    ) -> Batch:
        """The rows of a block of lines; ``first`` is the number of its first line.

        ``data`` are the same lines as UTF-8 with plain line ends, if the caller has them.
        """
        if data is not None and not self.pending and (fields := self._regular(data, len(lines))) is not None:
            return Batch(fields, numbered(first, len(lines)), lines, [], share)
        if self.pending:
            first -= len(self.pending)
            lines = pl.concat([pl.Series(self.pending, dtype=pl.String), lines])
            self.pending = []
        numbers = numbered(first, len(lines))
        bad: list[BadRow] = []
        if damaged:
            broken = lines.str.contains("\ufffd", literal=True)
            bad += [
                BadRow(int(numbers[row]), "", lines[row][:80], "bytes that are not in the file's encoding", lines[row])
                for row in broken.arg_true().to_list()
            ]
            lines, numbers = lines.filter(~broken), numbers[~broken.to_numpy()]
        quoted = lines.str.contains('"', literal=True)
        if not quoted.any():
            return self._batch([self._plain(lines, numbers, bad, final=final)], bad, share)
        whole = self._regular_quotes(lines, numbers)
        if whole is not None:
            return self._batch([whole], bad, share)
        plain_rows, records = self._quoted(lines, numbers, quoted, bad, final=final)
        mask = np.zeros(len(lines), dtype=np.bool_)
        mask[plain_rows] = True
        plain = self._plain(lines.filter(pl.Series(mask)), numbers[mask], bad, final=final)
        return self._batch([plain, records], bad, share)

    def _batch(self, parts: list[pl.DataFrame], bad: list[BadRow], share: float) -> Batch:
        table = parts[0] if len(parts) == 1 else pl.concat(parts).sort("line")
        frame = table.drop("line", "raw")
        return Batch(frame, table["line"].to_numpy(), table["raw"], sorted(bad, key=lambda b: b.line), share)

    def _frame(self, fields: pl.DataFrame, numbers: np.ndarray, raw: pl.Series) -> pl.DataFrame:
        chosen = {f"c{i}": fields.to_series(column) for i, column in enumerate(self.wanted)}
        return pl.DataFrame({**chosen, "line": numbers, "raw": raw})

    def _plain(self, lines: pl.Series, numbers: np.ndarray, bad: list[BadRow], *, final: bool) -> pl.DataFrame:
        """Lines without quotes; a wrong number of fields makes a bad row."""
        filled = lines.str.contains(r"\S")
        if not filled.all():
            lines, numbers = lines.filter(filled), numbers[filled.to_numpy()]
        separator, text = self.separator, lines
        if separator == WHITESPACE:
            separator, text = _UNIT, lines.str.strip_chars(" \t").str.replace_all(r"[ \t]+", _UNIT)
        count = text.str.count_matches(separator, literal=True)
        good = (count == self.n_fields - 1) | ((count == self.n_fields) & text.str.ends_with(separator))
        if self.header is not None:
            again = lines == self.header
            bad += [
                BadRow(int(numbers[row]), "", lines[row][:80], "the header again", lines[row])
                for row in again.arg_true().to_list()
            ]
            good = good & ~again
            count = count.set(again, self.n_fields - 1)
        if not good.all():
            for row in (~good & (count != self.n_fields - 1)).arg_true().to_list():
                found = int(count[row]) + 1
                cut = final and row == len(lines) - 1 and found < self.n_fields
                reason = f"{many(found, 'field', 'fields')}, expected {self.n_fields}" + (
                    ": the last line is cut off" if cut else ""
                )
                bad.append(BadRow(int(numbers[row]), "", lines[row][:80], reason, lines[row]))
            lines, text, numbers = lines.filter(good), text.filter(good), numbers[good.to_numpy()]
        fields = text.str.split_exact(separator, self.n_fields - 1).struct.unnest()
        return self._frame(fields, numbers, lines)

    def _regular(self, data: bytes, rows: int) -> pl.DataFrame | None:
        """The fast path for a block of complete lines without quotes; None if it does not apply.

        With the right number of separators in all, a line with too few fields means another with too many, which
        polars refuses.
        """
        separator = self.separator.encode()
        header = None if self.header is None else self.header.encode()
        if len(separator) != 1 or self.separator == WHITESPACE or not rows or b'"' in data:
            return None
        if data.count(separator) != rows * (self.n_fields - 1) or (header is not None and header in data):
            return None
        found = self.texts(data, range(self.n_fields))
        if found is None or found.height != rows:
            return None
        return pl.DataFrame({f"c{at}": found[f"f{i}"] for at, i in enumerate(self.wanted)})

    def texts(self, data: bytes, columns: Sequence[int]) -> pl.DataFrame | None:
        """Some columns of lines without quotes, ``f0`` for the first; None if polars finds the lines not regular."""
        try:
            fields = pl.read_csv(
                data,
                separator=self.separator,
                has_header=False,
                quote_char=None,
                schema={f"f{i}": pl.String for i in range(self.n_fields)},
                columns=sorted(columns),
            )
        except pl.exceptions.PolarsError:
            return None
        return fields.with_columns(pl.all().fill_null(""))

    def _regular_quotes(self, lines: pl.Series, numbers: np.ndarray) -> pl.DataFrame | None:
        """The fast path for a block in which every record is one complete line; None if it does not apply."""
        if len(self.separator) != 1 or self.separator == WHITESPACE or not len(lines):
            return None
        even = (lines.str.count_matches('"', literal=True) % 2 == 0).all()
        enough = (lines.str.count_matches(self.separator, literal=True) >= self.n_fields - 1).all()
        if not even or not enough or (self.header is not None and (lines == self.header).any()):
            return None
        try:
            fields = pl.read_csv(
                "\n".join(lines.to_list()).encode(),
                separator=self.separator,
                has_header=False,
                infer_schema=False,
                new_columns=[f"f{i}" for i in range(self.n_fields)],
            )
        except pl.exceptions.PolarsError:
            return None
        if fields.shape != (len(lines), self.n_fields):
            return None
        return self._frame(fields, numbers, lines)

    def _quoted(
        self, lines: pl.Series, numbers: np.ndarray, quoted: pl.Series, bad: list[BadRow], *, final: bool
    ) -> tuple[list[int], pl.DataFrame]:
        """Records with quotes, one by one; and the row numbers of the lines without quotes."""
        texts, flags = lines.to_list(), quoted.to_list()
        plain: list[int] = []
        rows: list[list[str]] = []
        at_lines: list[int] = []
        raws: list[str] = []
        row, size = 0, len(texts)
        while row < size:
            if not flags[row]:
                plain.append(row)
                row += 1
                continue
            record, end = texts[row], row + 1
            while is_open(record, self.separator) and end < size and end - row < MAX_RECORD_LINES:
                record, end = record + "\n" + texts[end], end + 1
            line = int(numbers[row])
            if is_open(record, self.separator):
                if end == size and not final and end - row < MAX_RECORD_LINES:
                    self.pending = texts[row:]
                    break
                bad.append(BadRow(line, "", texts[row][:80], "a quote is opened and never closed", texts[row]))
                row += 1
                continue
            fields = split_record(record, self.separator)
            if len(fields) == self.n_fields + 1 and not fields[-1]:
                fields.pop()
            if self.header is not None and record == self.header:
                bad.append(BadRow(line, "", record[:80], "the header again", record))
            elif len(fields) == self.n_fields and (end == row + 1 or is_tidy(record, self.separator)):
                rows.append(fields)
                at_lines.append(line)
                raws.append(record)
            else:
                reason = f"{many(len(fields), 'field', 'fields')}, expected {self.n_fields}"
                if len(fields) == self.n_fields:
                    reason = "a quote is opened and closed in the wrong place"
                bad.append(BadRow(line, "", texts[row][:80], reason, texts[row]))
                end = row + 1  # good rows may hide in what looked like one record of several lines
            row = end
        columns = {
            f"c{i}": pl.Series([fields[column] for fields in rows], dtype=pl.String)
            for i, column in enumerate(self.wanted)
        }
        raw = pl.Series(raws, dtype=pl.String)
        return plain, pl.DataFrame({**columns, "line": np.array(at_lines, dtype=np.int64), "raw": raw})
