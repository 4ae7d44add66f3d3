"""Histories laid end to end into rows of one length, so that hardly a place stays empty."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

I64 = NDArray[np.int64]


@kernel
def pack(
    lengths: I64,  # of the histories, each between 1 and capacity
    order: I64,  # the histories by falling length
    capacity: int,
    rows: I64,  # out: the row of every history
    starts: I64,  # out: where in its row it starts
) -> int:
    """Best fit, longest first: each history goes to the fullest row that still has room for it. Returns the rows."""
    newest = np.full(capacity + 1, -1, dtype=np.int64)  # by the room that is left: the newest such row
    before = np.empty(lengths.shape[0], dtype=np.int64)  # the row of the same room that came before it
    count = 0
    for n in range(order.shape[0]):
        history = order[n]
        length = lengths[history]
        room = length
        while room <= capacity and newest[room] < 0:
            room += 1
        if room > capacity:
            row = count
            room = capacity
            count += 1
        else:
            row = newest[room]
            newest[room] = before[row]
        rows[history] = row
        starts[history] = capacity - room
        left = room - length
        before[row] = newest[left]
        newest[left] = row
    return count
