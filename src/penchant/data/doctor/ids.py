"""Checks of ids: several spellings, words for missing, wrong encoding or separator, swapped columns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from penchant.data.doctor.chart import Chart
from penchant.data.reading.ids import MISSING_WORDS, IdTable
from penchant.data.reading.report import Finding, Severity, many
from penchant.data.reading.sniffing import separator_name
from penchant.data.reading.wording import option

_NUMERIC = re.compile(r"^0*(\d+)$")
_MOJIBAKE = re.compile("[ÃÂ][\u0080-\u00bf]|â[\u0080\u20ac]|ï»¿|\ufffd|锟斤拷")
_USER_LIKE = re.compile(r"^(u|usr|user|customer|visitor|member|reviewer)[-_ ]?\d+$|^A[0-9A-Z]{12,}$", re.IGNORECASE)
_ITEM_LIKE = re.compile(
    r"^(i|itm|item|movie|film|product|prod|sku|book|song|track|article|video)[-_ ]?\d+$|^B0[0-9A-Z]{8}$", re.IGNORECASE
)
TAB = "\t"
_SEPARATORS = (TAB, ";", "|", ",", "::")


def _tables(chart: Chart) -> tuple[IdTable, IdTable]:
    return chart.trace.cleaner.users, chart.trace.cleaner.items


def _role(chart: Chart, table: IdTable) -> str:
    return chart.who if table.role == "user" else "item"


def folded(item_id: str) -> str:
    """An id without case, width, inner spaces and leading zeros, which two spellings of one thing share."""
    text = "".join(unicodedata.normalize("NFKC", item_id).casefold().split())
    number = _NUMERIC.match(text)
    return number[1] if number else text


def spellings(chart: Chart) -> Iterator[Finding]:
    """Ids that differ only in case, white space, width or leading zeros."""
    for table in _tables(chart):
        first: dict[str, str] = {}
        pairs = [
            (code, item_id, first[key])
            for code, item_id in enumerate(table.index)
            if first.setdefault(key := folded(item_id), item_id) != item_id
        ]
        if pairs:
            role = _role(chart, table)
            code, item_id, other = pairs[0]
            yield chart.at_id(
                "spelling of ids",
                "warning",
                table,
                code,
                item_id,
                f"{many(len(pairs), f'{role} id differs', f'{role} ids differ')} from another only in case, white "
                f"space or leading zeros, as {item_id!r} from {other!r}",
                "Its events are divided among its spellings",
                "Write each id in one way",
                len(pairs),
            )


def words_for_nothing(chart: Chart) -> Iterator[Finding]:
    """Ids such as nan, null or None, which mean a missing id."""
    for table in _tables(chart):
        found = [(code, item_id) for code, item_id in enumerate(table.index) if item_id.lower() in MISSING_WORDS]
        if found:
            code, item_id = found[0]
            yield chart.at_id(
                "words for nothing",
                "warning",
                table,
                code,
                item_id,
                f"the {_role(chart, table)} id {item_id!r} means a missing id",
                "All rows without an id would become one",
                "Leave the field empty: such rows are then rejected",
                len(found),
            )


def wrong_encoding(chart: Chart) -> Iterator[Finding]:
    """Ids that show that the text was decoded with the wrong encoding."""
    for table in _tables(chart):
        found = [(code, item_id) for code, item_id in enumerate(table.index) if _MOJIBAKE.search(item_id)]
        if found:
            role = _role(chart, table)
            code, item_id = found[0]
            source = chart.log.report.sources[table.first_source[code]]
            yield chart.at_id(
                "wrong encoding",
                "warning",
                table,
                code,
                item_id,
                f"{many(len(found), f'{role} id looks', f'{role} ids look')} garbled "
                f"(read as {source.encoding or 'text'})",
                "Letters outside ASCII were decoded with the wrong encoding",
                f"Name the encoding of the file: {option('encoding')}, one of utf-8, latin-1, gb18030, ...",
                len(found),
            )


def wrong_separator(chart: Chart) -> Iterator[Finding]:
    """Ids that all contain another separator: the lines were split in the wrong places."""
    for table in _tables(chart):
        sample = list(table.index)[:1000]
        used = chart.log.report.sources[table.first_source[0]].separator if sample else None
        for separator in _SEPARATORS:
            if separator_name(separator) == used:  # it is inside quotes, so it is meant
                continue
            counts = {item_id.count(separator) for item_id in sample}
            if len(sample) > 1 and len(counts) == 1 and counts != {0}:
                yield chart.at_id(
                    "wrong separator",
                    "error",
                    table,
                    0,
                    sample[0],
                    f"every {_role(chart, table)} id contains the same number of {separator!r}",
                    "Several columns were probably read as one",
                    f"Try {option('sep', 'tab' if separator == TAB else separator)}",
                    len(table.index),
                )
                break


def swapped(chart: Chart) -> Iterator[Finding]:
    """User and item that are probably swapped: user ids that look like items, or the reverse."""
    users, items = _tables(chart)

    def share(table: IdTable, pattern: re.Pattern[str]) -> float:
        sample = list(table.index)[:1000]
        return sum(bool(pattern.match(item_id)) for item_id in sample) / max(1, len(sample))

    if share(users, _ITEM_LIKE) > 0.8 or share(items, _USER_LIKE) > 0.8:
        yield swapped_finding(chart, "the user ids look like item ids, or the reverse")


def swapped_finding(chart: Chart, what: str, severity: Severity = "error") -> Finding:
    """The finding that user and item are swapped."""
    users, _ = _tables(chart)
    columns = chart.log.report.columns
    user, item = columns.get(chart.who, "1"), columns.get("item", "2")
    return chart.at_id(
        "swapped columns",
        severity,
        users,
        0,
        next(iter(users.index), ""),
        what,
        "Users would be recommended instead of items"
        if severity == "error"
        else "If they are swapped, users are recommended instead of items",
        f"Name the columns: {option('columns', {chart.who: item, 'item': user})}",
        len(users.index),
    )
