"""The order of events by user and time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@kernel
def by_user(
    users: I32,  # (events,)
    starts: I64,  # (users + 1,) zeros; out: where the events of a user begin
    order: I64,  # (events,) out
) -> None:
    """Group events by user and keep their order otherwise, by a counting sort: two passes over the events."""
    for event in range(users.shape[0]):
        starts[users[event] + 1] += 1
    for user in range(starts.shape[0] - 1):
        starts[user + 1] += starts[user]
    for event in range(users.shape[0]):
        user = users[event]
        order[starts[user]] = event
        starts[user] += 1
    for user in range(starts.shape[0] - 1, 0, -1):
        starts[user] = starts[user - 1]
    starts[0] = 0


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
