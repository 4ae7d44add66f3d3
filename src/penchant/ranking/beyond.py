"""What impressions and the values of attributes say of items: sums over training, for features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Histories, Ints, Longs
from penchant.core.shown import Shown
from penchant.ranking.statistics import Statistics

STEADY = 20.0  # impressions added to those of an item before its share is compared with that of all
CALM = 2.0  # items added to those of a value
Doubles = NDArray[np.float64]


def seen_before(given: Histories, rows: Longs, items: Ints) -> Doubles:
    """How often each pair was shown since its last event, log(1 + times); NaN where no impressions are known."""
    if given.shown is None:
        return np.full(len(rows), np.nan)
    n = np.int64(given.n_items)
    wanted = rows * n + items
    since = _since_last(given, given.shown)
    keys = np.sort(since.rows * n + since.items)
    times = np.searchsorted(keys, wanted, side="right") - np.searchsorted(keys, wanted)
    return np.log1p(times.astype(np.float64))


def _since_last(given: Histories, shown: Shown) -> Shown:
    """The impressions after the last event of their item; without times, those of items without an event."""
    n = np.int64(given.n_items)
    keys, of_events = shown.rows * n + shown.items, given.rows * n + given.items
    if shown.times is None or given.times is None:
        return shown.where(~np.isin(keys, of_events))
    order = np.lexsort((given.times, of_events))
    known, times = of_events[order], given.times[order]
    at = np.searchsorted(known, keys, side="right") - 1
    there = (at >= 0) & (known[np.maximum(at, 0)] == keys) if len(known) else np.zeros(len(keys), np.bool_)
    last = np.where(there, times[np.maximum(at, 0)] if len(known) else 0, np.iinfo(np.int64).min)
    return shown.where(shown.times > last)


def encoded(statistics: Statistics, items: Ints) -> Doubles:
    """How often the other items with the values of each item were chosen, against all items: ``(columns, pairs)``.

    The log of a ratio of means; an item never counts for itself, so that a value of one item says nothing. NaN where
    the value is unknown. Statistics end before the questions, so that no answer is counted.
    """
    width = np.diff(statistics.indptr)[items]
    pair = np.repeat(np.arange(len(items)), width)
    at = np.repeat(statistics.indptr[items] - np.cumsum(width) + width, width) + np.arange(len(pair))
    kind, weight = statistics.indices[at], statistics.data[at]
    own = statistics.counts[items][pair]
    whole = float(statistics.counts.sum())
    mean = max(whole / max(1, statistics.n_items), 1e-9)
    total = np.rint(statistics.usual[kind].astype(np.float64) * max(1.0, whole)) - own * weight
    holders = np.bincount(statistics.indices, minlength=len(statistics.usual)).astype(np.float64)
    ratio = np.log((np.maximum(total, 0) + CALM * mean) / ((holders[kind] - 1 + CALM) * mean))
    cell = pair * statistics.n_columns + statistics.column_of[kind]
    size = len(items) * statistics.n_columns
    many = np.bincount(cell, minlength=size)
    mean_of = np.bincount(cell, ratio, size) / np.maximum(many, 1)
    return np.where(many > 0, mean_of, np.nan).reshape(len(items), -1).T
