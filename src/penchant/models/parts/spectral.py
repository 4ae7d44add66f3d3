"""The directions in which histories vary most, computed by products with the data alone."""

from __future__ import annotations

import numpy as np

from penchant.core.histories import Floats, Histories
from penchant.core.run import Run
from penchant.models.parts.ragged import flipped
from penchant.models.parts.weights import times_dense

EXTRA = 16  # more directions than are kept: they absorb the error of the last ones


def leading(
    events: Histories, values: Floats, factors: int, *, passes: int, run: Run, stage: str
) -> tuple[Floats, Floats]:
    """The largest eigenvalues of XᵀX and their vectors, ``(f,)`` descending and ``(n_items, f)``, f ≤ ``factors``.

    X holds ``values`` (events,). Subspace iteration from a random start (Halko, Martinsson and Tropp, "Finding
    structure with randomness", 2011): ``passes`` products with XᵀX, then the exact decomposition inside the subspace.
    Costs O(passes · f · (events + n_items · f)).
    """
    from penchant.kernels.threads import one_blas_thread

    by_item, by_row = (
        flipped(events.indptr, events.items, values, events.n_items),
        (events.indptr, events.items, values),
    )
    width = min(factors + EXTRA, events.n_items)
    span = run.rng().standard_normal((events.n_items, width), dtype=np.float32)
    progress = run.report(stage)
    with one_blas_thread():
        for done in range(passes):
            span = np.linalg.qr(span)[0]
            span = times_dense(by_item, times_dense(by_row, span, run.threads), run.threads)
            if progress is not None:
                progress(done + 1, passes)
        span = np.linalg.qr(span.astype(np.float64))[0]
        image = times_dense(by_row, span.astype(np.float32), run.threads)
        size, inner = np.linalg.eigh((image.T @ image).astype(np.float64))
        kept = (span @ inner[:, ::-1][:, :factors]).astype(np.float32)
    return size[::-1][:factors].astype(np.float32), kept
