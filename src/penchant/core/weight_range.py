"""The weights that a model learned from, and later histories held to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from penchant.core.blocks import row_blocks
from penchant.core.histories import Histories

BLOCK = 2**20  # events whose sums are in memory at once


def weight_range(histories: Histories) -> tuple[float, float] | None:
    """The lowest and the highest sum of weights of one history and item; None without weights.

    Weights above and below zero have sums of their own. Where there are none of one sign, its end is the opposite of
    the other end. Time O(events log events), memory O(``BLOCK``) or the events of the longest history.
    """
    if histories.values_are != "weight":
        return None
    low = high = 0.0
    for block in _blocks(histories):
        _, sums = block.side_sums()
        low, high = min(low, float(sums.min(initial=0))), max(high, float(sums.max(initial=0)))
    if low == high == 0:
        return None
    return low or -high, high or -low


def within(given: Histories, low: float, high: float) -> Histories:
    """Histories whose weights of one history and item sum to at most ``high``, and to at least ``low`` below zero.

    A sum beyond counts as the nearer end, divided among its events in proportion. All other weights are unchanged, to
    the bit; without any sum beyond, the result is ``given`` itself. Histories without weights are unchanged.
    """
    if given.values is None or given.values_are != "weight":
        return given
    parts, beyond = [], False
    for block in _blocks(given):
        assert block.values is not None
        pair, sums = block.side_sums()
        over = (sums < low) | (sums > high)
        parts.append(block.values)
        if over.any():
            beyond = True
            scale = np.ones_like(sums)
            scale[over] = np.clip(sums[over], low, high) / sums[over]
            parts[-1] = (block.values * scale[pair]).astype(np.float32)
    return replace(given, values=np.concatenate(parts)) if beyond else given


def _blocks(histories: Histories) -> Iterator[Histories]:
    """The histories, in order, about ``BLOCK`` events at a time."""
    for lo, hi in row_blocks(histories.indptr, BLOCK):
        yield histories[lo:hi]
