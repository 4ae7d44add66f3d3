"""Repeated rows of a log: copies, items rated twice, and how common it is to come back to an item."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penchant.core.blocks import row_blocks

if TYPE_CHECKING:
    from penchant.data.interactions import Interactions


def repeat_share(log: Interactions) -> float:
    """The share of events whose user had the item before; 0 for an empty log. Cost: one sort of the events."""
    histories = log.histories()
    events = len(histories.items)
    return 1.0 - len(histories.distinct().items) / events if events else 0.0


def repeat_warnings(log: Interactions) -> list[str]:
    """What ``inspect`` warns of: rows that are copies of another, and ratings given more than once.

    Without times, equal rows may be two visits, so only ratings are checked. Cost: one sort where anything repeats.
    """
    who, rated = ("session" if log.sessions else "user"), log.values_are == "rating"
    histories = log.histories()
    if len(histories.distinct().items) == len(histories.items):
        return []
    out, names, copies, repeated = [], list[str](), 0, 0
    for lo, hi in row_blocks(histories.indptr):
        here = slice(int(histories.indptr[lo]), int(histories.indptr[hi]))
        compared = {"value": log.values, "time": log.times, "item": log.items, who: log.users}
        keys = {name: key[here] for name, key in compared.items() if key is not None}
        if log.times is not None or rated:
            names = list(reversed(keys))
            order = np.lexsort(list(keys.values()))
            same = np.ones(max(len(order) - 1, 0), dtype=np.bool_)
            for key in keys.values():
                same &= key[order[1:]] == key[order[:-1]]
            copies += int(same.sum())
        if rated:
            pairs = np.sort(log.users[here].astype(np.int64) * log.n_items + log.items[here])
            repeated += len(np.unique(pairs[1:][pairs[1:] == pairs[:-1]]))
    if copies:
        out.append(f"{copies:,} rows repeat another one (the same {', '.join(names)}): remove them if they are copies")
    if rated:
        out.append(f"{repeated:,} pairs of {who} and item are rated more than once: the last rating counts")
    return out
