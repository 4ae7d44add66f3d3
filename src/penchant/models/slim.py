"""SLIM: each item is predicted from a few others by an elastic net."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.models.kinds.base import Space, hyper
from penchant.models.kinds.linear import LinearModel
from penchant.models.parts.operators import GramMatrix, mostly_full
from penchant.models.parts.ragged import flipped
from penchant.models.parts.weights import Weights

if TYPE_CHECKING:
    from penchant.core.split import Split

SWEEPS = 1000  # of coordinate descent inside the active set, at most
ROUNDS = 200  # in which items enter it, at most
COLUMNS = 16  # a block


@dataclass(kw_only=True)
class SLIM(LinearModel):
    """Each item predicted from few others: a sparse, by default non-negative, linear autoencoder without a diagonal.

    min_W ½‖X − XW‖² + ½ l2 ‖W‖² + l1 ‖W‖₁  with W_jj = 0 and, unless ``positive`` is off, W ≥ 0

    Ning and Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender Systems", ICDM 2011. Every column is a separate
    problem, solved to ``tolerance`` by coordinate descent on the Gram matrix XᵀX over a growing active set; l1 and
    l2 are compared with co-occurrence counts. X holds event weights; ratings count as ones.

    Cost: the Gram matrix once, as in ``ease`` (dense, 4·n² bytes) or as sparse pairs, 8 bytes each, depending on
    the data; a column costs its active items times their neighbours, and columns are divided among the threads. An
    empty history scores zero everywhere. Raises ``MemoryLimitError`` where the pairs do not fit.
    """

    name: ClassVar[str] = "slim"

    l1: float = hyper(2.0, "penalty on |w|: how sparse it is", ge=0, space=Space(0.1, 30, log=True), other=10.0)
    l2: float = hyper(10.0, "penalty on w²", gt=0, space=Space(1, 1000, log=True), other=100.0)
    positive: bool = hyper(True, "no weight is below zero", other=False)
    tolerance: float = hyper(1e-4, "a column is done when no weight changes by more", gt=0, other=0.2)

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        pairs = GramMatrix.of(train.distinct(), run, who=self.name)
        targets = np.arange(train.n_items, dtype=np.int32)
        indptr, items, values = solve(pairs, targets, self, run)
        self.weights = Weights(*flipped(indptr, items, values, train.n_items))

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        n = log.items
        dense = mostly_full(log.pairs(), n)
        met = log.kept(None)
        matrix = 4.0 * n * n if dense else 8 * met
        # the more items and the more they share, the more of them a column weighs, and the more passes that takes
        fit = {"pairs": log.pairs(), "entries": float(n) ** 2 if dense else met, "columns": n}
        fit["passes"] = n * log.pairs()
        kept = min(met, 200.0 * n)
        working = 60 * log.events + (1 if dense else 2) * matrix + 2 * 8.0 * COLUMNS * n
        return Cost(fit, 8 * kept, working, self.answer_work(log, log.length * kept / n))


def solve(pairs: GramMatrix, targets: Ints, model: SLIM, run: Run) -> tuple[Longs, Ints, Floats]:
    """The columns of ``targets`` as a ragged array: items and weights of each."""
    from penchant.kernels.elastic import elastic_columns
    from penchant.kernels.threads import over_blocks

    n = len(pairs.diagonal)

    def work(lo: int, hi: int) -> tuple[Longs, Ints, Floats]:
        sizes, found, values = (
            np.zeros(hi - lo, np.int64),
            np.empty((hi - lo) * n, np.int32),
            np.empty((hi - lo) * n, np.float32),
        )
        used = elastic_columns(
            lo, hi, targets, pairs.dense, pairs.indptr, pairs.indices, pairs.data, pairs.diagonal, model.l1, model.l2,
            model.positive, model.tolerance, SWEEPS, ROUNDS, sizes, found, values,
        )  # fmt: skip
        return sizes, found[:used].copy(), values[:used].copy()

    parts = over_blocks(work, len(targets), size=COLUMNS, threads=run.threads, progress=run.report("columns"))
    sizes, items, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), items, values
