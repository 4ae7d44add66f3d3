"""Detecting the separator and the header of a text log, and the columns of a log without a header."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from penchant.data.reading.dates import are_dates
from penchant.data.reading.names import NAMES, plain
from penchant.data.reading.splitting import MAX_RECORD_LINES, WHITESPACE, is_open, split_record
from penchant.data.reading.wording import option
from penchant.errors import DataError, ParameterError

SEPARATORS = ("::", "\t", ",", ";", "|", WHITESPACE)
ALONE = "\t"  # of a text that is one column: what prose holds least
SAMPLE_LINES = 200
_NAMED = {"tab": "\t", "\\t": "\t", "space": WHITESPACE, "whitespace": WHITESPACE, "comma": ",", "pipe": "|"}
_KNOWN = frozenset(name for names in NAMES.values() for name in names)
_WHO = frozenset(name for role in ("user", "session") for name in NAMES[role])
_ITEM = frozenset(NAMES["item"])
_SEP_LINE = re.compile(r'^"?sep=([^"])"?\s*$', re.IGNORECASE)
TITLE = 20  # records that may stand above the header
_DIGIT = re.compile(r"\d")
FEW = 5  # cells from which a column shows what it holds
_NUMBER = re.compile(r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$")
_TYPED = re.compile(r":(token|token_seq|float|float_seq)$")
_KIND = re.compile(r"^\s*[A-Za-z][A-Za-z_ -]{0,30}\s*$")
_ASIN = re.compile(r"^(B[0-9A-Z]{9}|\d{9}[\dX])$")
_REVIEWER = re.compile(r"^A[0-9A-Z]{8,}$")


@dataclass(frozen=True)
class Dialect:
    """How the lines of a text are split into fields."""

    separator: str
    names: list[str]
    header: str | None  # the line of the header; None if there is none
    header_lines: int
    n_fields: int
    sample: list[list[str]]
    layout: str | None = None


def separator_name(separator: str) -> str:
    """The name of a separator."""
    return {"\t": "tab", WHITESPACE: "white space", ",": "comma", ";": "semicolon", "|": "bar"}.get(
        separator, separator
    )


def given_separator(sep: str) -> str:
    """The separator that the caller names; raises ``ParameterError`` if it cannot be used."""
    sep = _NAMED.get(sep.lower(), sep)
    if not sep or any(ch in sep for ch in '\n\r"'):
        raise ParameterError(f"{sep!r} cannot separate columns")
    return sep


def records_of(lines: Sequence[str], separator: str) -> list[tuple[str, int]]:
    """Complete records and their number of lines, from the first lines of a text."""
    out: list[tuple[str, int]] = []
    row = 0
    while row < len(lines) and len(out) < SAMPLE_LINES:
        record, end = lines[row], row + 1
        while is_open(record, separator) and end < len(lines) and end - row < MAX_RECORD_LINES:
            record, end = record + "\n" + lines[end], end + 1
        if is_open(record, separator):
            if end == len(lines) and out:
                break
            record, end = lines[row], row + 1
        out.append((record, end - row))
        row = end
    return out


def sniff(lines: Sequence[str], file: str, sep: str | None, named: Sequence[str] = ()) -> Dialect:
    """The dialect of a text from its first lines; raises ``DataError`` if it has no columns.

    The separator is the one that gives most lines the same number of fields, at least two. Ties are broken by known
    names in the first line, then by a first line with as many fields as the others, then by more fields; the first line
    is the one below a title. ``named`` are column names that the caller uses; where it is one and the first line is
    this name, the text is one column.
    """
    lines = list(lines)
    skipped = 0
    while lines and not lines[0].strip():
        lines.pop(0)
        skipped += 1
    if not lines:
        raise DataError("the file contains only blank lines", file=file)
    if len(lines) > 1 and (told := _SEP_LINE.match(lines[0])):  # written by and for Excel
        lines.pop(0)
        skipped, sep = skipped + 1, sep or told[1]
    alone = len(named) == 1 and lines[0].strip().strip('"') == named[0]  # a table of texts and nothing else
    if sep is not None:
        choice = given_separator(sep)
        if not alone and not any(len(split_record(record, choice)) > 1 for record, _ in records_of(lines, choice)):
            raise _separates_nothing(lines, file, sep, named)
    elif alone and (not lines[0].startswith('"') or _likeliest(lines, named) is None):  # quoted: maybe row names of R
        choice = ALONE
    else:
        found = _likeliest(lines, named)
        if found is None:
            raise DataError(
                "no separator splits these lines into two or more columns",
                file=file,
                line=1 + skipped,
                value=lines[0],
                fix=f"Name it with {option('sep')}, or check that this is a log",
            )
        choice = found
    counted = records_of(lines, choice)
    above = _above_header(counted, choice, named)
    skipped += sum(n for _, n in counted[:above])
    records = [(r, n) for r, n in counted[above:] if r.strip()]
    rows = [split_record(record, choice) for record, _ in records]
    first = [cell.strip() for cell in rows[0]]
    has_header = _is_header(first, rows[1:], named)
    body = rows[1:] if has_header else rows
    n_fields = Counter(len(row) for row in body).most_common(1)[0][0] if body else len(first)
    if has_header:
        names = first
        if n_fields == len(first) + 1 and any(row[-1].strip() for row in body if len(row) == n_fields):
            names = ["", *first]  # row names without a header, as R writes them
        elif n_fields != len(first):
            n_fields = len(first)
    else:
        names = [f"column {i + 1}" for i in range(n_fields)]
    sample = [row for row in body if len(row) == n_fields]
    layout = "RecBole" if has_header and any(_TYPED.search(name) for name in names) else None
    return Dialect(
        choice,
        names,
        records[0][0] if has_header else None,
        skipped + (records[0][1] if has_header else 0),
        n_fields,
        sample,
        layout,
    )


def _above_header(records: Sequence[tuple[str, int]], separator: str, named: Sequence[str]) -> int:
    """How many records are a title above the header.

    Each is narrower than the table, whose first row is a header; or the first reads like a sentence, and a row of known
    names for a person and an item follows.
    """
    rows = [split_record(record, separator) if record.strip() else [] for record, _ in records]
    width = Counter(len(row) for row in rows if row).most_common(1)[0][0]
    at = next((at for at, row in enumerate(rows[:TITLE]) if len(row) >= width), 0)
    if _is_title(rows[at]) and not _names_both(rows[at]):
        at = next((n for n, row in enumerate(rows[:TITLE]) if len(row) == width and _names_both(row)), at)
    below = [row for row in rows[at + 1 :] if row]
    first = [cell.strip() for cell in rows[at]]
    return at if at and width > 1 and len(first) == width and _is_header(first, below, named) else 0


def _is_title(row: Sequence[str]) -> bool:
    """Whether a row reads like a sentence with separators in it: a cell is empty, or starts with a space."""
    return any(not cell.strip() or cell[0].isspace() for cell in row)


def _names_both(row: Sequence[str]) -> bool:
    """Whether a row has known names of a person, session or basket, and of an item."""
    names = {plain(cell) for cell in row}
    return bool(names & _ITEM) and bool(names & _WHO)


def _likeliest(lines: Sequence[str], named: Sequence[str]) -> str | None:
    """The most likely separator of a text; None if no separator gives two columns."""
    scored = [(_score(lines, candidate, named), -rank) for rank, candidate in enumerate(SEPARATORS)]
    best, rank = max(scored)
    return SEPARATORS[-rank] if best[0] else None


def _separates_nothing(lines: Sequence[str], file: str, sep: str, named: Sequence[str]) -> DataError:
    other = _likeliest(lines, named)
    if other is None:
        return DataError(f"{sep!r} separates nothing here", file=file, value=lines[0], fix="Check that this is a log")
    name = separator_name(other) if other.isspace() else repr(other)
    fix = f"Leave {option('sep')} out: the separator is detected"
    return DataError(f"{sep!r} separates nothing here, {name} does", file=file, fix=fix)


def _score(lines: Sequence[str], separator: str, named: Sequence[str]) -> tuple[float, int, bool, int]:
    counted = records_of(lines, separator)
    records = [record for record, _ in counted[_above_header(counted, separator, named) :] if record.strip()]
    counts = Counter(len(split_record(record, separator)) for record in records)
    fields, lines_with = max(counts.items(), key=lambda item: (item[0] > 1, item[1], item[0]))
    share = lines_with / len(records) if fields > 1 else 0.0
    first = split_record(records[0], separator)
    wanted = {plain(name) for name in named if not name.isdecimal()}
    known = sum(plain(cell) in _KNOWN or plain(cell) in wanted for cell in first)
    if share < 0.5 and known < 2:
        return 0.0, 0, False, 0
    return (1.0 if share >= 0.9 else share), known, len(first) in {fields, fields - 1}, fields


def _is_header(first: Sequence[str], rows: Sequence[Sequence[str]], named: Sequence[str]) -> bool:
    usual = {plain(cell) for cell in first}
    if any(_TYPED.search(cell) for cell in first):
        return True
    # a known name that occurs again below is a value: 'book' may be a header or a value
    names = [i for i, cell in enumerate(first) if plain(cell) in _KNOWN and not _comes_back(i, cell, first, rows)]
    if len(names) > 1 or (names and not any(_NUMBER.match(cell) for cell in first)):
        return True
    if any(not name.isdecimal() and plain(name) in usual for name in named):
        return True
    if any(_NUMBER.match(cell) or not cell for cell in first) or len(set(first)) < len(first):
        return False
    alike = [row for row in rows if len(row) == len(first)]
    return any(_heads([row[i] for row in alike], cell) for i, cell in enumerate(first))


def _heads(cells: Sequence[str], first: str) -> bool:
    """Whether a column has numbers alone below its first cell, or ids and dates with digits below one without."""
    if cells and all(_NUMBER.match(cell) for cell in cells):
        return True
    filled = [cell for cell in cells if cell.strip()]
    return len(filled) >= FEW and not _DIGIT.search(first) and all(_DIGIT.search(cell) for cell in filled)


def _comes_back(column: int, cell: str, first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a cell of the first row occurs again in its column, in a row that does not repeat the first one."""
    return any(len(row) > column and row[column].strip() == cell and row[0].strip() != first[0] for row in rows)


def guess_roles(sample: Sequence[Sequence[str | None]], separator: str | None) -> tuple[dict[str, int], str | None]:
    """Roles of the columns of a log without a header, by position and value, and the layout if it is well known.

    User and item come first, in this order, unless the first column has Amazon product ids and the second reviewers.
    A column of large numbers or dates is the time, one of a few words the kind, one of small numbers the rating.
    """
    width = len(sample[0]) if sample else 0
    if width < 2:
        return {}, None
    columns = [[str(row[i] or "") for row in sample] for i in range(width)]
    roles: dict[str, int] = {}
    for i in range(width - 1, 1, -1):
        cells = [cell for cell in columns[i] if cell.strip()]
        numbers = [float(cell) for cell in cells if _NUMBER.match(cell)]
        all_numbers = bool(cells) and len(numbers) == len(cells)
        if "time" not in roles and cells and ((all_numbers and min(numbers) > 1e8) or are_dates(cells)):
            roles["time"] = i
        elif "kind" not in roles and _share(_KIND, cells) == 1 and len(set(cells)) <= len(cells) / 2:
            roles["kind"] = i
        elif "value" not in roles and all_numbers and max(abs(number) for number in numbers) <= 1000:
            roles["value"] = i
    swapped = _share(_ASIN, columns[0]) > 0.9 and _share(_REVIEWER, columns[1]) > 0.9
    roles["user"], roles["item"] = (1, 0) if swapped else (0, 1)
    layout = None
    if swapped or (_share(_ASIN, columns[1]) > 0.9 and _share(_REVIEWER, columns[0]) > 0.9):
        layout = "Amazon reviews, ratings only"
    elif width == 4 and len(roles) == 4 and separator in {"\t", "::"} and _share(_NUMBER, columns[1]) == 1:
        layout = "MovieLens"
    return roles, layout


def _share(pattern: re.Pattern[str], cells: Sequence[str]) -> float:
    return sum(bool(pattern.match(cell)) for cell in cells) / max(1, len(cells))
