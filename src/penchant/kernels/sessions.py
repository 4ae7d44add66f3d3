"""Scores from stored sessions that share items with the current one, by the items near the shared ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel
from penchant.kernels.keys import kth_largest

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@kernel
def session_scores(
    lo: int,
    hi: int,
    indptr: I64,  # the queried histories: distinct items, oldest first
    items: I32,
    weights: F32,  # (events,) weight of a common item
    by_match: F32,  # (longest history,) factor by the age of the newest common item
    recency: F32,  # (rows,) time of the query, in half-lives; empty: no decay with the age of a session
    s_indptr: I64,  # stored sessions, oldest first
    s_items: I32,
    s_factors: F32,  # (sessions,) factor by length
    s_days: F32,  # (sessions,) end time, in half-lives
    k_indptr: I64,  # item → sessions
    k_rows: I32,
    k_places: I32,  # position of the item in its session
    forward: F32,  # (longest session,) factor by the distance after the newest common item
    backward: F32,  # the same by the distance before it
    of_candidate: F32,  # (n,)
    sample: int,  # number of newest sessions to compare; 0: all
    k: int,
    out: F32,  # (rows, n) zeros
) -> None:
    """Score all items for the histories ``[lo, hi)`` by their ``k`` most similar stored sessions."""
    n_sessions = s_indptr.shape[0] - 1
    dot = np.zeros(n_sessions, dtype=np.float32)
    place, age = np.empty(n_sessions, np.int32), np.full(n_sessions, -1, np.int32)  # age -1: not reached yet
    touched = np.empty(n_sessions, dtype=np.int32)
    for row in range(lo, hi):
        found = 0
        for e in range(indptr[row + 1] - 1, indptr[row] - 1, -1):  # newest first: its place in a session is kept
            item = items[e]
            for f in range(k_indptr[item], k_indptr[item + 1]):
                session = k_rows[f]
                if age[session] < 0:  # weights can decay to zero, so the sum does not show it
                    touched[found] = session
                    found += 1
                    place[session] = k_places[f]
                    age[session] = indptr[row + 1] - 1 - e
                dot[session] += weights[e]
        if found == 0:
            continue
        oldest = 0
        if 0 < sample < found:
            oldest = kth_largest(touched[:found], sample)
        size = 0
        similarity = np.empty(found, dtype=np.float32)
        for t in range(found):
            session = touched[t]
            if session >= oldest:
                s = dot[session] * s_factors[session] * by_match[age[session]]
                if recency.shape[0] > 0:
                    s *= np.float32(2.0 ** -max(0.0, recency[row] - s_days[session]))
                similarity[size] = s
                touched[size] = session  # never writes beyond t
                size += 1
            dot[session], age[session] = 0, -1
        least, room = np.float32(-1.0), 0
        if k < size:
            least = kth_largest(similarity[:size], k)
            room = k
            for t in range(size):
                room -= int(similarity[t] > least)
            ties = np.empty(size, dtype=np.int32)
            tied = 0
            for t in range(size):
                if similarity[t] == least:
                    ties[tied] = touched[t]
                    tied += 1
            oldest = kth_largest(ties[:tied], room)
        into = out[row]
        order = np.argsort(touched[:size])  # sums must not depend on the order in which sessions were reached
        for t in order:
            session, s = touched[t], similarity[t]
            if s < least or (s == least and session < oldest):
                continue
            start, at = s_indptr[session], place[session]
            for e in range(start, s_indptr[session + 1]):
                distance = e - start - at
                near = forward[distance] if distance >= 0 else backward[-distance]
                into[s_items[e]] += s * near * of_candidate[s_items[e]]
