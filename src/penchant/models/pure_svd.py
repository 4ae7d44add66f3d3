"""PureSVD: a history is projected on the directions in which histories vary most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.histories import Floats, Histories, Ints, Longs
from penchant.models.base import Run, Space, hyper
from penchant.models.linear import LinearModel, Weights

if TYPE_CHECKING:
    from penchant.split import Split

EXTRA = 16  # directions carried beyond those kept: they take the error of the last ones
ROWS = 512  # rows a block


@dataclass(kw_only=True)
class PureSVD(LinearModel):
    """The best projection of histories on ``factors`` directions, missing pairs read as zeros.

    min ‖X D − X D V Vᵀ‖²,  VᵀV = 1,  D = diag(histories with the item)^(−popularity_exponent);  W = V Vᵀ

    Cremonesi, Koren and Turrin 2010; the scaling D is that of EigenRec (Nikolakopoulos et al. 2019). V is found by
    subspace iteration from a random start (Halko, Martinsson and Tropp 2011): ``passes`` products with XᵀX, then the
    exact decomposition inside the subspace.

    Cost for E events, n items and f factors: O(passes · f · (E + n·f)), memory 4·f bytes a training row and 16·f an
    item. An empty history scores zero everywhere.
    """

    name: ClassVar[str] = "pure-svd"

    factors: int = hyper(128, "directions kept", ge=1, space=Space(16, 1024, log=True), other=5)
    popularity_exponent: float = hyper(
        0.0, "how much frequent items are scaled down before", ge=0, le=1, space=Space(0.0, 0.6), other=0.5
    )
    passes: int = hyper(6, "products with the data's Gram matrix; more are more exact", ge=1, other=1)

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        from penchant.kernels.threads import one_blas_thread

        events = train.distinct()
        scale = np.maximum(self.item_counts, 1).astype(np.float64) ** -self.popularity_exponent
        data = events.weights() * scale[events.items].astype(np.float32)
        by_item = _by_item(events, data)
        by_row = events.indptr, events.items, data
        width = min(self.factors + EXTRA, train.n_items)
        span = run.rng().standard_normal((train.n_items, width), dtype=np.float32)
        progress = run.report("pure-svd")
        with one_blas_thread():
            for done in range(self.passes):
                span = np.linalg.qr(span)[0]
                span = _times(by_item, _times(by_row, span, run.threads), run.threads)
                if progress is not None:
                    progress(done + 1, self.passes)
            span = np.linalg.qr(span.astype(np.float64))[0]
            image = _times(by_row, span.astype(np.float32), run.threads)
            inner = np.linalg.eigh((image.T @ image).astype(np.float64))[1]
            kept = (span @ inner[:, ::-1][:, : self.factors]).astype(np.float32)
        self.weights = Weights(left=kept, right=np.ascontiguousarray(kept.T))

    def _score(self, given: Histories) -> Floats:
        left, right = self.weights.left, self.weights.right
        assert left is not None and right is not None  # what fit made
        recent = self.recent(given)
        inside = _times((recent.indptr, recent.items, self.coefficients(recent)), left, 0)
        return np.asarray(inside @ right, dtype=np.float32)


def _by_item(events: Histories, data: Floats) -> tuple[Longs, Ints, Floats]:
    """The events turned: for every item its rows and their values."""
    from penchant.kernels.ragged import by_item

    indptr = np.zeros(events.n_items + 1, dtype=np.int64)
    rows, order = np.empty(len(events.items), dtype=np.int32), np.empty(len(events.items), dtype=np.int64)
    by_item(events.indptr, events.items, indptr, rows, order)
    return indptr, rows, data[order]


def _times(matrix: tuple[Longs, Ints, Floats], dense: Floats, threads: int) -> Floats:
    from penchant.kernels.lowrank import times
    from penchant.kernels.threads import over_blocks

    indptr, indices, data = matrix
    dense = np.ascontiguousarray(dense)
    out = np.empty((len(indptr) - 1, dense.shape[1]), dtype=np.float32)
    over_blocks(lambda lo, hi: times(lo, hi, indptr, indices, data, dense, out), len(out), size=ROWS, threads=threads)
    return out
