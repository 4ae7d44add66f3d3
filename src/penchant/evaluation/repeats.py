"""Repeated rows of a log: copies, items rated twice, and how common it is to come back to an item."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
    out = []
    if log.times is not None or rated:
        compared = {"value": log.values, "time": log.times, "item": log.items, who: log.users}
        keys = {name: key for name, key in compared.items() if key is not None}
        order = np.lexsort(list(keys.values()))
        same = np.ones(len(order) - 1, dtype=np.bool_)
        for key in keys.values():
            same &= key[order[1:]] == key[order[:-1]]
        if same.any():
            out.append(
                f"{int(same.sum()):,} rows repeat another one (the same {', '.join(reversed(keys))}): remove them if "
                "they are copies"
            )
    if rated:
        pairs = np.sort(log.users.astype(np.int64) * log.n_items + log.items)
        repeated = len(np.unique(pairs[1:][pairs[1:] == pairs[:-1]]))
        out.append(f"{repeated:,} pairs of {who} and item are rated more than once: the last rating counts")
    return out
