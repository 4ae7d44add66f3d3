"""Sparse EASE: each item is predicted from its nearest items and a few directions, for large catalogues."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.core.log_shape import LogShape
from penchant.core.memory import fits, require
from penchant.core.run import Run
from penchant.errors import ParameterError
from penchant.models.kinds.base import AUTO, Space, hyper
from penchant.models.kinds.linear import LinearModel
from penchant.models.kinds.self_tuned import RIDGE, Grid, SelfTuned
from penchant.models.parts.operators import crowded, mostly_full, squares, whole_gram, whole_histories
from penchant.models.parts.ragged import flipped
from penchant.models.parts.spectral import leading
from penchant.models.parts.weights import Weights, times_dense

if TYPE_CHECKING:
    from penchant.core.split import Split

Doubles = NDArray[np.float64]
COLUMNS = 32  # per block, at least
PASSES = 5  # products with the Gram matrix that find the leading directions
BLOCKS = 2_000  # at most, because each clears arrays as long as the catalogue


@dataclass(kw_only=True)
class SparseEASE(SelfTuned, LinearModel):
    """The regressions of EASE, each solved on the ``neighbours`` that explain an item best and ``rank`` directions.

    min ‖X_j − X w‖² + Σ_i λ_i w_i²  over w = s + V c with w_j = 0 and s zero outside N_j and j;  G = XᵀX
    N_j = the ``neighbours`` with the largest G_ij² / (G_ii + λ_i);  V = ``rank`` leading right singular vectors of X

    with λ_i = reg + dropout / (1 − dropout) · G_ii as in ``ease``. The columns of EASE (Steck, WWW 2019) are these
    regressions over all w; here each is solved exactly in a span of few dimensions, where SANSA (Spišák et al., RecSys
    2023) approximates the inverse as a whole. The nearest items alone miss the small contributions of many items, which
    V captures. With ``neighbours`` = n − 1 it equals ``ease``; with ``rank`` 0 the operator is sparse. ``python -m
    bench sparse-ease`` measures how close both come to ``ease``, and the cost of a million items. ``reg`` is estimated
    as in ``ease``.

    Cost: where the Gram matrix would be mostly full (few items, many events) it is computed and stored whole, 4·n²
    bytes. Otherwise every item computes the few entries it needs from the events; memory is then 24 bytes per event,
    and per item 8 for each neighbour and 20 for each direction: linear in events and items. Either way (neighbours +
    rank)³ / 6 multiplications an item, divided among the threads. An empty history scores zero everywhere. Raises
    ``ParameterError`` where ``reg`` is too small.
    """

    name: ClassVar[str] = "sparse-ease"

    estimated: ClassVar[dict[str, Grid]] = {"reg": RIDGE}

    reg: float | str = hyper(
        AUTO, "ridge penalty λ; auto: estimated from training histories", number=float, gt=0, auto=True,
        was={-1: AUTO}, space=Space(1, 3_000, log=True), other=500.0,
    )  # fmt: skip
    dropout: float = hyper(
        0.5,
        "regularise as if this share of events were dropped at random",
        ge=0,
        le=0.95,
        space=Space(0.0, 0.8),
        other=0.0,
    )
    neighbours: int = hyper(150, "items that predict each", ge=1, space=Space(30, 300, log=True), other=3)

    rank: int = hyper(
        64,
        "number of leading directions, shared by all items; with 0 the operator is sparse",
        ge=0,
        space=Space(16, 128, log=True),
        other=0,
    )

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        from penchant.kernels.local import columns_of_events, columns_of_matrix
        from penchant.kernels.threads import over_blocks

        self.estimate(replace(train, min_support=1), run)  # of a sample, which shares fewer
        events, n = train.distinct(), train.n_items
        diagonal, k = squares(events), min(self.neighbours, max(n - 1, 1))
        penalty = (self.value("reg") + self.dropout / (1 - self.dropout) * diagonal).astype(np.float32)
        by_pairs = events.min_support > 1  # which the events themselves do not tell
        if by_pairs:
            require(4 * n * n, f"{self.name} with min_support over {n:,} items", "use item-knn, or fewer items")
        matrix = whole_gram(events, run) if by_pairs or (crowded(events) and fits(4 * n * n)) else None
        rows = events.indptr, events.items, events.weights()
        columns = flipped(*rows, n)
        v, hv, vhv = self._shared(events, penalty, max(n - 1 - k, 0), run)
        pull = np.zeros((v.shape[1], n), dtype=np.float32)

        def work(lo: int, hi: int) -> tuple[Longs, Ints, Floats]:
            room = (hi - lo) * (k + 1)
            sizes, found, values = np.zeros(hi - lo, np.int64), np.empty(room, np.int32), np.empty(room, np.float32)
            if matrix is not None:
                used = columns_of_matrix(
                    lo, hi, matrix, diagonal, penalty, v, hv, vhv, k, sizes, found, values, pull
                )  # fmt: skip
            else:
                used = columns_of_events(
                    lo, hi, *rows, *columns, diagonal, penalty, v, hv, vhv, k, sizes, found, values, pull
                )  # fmt: skip
            if used < 0:
                raise ParameterError(f"{self.name}: reg is too small, the pairs of items {lo} to {hi - 1} are singular")
            return sizes, found[:used].copy(), values[:used].copy()

        size = max(COLUMNS, n // BLOCKS)
        parts = over_blocks(work, n, size=size, threads=run.threads, progress=run.report("columns"))
        sizes, items, values = (np.concatenate(part) for part in zip(*parts, strict=True))
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        nearest = flipped(indptr, items, values, n)
        self.weights = Weights(*nearest, left=v, right=pull) if v.shape[1] else Weights(*nearest)

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        n, rank = log.items, min(self.rank, log.items)
        dense = mostly_full(log.pairs(), n)
        k = min(self.neighbours, max(n - 1, 1))
        fit = {
            "trials": self.trials(log),
            "visits": log.pairs() if dense else n * k * log.met,
            "solves": n * float(k + rank) ** 3,
            "products": rank * log.distinct,
            "bases": rank**2 * n,
        }
        held = 8.0 * n * k + 8.0 * n * rank
        working = 60 * log.events + 24.0 * n * rank + 4.0 * rank * log.users + (4.0 * n * n if dense else 0.0) + held
        return Cost(fit, held, working, self.answer_work(log, log.length * k, rank=rank))

    def _shared(self, events: Histories, penalty: Floats, most: int, run: Run) -> tuple[Floats, Doubles, Doubles]:
        """V, (G + Λ) V and Vᵀ (G + Λ) V for the leading directions V of the histories."""
        from penchant.kernels.threads import one_blas_thread

        rank, n = min(self.rank, most), events.n_items
        if rank == 0 or whole_histories(events, self.notes):
            return np.empty((n, 0), np.float32), np.empty((n, 0)), np.empty((0, 0))
        v = leading(events, events.weights(), rank, passes=PASSES, run=run, stage="directions")[1]
        rows = events.indptr, events.items, events.weights()
        image = times_dense(flipped(*rows, n), times_dense(rows, v, run.threads), run.threads)
        hv = image.astype(np.float64) + penalty[:, None] * v
        with one_blas_thread():
            vhv = v.T.astype(np.float64) @ hv
        return v, hv, (vhv + vhv.T) / 2
