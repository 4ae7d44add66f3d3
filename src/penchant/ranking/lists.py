"""The lists that held-out events were chosen from, where impressions are known."""

from __future__ import annotations

import numpy as np

from penchant.core.histories import Bools, Floats, Histories, Ints, Longs
from penchant.core.shown import Shown

SOON = 86_400  # seconds after which an event is no answer to a list
NEWEST = 500  # impressions that a question is given


def lists_of(train: Histories, asked: Longs) -> tuple[Shown | None, Longs]:
    """The list that each asked event was chosen from, best place first, and the moment of its question.

    This is the newest list of its row that holds the item and was shown in the day before the event; a list is what one
    row was shown at one time. The moment is that of the list, else that of the event. None without times.
    """
    moments = np.zeros(len(asked), np.int64) if train.times is None else train.times[asked].copy()
    shown = train.shown
    if shown is None or shown.times is None or train.times is None or not len(shown.items):
        return None, moments
    rows = shown.rows
    n = np.int64(train.n_items)
    # impressions and questions in one order: of every question the newest impression of its item before it
    keys = np.concatenate([rows * n + shown.items, train.rows[asked] * n + train.items[asked]])
    times = np.concatenate([shown.times, moments])
    is_question = np.arange(len(keys)) >= len(rows)
    order = np.lexsort((is_question, times, keys))
    last = np.where(is_question[order], -1, np.arange(len(order)))
    last = np.maximum.accumulate(last)
    of = np.full(len(asked), -1, np.int64)
    places = np.flatnonzero(is_question[order])
    before = last[places]
    found = order[np.maximum(before, 0)]
    question = order[places] - len(rows)
    good = (before >= 0) & (keys[found] == keys[order[places]]) & (times[order[places]] - times[found] <= SOON)
    of[question[good]] = found[good]
    # a list is the impressions of one row at one time
    by_list = np.lexsort((np.arange(len(rows)), shown.times, rows))
    starts = np.ones(len(rows), dtype=np.bool_)
    starts[1:] = (np.diff(rows[by_list]) != 0) | (np.diff(shown.times[by_list]) != 0)
    first = np.flatnonzero(starts)
    list_of = np.empty(len(rows), np.int64)
    list_of[by_list] = np.cumsum(starts) - 1
    sizes = np.diff(np.append(first, len(rows)))
    chosen = np.where(of >= 0, list_of[np.maximum(of, 0)], 0)
    lengths = np.where(of >= 0, sizes[chosen], 0)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    at = np.arange(indptr[-1]) + np.repeat(first[chosen] - indptr[:-1], lengths)
    moments[of >= 0] = shown.times[of[of >= 0]]
    return Shown(indptr, shown.items[by_list[at]]), moments


def shown_before(train: Histories, rows: Longs, moments: Longs) -> Shown | None:
    """What each of some rows was shown before a moment, the newest 500; None where nothing is known."""
    shown = train.shown
    if shown is None:
        return None
    if shown.times is None:
        return None  # whether it was before the answer is unknown
    keys = np.lexsort((shown.times, shown.rows))
    items, times = shown.items[keys], shown.times[keys]
    start, stop = shown.indptr[rows], shown.indptr[rows + 1]
    lo, hi = start.copy(), stop.copy()
    while (lo < hi).any():  # how many of the row are earlier, by halving
        middle = (lo + hi) // 2
        earlier = (lo < hi) & (times[np.minimum(middle, max(0, len(times) - 1))] < moments)
        lo, hi = np.where(earlier, middle + 1, lo), np.where((lo < hi) & ~earlier, middle, hi)
    lengths = np.minimum(lo - start, NEWEST)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    at = np.arange(indptr[-1]) + np.repeat(lo - lengths - indptr[:-1], lengths)
    return Shown(indptr, items[at].astype(np.int32), times[at])


def impressions(train: Histories, positive: Bools) -> tuple[Floats, Floats] | None:
    """How often each item was shown, and how often it was chosen from a list; None where no impressions are known."""
    if train.shown is None or not len(train.shown.items):
        return None
    n = train.n_items
    shown = np.bincount(train.shown.items, minlength=n).astype(np.float32)
    events = np.flatnonzero(positive)
    lists, _ = lists_of(train, events)
    taken = events[:0] if lists is None else events[np.diff(lists.indptr) > 0]
    return shown, np.bincount(train.items[taken], minlength=n).astype(np.float32)


def first_seen(train: Histories, first: Longs | None) -> Longs | None:
    """The first event or impression of each item, whichever is earlier; 0 where there is neither."""
    if first is None or train.shown is None or train.shown.times is None:
        return first
    never = np.iinfo(np.int64).max
    out = np.where(first > 0, first, never)
    np.minimum.at(out, train.shown.items, train.shown.times)
    return np.where(out < never, out, 0)


def places_of(lists: Shown) -> Ints:
    """The place of every item of a list, from 1."""
    return (np.arange(len(lists.items)) - lists.indptr[lists.rows] + 1).astype(np.int32)
