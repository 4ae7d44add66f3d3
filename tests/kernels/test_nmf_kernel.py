"""Non-negative ridge regression against SciPy's active-set solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls

from penchant.kernels.nmf import nonnegative


@pytest.mark.parametrize("f", [1, 3, 8])
def test_equals_the_active_set_solution(f: int) -> None:
    rng = np.random.default_rng(f)
    lengths = np.array([0, 3, 9, 20])
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    items = np.concatenate([rng.choice(25, n, replace=False) for n in lengths]).astype(np.int32)
    ratings = rng.normal(1, 2, indptr[-1]).astype(np.float32)
    y, centre = rng.uniform(size=(25, f)).astype(np.float32), rng.uniform(size=f).astype(np.float32)
    x = np.empty((4, f), np.float32)
    for lo in (0, 2):
        nonnegative(lo, lo + 2, indptr, items, ratings, y, centre, 0.7, 400, x)
    np.testing.assert_allclose(x[0], centre, rtol=1e-6)
    for r in range(1, 4):
        of = slice(indptr[r], indptr[r + 1])
        a = np.vstack([y[items[of]], np.sqrt(0.7) * np.eye(f)])
        best = nnls(a.astype(float), np.concatenate([ratings[of], np.sqrt(0.7) * centre]).astype(float))[0]
        np.testing.assert_allclose(x[r], best, rtol=0, atol=2e-4)
