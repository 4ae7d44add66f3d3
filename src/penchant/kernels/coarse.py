"""A first pass over item vectors quantised to one byte per number, which leaves few items to score exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import fast_kernel, kernel

B1 = NDArray[np.bool_]
F32 = NDArray[np.float32]
I8 = NDArray[np.int8]
I32 = NDArray[np.int32]


@kernel
def quantise(lo: int, hi: int, vectors: F32, coarse: I8, step: F32, error: F32) -> None:
    """Quantise rows of ``vectors`` to ``coarse`` · ``step``; ``error`` is the norm of the rounding error."""
    for i in range(lo, hi):
        largest = np.float32(0)
        for f in range(vectors.shape[1]):
            largest = max(largest, abs(vectors[i, f]))
        step[i] = largest / np.float32(127) if largest > 0 else np.float32(1)
        lost = 0.0
        for f in range(vectors.shape[1]):
            coarse[i, f] = np.int8(np.rint(vectors[i, f] / step[i]))
            lost += (np.float64(vectors[i, f]) - np.float64(step[i]) * coarse[i, f]) ** 2
        error[i] = np.sqrt(lost) + 1e-3 * step[i]  # plus the rounding of float sums


@fast_kernel
def products(coarse: I8, step: F32, bias: F32, vector: F32, out: F32) -> None:
    """Approximate scores of consecutive items, read from a quarter of the bytes of exact vectors."""
    for i in range(out.shape[0]):
        row, total = coarse[i], np.float32(0)
        for f in range(vector.shape[0]):
            total += np.float32(row[f]) * vector[f]
        out[i] = total * step[i]
    for i in range(bias.shape[0]):
        out[i] += bias[i]


@kernel
def _sink(heap: F32, value: float) -> None:
    """Replace the least element of a heap, which is its first, by ``value``."""
    node, size = 0, heap.shape[0]
    while 2 * node + 1 < size:
        child = 2 * node + 1
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= value:
            break
        heap[node] = heap[child]
        node = child
    heap[node] = value


@kernel
def candidates(
    coarse: I8,  # (n, f)
    step: F32,  # (n,)
    error: F32,  # (n,)
    bias: F32,  # (n,) or (0,)
    vector: F32,  # (f,)
    slack: float,  # how much one unit of error can change a score: slightly more than the norm of the vector
    out_of: B1,  # (n,) excluded items, or (0,)
    k: int,
    found: I32,  # (room,) out
    upper: F32,  # (room,) out: upper bound of each score
) -> int:
    """Find all items that can be among the k best, and possibly others; return how many, or -1 if they do not fit.

    |score − approximate| ≤ error · slack (Cauchy-Schwarz), so an item whose upper bound is below the k-th largest lower
    bound cannot be among the k best. That bound rises from block to block.
    """
    n, width, size = step.shape[0], 512, 0
    lowest = np.full(k, -np.inf, dtype=np.float32)  # heap of the k largest lower bounds
    near = np.empty(width, dtype=np.float32)
    for start in range(0, n, width):
        stop = min(start + width, n)
        some, lost = near[: stop - start], error[start:stop]
        products(coarse[start:stop], step[start:stop], bias[start:stop] if bias.shape[0] > 0 else bias, vector, some)
        bound, hit = lowest[0], np.int32(0)
        for i in range(some.shape[0]):
            hit |= np.int32(some[i] + lost[i] * np.float32(slack) >= bound)
        for i in range(some.shape[0] if hit > 0 else 0):
            margin = lost[i] * np.float32(slack)
            if some[i] + margin < lowest[0] or (out_of.shape[0] > 0 and out_of[start + i]):
                continue
            if size == found.shape[0]:  # drop items now below the bound
                size = still(found, upper, size, lowest[0])
                if 2 * size > found.shape[0]:
                    return -1
            found[size], upper[size] = start + i, some[i] + margin
            size += 1
            if some[i] - margin > lowest[0]:
                _sink(lowest, some[i] - margin)
    return still(found, upper, size, lowest[0])


@kernel
def still(found: I32, upper: F32, size: int, bound: float) -> int:
    """Keep the items that can reach the bound, and return how many."""
    kept = 0
    for n in range(size):
        if upper[n] >= bound:
            found[kept], upper[kept] = found[n], upper[n]
            kept += 1
    return kept
