"""EASE: the linear autoencoder that is solved rather than trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.errors import ParameterError
from penchant.histories import Floats, Histories
from penchant.memory import require
from penchant.models.base import Run, Space, hyper
from penchant.models.linear import LinearModel, Weights
from penchant.models.operators import gram

if TYPE_CHECKING:
    from penchant.split import Split

TILES_A_BLOCK = 64


@dataclass(kw_only=True)
class EASE(LinearModel):
    """Each item predicted from all others by ridge regression without a diagonal, in closed form.

    min_W ‖X − XW‖² + Σ_i λ_i ‖W_i·‖² with W_ii = 0 is solved by W_ij = −P_ij / P_jj, P = (XᵀX + Λ)⁻¹, where
    λ_i = reg + dropout / (1 − dropout) · (XᵀX)_ii. With ``dropout`` = 0 it is EASE (Steck, "Embarrassingly Shallow
    Autoencoders for Sparse Data", WWW 2019); otherwise popular items are held back as if that share of events had been
    dropped at random (Steck, "Autoencoders that don't overfit towards the Identity", NeurIPS 2020). X holds event
    weights; ratings count as ones.

    Cost: n³ multiplications for n items in float32 and one n × n matrix, 4·n² bytes, in which everything is done in
    place; scoring reads one row of it an event. The Gram matrix is summed by our kernel on ``run.threads``, the
    factorisation uses the threads of LAPACK. An empty history scores zero everywhere. Raises ``MemoryLimitError`` when
    the matrix would take more than 80 % of the free memory and ``ParameterError`` when ``reg`` is too small for
    float32.
    """

    name: ClassVar[str] = "ease"

    reg: float = hyper(250.0, "ridge penalty λ", gt=0, space=Space(10, 10_000, log=True), other=20.0)
    dropout: float = hyper(
        0.0, "share of events as if dropped at random", ge=0, le=0.95, space=Space(0.0, 0.8), other=0.5
    )

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        n = train.n_items
        require(4 * n * n, f"ease over {n:,} items", "use a sparse model (item-knn, sparse-ease) or fewer items")
        matrix = gram(train.distinct(), run)
        penalty = self.reg + self.dropout / (1 - self.dropout) * matrix.diagonal()
        matrix[np.diag_indices(n)] += penalty.astype(np.float32)
        self.weights = Weights(dense=_solve(matrix, run))


def _solve(matrix: Floats, run: Run) -> Floats:
    """The weights of EASE, written over the regularised Gram matrix whose upper triangle is given."""
    from scipy.linalg.lapack import spotrf, spotri

    from penchant.kernels.gram import gram_to_weights
    from penchant.kernels.threads import over_blocks

    # the transposed view is in LAPACK's column order, so nothing is copied; our upper triangle is its lower one
    factor, failed = spotrf(matrix.T, lower=1, overwrite_a=1, clean=0)
    if not failed:
        factor, failed = spotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise ParameterError(f"ease: reg is too small for float32, the matrix is singular at item {abs(failed) - 1}")
    inverse: Floats = factor.T
    scale = (-1.0 / inverse.diagonal()).astype(np.float32)
    side = -(-len(inverse) // 64)
    over_blocks(
        lambda lo, hi: gram_to_weights(lo, hi, inverse, scale),
        side * (side + 1) // 2,
        size=TILES_A_BLOCK,
        threads=run.threads,
    )
    return inverse
