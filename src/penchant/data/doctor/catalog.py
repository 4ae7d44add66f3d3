"""Checks of an item table against its log."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import polars as pl

from penchant.data.doctor.chart import Chart, percent
from penchant.data.doctor.ids import swapped_finding
from penchant.data.doctor.missing import together, units
from penchant.data.reading.items import ITEM_ID, ITEM_LINE, Items
from penchant.data.reading.report import Finding, Severity, many

FEW = 20  # with fewer users, their ids may be in the item table by chance


def examine_items(chart: Chart, read: Items) -> Iterator[Finding]:
    """Ids that are missing, repeated or unknown to the other side; missing attributes and their pattern."""
    frame, file = read.frame, read.table.source.name
    if read.bad:
        first = read.bad[0]
        yield Finding(
            "catalogue rows",
            "warning",
            f"{many(len(read.bad), 'row', 'rows')} of the item table could not be used: {first.reason}",
            "These rows were skipped",
            "Correct the rows",
            len(read.bad),
            file,
            first.line,
            first.column or None,
            first.value,
        )
    nameless = frame.filter(pl.col(ITEM_ID).is_null())
    if nameless.height:
        yield _at(
            read,
            nameless,
            "catalogue ids",
            "warning",
            many(nameless.height, "row of the item table has", "rows of the item table have") + " no usable id",
            "They were skipped",
            "Give them ids",
        )
    frame = frame.filter(pl.col(ITEM_ID).is_not_null())
    twice = frame.filter(~pl.col(ITEM_ID).is_first_distinct())
    if twice.height:
        yield _at(
            read,
            twice,
            "catalogue ids",
            "warning",
            many(twice.height, "row of the item table repeats an id", "rows of the item table repeat an id"),
            "The first row of an item counts",
            "Keep one row per item",
        )
    yield from overlap(chart, read)
    yield from _missing_values(chart, frame, file)
    yield from units(frame, file)


def overlap(chart: Chart, read: Items) -> Iterator[Finding]:
    """Whether the item table matches the items of the log, or rather its users."""
    frame = read.frame.filter(pl.col(ITEM_ID).is_not_null())
    column = read.table.source.columns.get("item", "item")
    known = set(frame[ITEM_ID].to_list())
    items_table = chart.trace.cleaner.items
    unknown = [(code, item) for code, item in enumerate(items_table.index) if item not in known]
    share = len(unknown) / max(1, len(items_table.index))
    yield from _swapped(chart, known)
    if unknown:
        lacking = many(len(unknown), "item of the log is", "items of the log are")
        code, item = unknown[0]
        yield chart.at_id(
            "catalogue does not match",
            "error" if share > 0.5 else "warning",
            items_table,
            code,
            item,
            f"{lacking} not in the item table ({percent(share)})",
            "They have no title and no attributes",
            f"Check that {column!r} of {read.table.source.name} has the ids that the log uses",
            len(unknown),
        )
    extra = frame.filter(~pl.col(ITEM_ID).is_in(list(items_table.index)))
    if extra.height:
        yield _at(
            read,
            extra,
            "catalogue does not match",
            "note",
            many(extra.height, "item of the item table has no event", "items of the item table have no event"),
            "Only content can recommend them",
            "Use content-knn or a blend to recommend them",
        )


def _swapped(chart: Chart, known: set[str]) -> Iterator[Finding]:
    """Swapped columns: the item table has the ids of the users rather than those of the items."""
    users, items = chart.trace.cleaner.users.index, chart.trace.cleaner.items.index
    in_users, in_items = sum(user in known for user in users), sum(item in known for item in items)
    of_users, of_items = in_users / max(1, len(users)), in_items / max(1, len(items))
    by_users, by_items = in_users / max(1, len(known)), in_items / max(1, len(known))
    if of_users > 0.5 and of_items < 0.5:
        yield swapped_finding(
            chart, f"{percent(of_users)} of the user ids and {percent(of_items)} of the item ids are in the item table"
        )
    elif of_users >= 0.99 and len(users) >= FEW:
        what = (
            f"the item table has {percent(of_users)} of the user ids, which make up {percent(by_users)} of it; the "
            f"item ids make up {percent(by_items)} of it"
        )
        # ids that count from one are in the item table anyway
        if by_users >= 2 * by_items and not _counted(users) and not _counted(known):
            yield swapped_finding(chart, what)
        elif by_users >= 0.9 and by_items < 0.8:
            yield swapped_finding(chart, what, "warning")


def _counted(ids: Collection[str]) -> bool:
    """Whether ids are numbers with hardly a gap, such as 1, 2, 3."""
    if not all(one.isdecimal() for one in ids):
        return False
    numbers = [int(one) for one in ids]
    return max(numbers) - min(numbers) < 1.5 * len(numbers)


def _at(read: Items, rows: pl.DataFrame, check: str, severity: Severity, what: str, why: str, fix: str) -> Finding:
    """A finding about rows of the item table; the first row is the example."""
    source, line = read.table.source, int(rows[ITEM_LINE][0])
    column = source.columns.get("item", "item")
    return Finding(check, severity, what, why, fix, rows.height, source.name, line, column, rows[ITEM_ID][0])


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
        pattern += f", the first is {frame[ITEM_ID][row]!r}"
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
        )


def _pattern(name: str, gone: np.ndarray, absent: dict[str, np.ndarray], seen: np.ndarray) -> str:
    """Whether values are missing together with others, or mostly for rare or popular items."""
    if gone.all():
        return ": the column is empty"
    parts = together(name, gone, absent)
    with_value, without = float(seen[~gone].mean()), float(seen[gone].mean())
    compared = f"{without:.3g} {'user' if round(without, 2) == 1 else 'users'} an item against {with_value:.3g}"
    if min(gone.sum(), (~gone).sum()) >= 10:
        if without < 0.5 * with_value:
            parts.append(f"mostly for rare items ({compared})")
        elif without > 2 * with_value:
            parts.append(f"mostly for popular items ({compared})")
        else:
            parts.append("regardless of popularity")
    return f" ({'; '.join(parts)})" if parts else ""
