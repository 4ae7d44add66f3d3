"""Sparse EASE: each item predicted from its nearest by ridge regression, for catalogues that EASE cannot hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.errors import ParameterError
from penchant.histories import Floats, Histories, Ints, Longs
from penchant.models.base import Run, Space, hyper
from penchant.models.linear import LinearModel, Weights
from penchant.models.operators import Pairs
from penchant.models.ragged import flipped

if TYPE_CHECKING:
    from penchant.split import Split

COLUMNS = 32  # a block


@dataclass(kw_only=True)
class SparseEASE(LinearModel):
    """Each item predicted by ridge regression from the ``neighbours`` items that, each alone, explain most of it.

    min ‖X_j − X_N w‖² + Σ_i λ_i w_i²,  N = the largest G_ij² / (G_ii + λ_i),  w = (G_NN + Λ_N)⁻¹ G_Nj,  G = XᵀX

    with λ_i = reg + dropout / (1 − dropout) · G_ii as in ``ease``. The columns of EASE (Steck, WWW 2019) are these
    regressions on all other items; here each is solved exactly on a few of them, where SANSA (Spišák et al., RecSys
    2023) approximates the inverse as a whole. With ``neighbours`` = n − 1 it equals ``ease``.

    Cost: the pairs that ever met, 8 bytes each while fitting, and neighbours³ / 3 multiplications an item, divided
    among the threads; what is learned takes 8 bytes a neighbour, so memory grows linearly with the catalogue. An empty
    history scores zero everywhere. Raises ``MemoryLimitError`` where the pairs do not fit and ``ParameterError`` where
    ``reg`` is too small.
    """

    name: ClassVar[str] = "sparse-ease"

    reg: float = hyper(60.0, "ridge penalty λ", gt=0, space=Space(1, 3_000, log=True), other=500.0)
    dropout: float = hyper(
        0.5, "share of events as if dropped at random", ge=0, le=0.95, space=Space(0.0, 0.8), other=0.0
    )
    neighbours: int = hyper(150, "items that predict each", ge=1, space=Space(30, 300, log=True), other=3)

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        from penchant.kernels.local import local_columns
        from penchant.kernels.threads import over_blocks

        pairs = Pairs.of(train.distinct(), run, who=self.name)
        penalty = (self.reg + self.dropout / (1 - self.dropout) * pairs.diagonal).astype(np.float32)
        k = min(self.neighbours, max(train.n_items - 1, 1))

        def work(lo: int, hi: int) -> tuple[Longs, Ints, Floats]:
            room = (hi - lo) * k
            sizes, found, values = np.zeros(hi - lo, np.int64), np.empty(room, np.int32), np.empty(room, np.float32)
            used = local_columns(
                lo, hi, pairs.dense, pairs.indptr, pairs.indices, pairs.data, pairs.diagonal, penalty, k, sizes, found,
                values,
            )  # fmt: skip
            if used < 0:
                raise ParameterError(f"{self.name}: reg is too small, the pairs of items {lo} to {hi - 1} are singular")
            return sizes, found[:used].copy(), values[:used].copy()

        parts = over_blocks(work, train.n_items, size=COLUMNS, threads=run.threads, progress=run.report("columns"))
        sizes, items, values = (np.concatenate(part) for part in zip(*parts, strict=True))
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.weights = Weights(*flipped(indptr, items, values, train.n_items))
