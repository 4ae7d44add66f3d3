"""Checks of events: repeats, ratings out of scale, odd times, bots, items of one user."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penchant.data.doctor.chart import Chart, percent
from penchant.data.doctor.statistics import moment
from penchant.data.reading.columns import is_rating
from penchant.data.reading.report import Finding, many
from penchant.data.reading.times import YEAR_2100
from penchant.data.reading.weights import SKEWED
from penchant.data.reading.wording import option

SCALES = ((1, 5), (0.5, 5), (0, 5), (-1, 1), (0, 1), (1, 7), (1, 10), (0, 10), (0, 20), (1, 100), (0, 100), (-10, 10))
BOT_EVENTS = 10_000
BOT_PERCENTILE = 99.99
COUNTS = {  # how a pair that occurs more than once is counted
    "rating": "The last rating counts",
    "weight": "Weights add up; sequence models keep every event",
    "none": "Without values a pair counts once; sequence models keep every event",
}
COPIES = {  # and a row that occurs twice
    "rating": "Only one of them counts, but copies suggest that the log was written twice",
    "weight": "Weights add up, so a copied row counts double",
    "none": "A pair counts once, but sequence models treat a copy as another visit",
}


def duplicates(chart: Chart) -> Iterator[Finding]:
    """Rows that repeat another in all columns, and pairs of user and item that occur more than once."""
    log = chart.log
    first, count = chart.pairs
    repeated = int((count > 1).sum())
    if not repeated:
        return
    compared: dict[str, np.ndarray | None] = {
        "value": log.values,
        "kind": chart.trace.kinds,
        "part": log.parts,
        "time": log.times,
        "item": log.items,
        chart.who: log.users,
    }
    keys = [key for key in compared.values() if key is not None]
    names = [name for name, key in reversed(compared.items()) if key is not None]
    order = np.lexsort(keys)
    same = np.ones(len(log) - 1, dtype=np.bool_)
    for key in keys:
        same &= key[order[1:]] == key[order[:-1]]
    twice = order[1:][same]
    # without a time, equal rows may be two visits
    if len(twice) and (log.times is not None or log.values_are == "rating"):
        event = chart.first_of(twice)
        yield chart.at_event(
            "duplicates",
            "warning",
            "item",
            event,
            log.vocab.ids[log.items[event]],
            f"{many(len(twice), 'row repeats', 'rows repeat')} another one: the same {', '.join(names)}",
            COPIES[log.values_are],
            "Remove them if they are copies; keep them if the events did happen twice",
            len(twice),
        )
    pair = int(first[count > 1][0])
    yield chart.at_event(
        "duplicates",
        "warning" if log.values_are == "rating" else "note",
        "item",
        pair,
        log.vocab.ids[log.items[pair]],
        many(repeated, f"pair of {chart.who} and item occurs", f"pairs of {chart.who} and item occur")
        + " more than once",
        COUNTS[log.values_are],
        "Nothing to do if people may return to an item or change their rating",
        repeated,
    )


def rating_scale(chart: Chart) -> Iterator[Finding]:
    """Values outside the scale of nearly all others, and zeros that mean 'not rated'."""
    log, name = chart.log, chart.trace.cleaner.value_name
    if log.values is None or name is None or not is_rating(name) or len(log) < 20:
        return
    low, high = np.quantile(log.values, [0.005, 0.995], method="nearest")
    scale = next(((a, b) for a, b in SCALES if a <= low and high <= b), None)
    if scale is None:
        return
    outside = np.flatnonzero((log.values < scale[0]) | (log.values > scale[1]))
    if len(outside):
        event = chart.first_of(outside)
        lost = log.values_are != "rating" and chart.trace.cleaner.values is None
        yield chart.at_event(
            "ratings out of scale",
            "error" if lost else "warning",
            "value",
            event,
            f"{log.values[event]:g}",
            f"{many(len(outside), 'rating lies', 'ratings lie')} outside the scale {scale[0]:g} to {scale[1]:g} "
            "of the others",
            "Because of them the column was not taken for ratings" if lost else "One such value moves means and errors",
            "Correct or remove them"
            + (f"; {option('values', 'rating')} states that the column has ratings" if lost else ""),
            len(outside),
        )
    zeros = np.flatnonzero(log.values == 0)
    if scale[0] == 0 and scale[1] > 1 and len(zeros) > 0.3 * len(log):
        event = int(zeros[0])
        yield chart.at_event(
            "ratings out of scale",
            "warning",
            "value",
            event,
            "0",
            f"{len(zeros) / len(log):.0%} of the ratings are 0",
            "A zero often means 'seen, but not rated'",
            f"If so, remove these rows for rating prediction, or read with {option('values', 'none')}",
            len(zeros),
        )


def extreme_weights(chart: Chart) -> Iterator[Finding]:
    """Weights of which a thousandth of the rows have most of the total."""
    log = chart.log
    if log.values_are != "weight" or log.values is None or len(log) < 20:
        return
    size = np.abs(log.values.astype(np.float64))
    total, top = size.sum(), max(1, len(size) // 1000)
    share = float(np.partition(size, len(size) - top)[-top:].sum() / total) if total else 0.0
    if size.max() <= SKEWED * np.median(size) and share < 0.5:
        return
    spread = size.std()
    skew = float(((size - size.mean()) ** 3).mean() / spread**3) if spread else 0.0
    raw = log.recipe.weight == "raw"
    counted = "They count as logarithms" if log.recipe.weight == "log" else "Every weight counts one"
    event = int(np.argmax(size))
    yield chart.at_event(
        "extreme weights",
        "warning" if raw else "note",
        "value",
        event,
        f"{log.values[event]:g}",
        f"{many(top, 'row has', 'rows have')} {percent(share)} of all weight; the largest is "
        f"{size[event] / max(np.median(size), 1e-12):,.0f} times the median (skew {skew:.1f})",
        "A few rows decide what is similar and popular" if raw else counted,
        f"Read with {option('weight', 'log')}, or with {option('values', 'none')}" if raw else "Nothing to do",
        top,
    )  # fmt: skip


def constant_values(chart: Chart) -> Iterator[Finding]:
    """A column of values that are all the same."""
    log = chart.log
    if log.values is not None and len(log) > 1 and log.values.min() == log.values.max():
        yield chart.at_event(
            "constant values",
            "note",
            "value",
            0,
            f"{log.values[0]:g}",
            "all values are the same",
            "The column adds nothing to the rows",
            f"Read with {option('values', 'none')}",
            len(log),
        )


def odd_times(chart: Chart) -> Iterator[Finding]:
    """Times that are all the same, too small to be dates, or far from all others for a few events."""
    log = chart.log
    if log.times is None or len(log) < 2:
        return
    low, high = int(log.times.min()), int(log.times.max())
    if low == high:
        yield chart.at_event(
            "odd times",
            "warning",
            "time",
            0,
            chart.time_value(0),
            f"all times are the same: {moment(low)}",
            "They give neither an order nor a time split",
            f"Name another time column, or use {option('split', 'users')}",
            len(log),
        )
    elif low >= 0 and high < 50_000_000:
        yield chart.at_event(
            "odd times",
            "note",
            "time",
            int(np.argmax(log.times)),
            chart.time_value(int(np.argmax(log.times))),
            "the times are small numbers, not dates",
            "Their order is used; a half-life in days is meaningless",
            "Name the column as position if it is one",
            len(log),
        )
    middle = int(np.median(log.times))
    far = np.flatnonzero((np.abs(log.times - middle) > 30 * 365 * 86_400) & (log.times >= 0) & (log.times < YEAR_2100))
    if len(far) and len(far) < 0.01 * len(log):
        event = chart.first_of(far)
        yield chart.at_event(
            "odd times",
            "warning",
            "time",
            event,
            chart.time_value(event),
            many(len(far), "event lies", "events lie")
            + f" more than 30 years from the middle of the log, the first at {moment(int(log.times[event]))}",
            "A few wrong clocks move the time split",
            "Correct the times or remove the rows",
            len(far),
        )


def bots(chart: Chart) -> Iterator[Finding]:
    """Users beyond the 99.99th percentile and 10,000 events."""
    counts = chart.events_of_users
    if not len(counts):
        return
    line = np.percentile(counts, BOT_PERCENTILE)
    found = np.flatnonzero((counts >= BOT_EVENTS) & (counts >= line))
    if len(found):
        user = int(found[np.argmax(counts[found])])
        share = counts[found].sum() / max(1, len(chart.log))
        yield chart.at_id(
            "bots",
            "warning",
            chart.trace.cleaner.users,
            user,
            chart.log.user_ids[user],
            f"{many(len(found), f'{chart.who} has', f'{chart.who}s have')} {BOT_EVENTS:,} events or more, up to "
            f"{counts[user]:,}: {percent(share)} of the log",
            "Robots, shops and shared accounts connect unrelated items",
            "Remove them; max_history limits what one history contributes",
            len(found),
        )


def lonely_items(chart: Chart) -> Iterator[Finding]:
    """Items with a single user, about which nothing can be learned from others."""
    seen = chart.users_of_items[: len(chart.trace.cleaner.items.index)]
    lonely = np.flatnonzero(seen == 1)
    if len(lonely):
        item = int(lonely[0])
        yield chart.at_id(
            "one-user items",
            "warning" if len(lonely) > 0.5 * len(seen) else "note",
            chart.trace.cleaner.items,
            item,
            chart.log.vocab.ids[item],
            f"{many(len(lonely), 'item', 'items')} ({percent(len(lonely) / len(seen))}) with one {chart.who} only",
            "Collaborative filtering cannot place them",
            f"Give item attributes ({option('items')}) and use content-knn or a blend",
            len(lonely),
        )
