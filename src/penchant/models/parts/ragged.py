"""Transposes of ragged arrays."""

from __future__ import annotations

import numpy as np

from penchant.core.histories import Floats, Ints, Longs


def turned(indptr: Longs, keys: Ints, n_keys: int) -> tuple[Longs, Ints, Longs]:
    """The rows of every key, ascending, and the position in ``keys`` of each."""
    from penchant.kernels.ragged import by_item

    out = np.zeros(n_keys + 1, np.int64), np.empty(len(keys), np.int32), np.empty(len(keys), np.int64)
    by_item(indptr, keys, *out)
    return out


def flipped(indptr: Longs, keys: Ints, values: Floats, n_keys: int) -> tuple[Longs, Ints, Floats]:
    """The same with values instead of positions: the transpose of a sparse matrix."""
    out, rows, places = turned(indptr, keys, n_keys)
    return out, rows, values[places]
