"""The order of events by user and time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@kernel
def count_users(
    lo: int,
    hi: int,
    users: I32,  # (events,)
    sizes: I64,  # (users,) zeros; out: how many of the events ``[lo, hi)`` are of each user
) -> None:
    """Count events by user."""
    for event in range(lo, hi):
        sizes[users[event]] += 1


@kernel
def by_user(
    lo: int,
    hi: int,
    users: I32,  # (events,)
    places: I64,  # (users,) where the first event of each user goes; out: where the next would
    order: I64,  # (events,) out
) -> None:
    """Group the events ``[lo, hi)`` by user and keep their order otherwise: the second pass of a counting sort."""
    for event in range(lo, hi):
        user = users[event]
        order[places[user]] = event
        places[user] += 1


@kernel
def by_time(
    lo: int,
    hi: int,
    times: I64,  # (events,)
    starts: I64,  # (users + 1,)
    order: I64,  # (events,) of every user in the order of the log; out: by time, equal times in the order of the log
) -> None:
    """Sort the events of the users ``[lo, hi)`` by time: merges runs that double, after insertion into short ones."""
    short = 16
    for user in range(lo, hi):
        first, size = starts[user], starts[user + 1] - starts[user]
        moments = np.empty(size, dtype=np.int64)
        falls = False
        for n in range(size):
            moments[n] = times[order[first + n]]
            falls |= n > 0 and moments[n] < moments[n - 1]
        if not falls:
            continue
        for low in range(0, size, short):
            for n in range(low + 1, min(low + short, size)):
                moment, event, to = moments[n], order[first + n], n
                while to > low and moments[to - 1] > moment:
                    moments[to], order[first + to] = moments[to - 1], order[first + to - 1]
                    to -= 1
                moments[to], order[first + to] = moment, event
        width = short
        old_moments, old_order = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
        while width < size:
            for n in range(size):
                old_moments[n], old_order[n] = moments[n], order[first + n]
            for low in range(0, size, 2 * width):
                middle, high = min(low + width, size), min(low + 2 * width, size)
                left, right = low, middle
                for to in range(low, high):
                    if left < middle and (right >= high or old_moments[left] <= old_moments[right]):
                        moments[to], order[first + to] = old_moments[left], old_order[left]
                        left += 1
                    else:
                        moments[to], order[first + to] = old_moments[right], old_order[right]
                        right += 1
            width *= 2
