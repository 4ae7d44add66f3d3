"""Checks of an item table beside the log it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from penchant.reading.doctor.chart import Chart, percent
from penchant.reading.doctor.ids import swapped_finding
from penchant.reading.items import ITEM_ID, ITEM_LINE, read_items
from penchant.reading.report import Finding, Severity, many


def examine_items(chart: Chart, items: Any) -> Iterator[Finding]:
    """Ids that are missing, twice or unknown to the other side; attributes that are missing, and their pattern."""
    read = read_items(items)
    table, frame = read.table, read.frame
    file = table.source.name
    column = table.source.columns.get("item", "item")

    def finding(
        check: str, severity: Severity, rows: pl.DataFrame, what: str, why: str, fix: str, count: int
    ) -> Finding:
        line, value = (int(rows[ITEM_LINE][0]), rows[ITEM_ID][0]) if rows.height else (None, None)
        return Finding(check, severity, what, why, fix, count, file, line, column, value)

    if read.bad:
        first = read.bad[0]
        yield Finding(
            "catalogue rows",
            "warning",
            f"{many(len(read.bad), 'row', 'rows')} of the item table could not be used: {first.reason}",
            "Such a row was left out",
            "Mend the rows",
            len(read.bad),
            file,
            first.line,
            first.column or None,
            first.value,
        )
    nameless = frame.filter(pl.col(ITEM_ID).is_null())
    if nameless.height:
        yield finding(
            "catalogue ids",
            "warning",
            nameless,
            many(nameless.height, "row of the item table has", "rows of the item table have") + " no usable id",
            "They were left out",
            "Give them ids",
            nameless.height,
        )
    frame = frame.filter(pl.col(ITEM_ID).is_not_null())
    twice = frame.filter(~pl.col(ITEM_ID).is_first_distinct())
    if twice.height:
        yield finding(
            "catalogue ids",
            "warning",
            twice,
            many(twice.height, "row of the item table repeats an id", "rows of the item table repeat an id"),
            "The first row of an item counts",
            "Keep one row an item",
            twice.height,
        )
    known = set(frame[ITEM_ID].to_list())
    items_table, users_table = chart.trace.cleaner.items, chart.trace.cleaner.users
    unknown = [(code, item) for code, item in enumerate(items_table.index) if item not in known]
    share = len(unknown) / max(1, len(items_table.index))
    of_users = sum(user in known for user in users_table.index) / max(1, len(users_table.index))
    if of_users > 0.5 and share > 0.5:
        yield swapped_finding(
            chart, f"{of_users:.0%} of the user ids and {1 - share:.0%} of the item ids are in the item table"
        )
    if unknown:
        code, item = unknown[0]
        yield chart.at_id(
            "catalogue does not match",
            "error" if share > 0.5 else "warning",
            items_table,
            code,
            item,
            f"{many(len(unknown), 'item', 'items')} of the log ({percent(share)}) not in the item table",
            "They have no title and no attributes",
            f"Check that {column!r} holds the ids that the log uses",
            len(unknown),
        )
    extra = frame.filter(~pl.col(ITEM_ID).is_in(list(items_table.index)))
    if extra.height:
        yield finding(
            "catalogue does not match",
            "note",
            extra,
            many(extra.height, "item of the item table has no event", "items of the item table have no event"),
            "Only content can recommend them",
            "Use content-knn or a blend to bring them in",
            extra.height,
        )
    yield from _missing_values(chart, frame, file)


def _missing_values(chart: Chart, frame: pl.DataFrame, file: str) -> Iterator[Finding]:
    names = [name for name in frame.columns if not name.startswith("__")]
    absent: dict[str, np.ndarray] = {}
    for name in names:
        empty = frame[name].is_null()
        if frame[name].dtype == pl.String:
            empty = empty | (frame[name].str.strip_chars() == "").fill_null(value=True)
        elif frame[name].dtype == pl.List:
            empty = empty | (frame[name].list.len() == 0).fill_null(value=True)
        absent[name] = empty.to_numpy()
    counts = chart.users_of_items
    at = chart.log.vocab.encode(frame[ITEM_ID].to_list())
    seen = np.where(at >= 0, counts[np.maximum(at, 0)], 0)
    for name, gone in absent.items():
        if not gone.any():
            continue
        pattern = _pattern(name, gone, absent, seen)
        row = int(np.argmax(gone))
        yield Finding(
            "missing attribute values",
            "warning" if gone.mean() > 0.2 else "note",
            f"{many(int(gone.sum()), 'item', 'items')} ({percent(float(gone.mean()))}) without {name!r}{pattern}",
            "Content models know less of these items",
            "Fill them in, or leave the column out",
            int(gone.sum()),
            file,
            int(frame[ITEM_LINE][row]),
            name,
            str(frame[ITEM_ID][row]),
        )


def _pattern(name: str, gone: np.ndarray, absent: dict[str, np.ndarray], seen: np.ndarray) -> str:
    """Whether values are missing together with others, or rather of rare or of popular items."""
    if gone.all():
        return ": the column is empty"
    together = [other for other, mask in absent.items() if other != name and np.array_equal(mask, gone)]
    parts = [f"missing together with {', '.join(map(repr, together[:3]))}"] if together else []
    with_value, without = float(seen[~gone].mean()), float(seen[gone].mean())
    if min(gone.sum(), (~gone).sum()) >= 10:
        if without < 0.5 * with_value:
            parts.append(f"rather of rare items ({without:.3g} users against {with_value:.3g})")
        elif without > 2 * with_value:
            parts.append(f"rather of popular items ({without:.3g} users against {with_value:.3g})")
        else:
            parts.append("whatever their popularity")
    return f" ({'; '.join(parts)})" if parts else ""
