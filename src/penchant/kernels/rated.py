"""Ratings from neighbours: the weighted mean of the deviations of the nearest rated neighbours from their baselines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@kernel
def by_rated_items(
    lo: int,
    hi: int,
    indptr: I64,  # histories with distinct items
    items: I32,
    deviations: F32,
    a_indptr: I64,  # items to predict for each history
    asked: I32,
    w_indptr: I64,  # item → its neighbours, nearest first
    w_items: I32,
    w_scores: F32,
    k: int,
    pull: float,  # added to the sum of similarities, so that few or weak neighbours have little effect
    out: F32,  # (len(asked),)
) -> None:
    """Predict every requested item from its k nearest items in the history."""
    known = np.zeros(w_indptr.shape[0] - 1, dtype=np.bool_)
    deviation = np.zeros(w_indptr.shape[0] - 1, dtype=np.float32)
    for row in range(lo, hi):
        for e in range(indptr[row], indptr[row + 1]):
            known[items[e]] = True
            deviation[items[e]] = deviations[e]
        for a in range(a_indptr[row], a_indptr[row + 1]):
            above, below, found = 0.0, pull, 0
            for w in range(w_indptr[asked[a]], w_indptr[asked[a] + 1]):
                if known[w_items[w]]:
                    above += w_scores[w] * deviation[w_items[w]]
                    below += w_scores[w]
                    found += 1
                    if found == k:
                        break
            out[a] = above / below if below > 0 else 0.0
        for e in range(indptr[row], indptr[row + 1]):
            known[items[e]] = False


@kernel
def by_users_who_rated(
    lo: int,
    sizes: I64,  # of the histories from ``lo`` on: number of similar stored histories
    near: I32,  # the similar stored histories, history by history
    scores: F32,
    a_indptr: I64,
    asked: I32,
    k_indptr: I64,  # item → stored histories that rated it
    k_rows: I32,
    k_deviations: F32,
    n_rows: int,
    k: int,
    pull: float,
    out: F32,
) -> None:
    """Predict every requested item from the k nearest stored histories that rated it."""
    similarity = np.zeros(n_rows, dtype=np.float32)
    best = np.empty(k, dtype=np.float32)  # a heap with the least similar on top
    gave = np.empty(k, dtype=np.float32)
    start = 0
    for row in range(lo, lo + sizes.shape[0]):
        stop = start + sizes[row - lo]
        for n in range(start, stop):
            similarity[near[n]] = scores[n]
        for a in range(a_indptr[row], a_indptr[row + 1]):
            found = 0
            for e in range(k_indptr[asked[a]], k_indptr[asked[a] + 1]):
                s = similarity[k_rows[e]]
                if s <= 0 or (found == k and s <= best[0]):
                    continue
                if found < k:
                    node = found
                    found += 1
                    while node > 0 and best[(node - 1) >> 1] > s:
                        best[node], gave[node] = best[(node - 1) >> 1], gave[(node - 1) >> 1]
                        node = (node - 1) >> 1
                else:
                    node = 0
                    while 2 * node + 1 < k:
                        child = 2 * node + 1
                        if child + 1 < k and best[child + 1] < best[child]:
                            child += 1
                        if best[child] >= s:
                            break
                        best[node], gave[node] = best[child], gave[child]
                        node = child
                best[node], gave[node] = s, k_deviations[e]
            above, below = 0.0, pull
            for n in range(found):
                above += best[n] * gave[n]
                below += best[n]
            out[a] = above / below if below > 0 else 0.0
        for n in range(start, stop):
            similarity[near[n]] = 0
        start = stop
