"""Histories as models see them that use no order: what they learn must not depend on how a log was written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from penchant.core.histories import Histories


def one_row_an_item(histories: Histories, rng: np.random.Generator) -> Histories:
    """Each item once per row, as ``distinct``; without an order, in one that depends on ``rng`` and the items alone.

    So the last event of a row, and the part of a random stream that an event meets, are the same for rows written apart
    and rows summed.
    """
    once = histories.distinct()
    if once.ordered:
        return once
    by_item = np.lexsort((once.items, once.rows))
    order = by_item[np.lexsort((rng.random(len(by_item)), once.rows[by_item]))]
    return replace(
        once,
        items=once.items[order],
        values=None if once.values is None else once.values[order],
        times=None if once.times is None else once.times[order],
        liked=None if once.liked is None else once.liked[order],
    )
