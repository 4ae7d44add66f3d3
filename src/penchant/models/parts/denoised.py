"""The part of a noised symmetric matrix that stands out from its noise."""

from __future__ import annotations

import numpy as np

from penchant.core.histories import Floats


def denoised(matrix: Floats, deviation: float) -> tuple[Floats, Floats]:
    """Eigenvalues, descending, and eigenvectors ``(n, r)`` of a symmetric matrix plus noise; at least one.

    The noise of an n × n matrix alone has eigenvalues up to about 2 · deviation · √n; the eigenvalue λ of the sum that
    lies above stands for λ − n · deviation² / λ of the matrix (Benaych-Georges and Nadakuditi, "The eigenvalues and
    eigenvectors of finite, low rank perturbations of large random matrices", 2011). What lies below is left out.
    Costs O(n³).
    """
    from penchant.kernels.threads import one_blas_thread

    with one_blas_thread():
        values, vectors = np.linalg.eigh(matrix.astype(np.float64))
    kept = max(1, int((values > edge(len(matrix), deviation)).sum()))
    values, vectors = values[::-1][:kept], vectors[:, ::-1][:, :kept]
    noise = len(matrix) * deviation**2 / np.maximum(values, 1e-12)
    return np.maximum(values - noise, 0).astype(np.float32), np.ascontiguousarray(vectors, dtype=np.float32)


def edge(n: int, deviation: float) -> float:
    """The largest eigenvalue that noise alone is expected to have: 2 · deviation · √n (Wigner)."""
    return 2 * deviation * float(np.sqrt(n))
