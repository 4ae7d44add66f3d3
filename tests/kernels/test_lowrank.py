"""The sparse product against that of SciPy."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.kernels.lowrank import times


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 20), columns=st.integers(1, 20), width=st.integers(1, 9), seed=st.integers(0, 99))
def test_equals_the_product(rows: int, columns: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = sp.random(rows, columns, density=0.4, format="csr", rng=rng, dtype=np.float32)
    dense = rng.normal(size=(columns, width)).astype(np.float32)
    out = np.full((rows, width), 9.0, dtype=np.float32)
    parts = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data
    times(0, rows // 2, *parts, dense, out)
    times(rows // 2, rows, *parts, dense, out)
    np.testing.assert_allclose(out, matrix @ dense, rtol=0, atol=1e-5)
