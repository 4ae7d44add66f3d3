"""EASE: a linear autoencoder in closed form."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories, Longs
from penchant.core.log_shape import LogShape
from penchant.core.memory import require
from penchant.core.run import Run
from penchant.errors import FormatError, ParameterError
from penchant.models.kinds.base import AUTO, Space, hyper
from penchant.models.kinds.linear import LinearModel
from penchant.models.kinds.private import NoisySums, Private
from penchant.models.kinds.self_tuned import RIDGE, Grid, SelfTuned
from penchant.models.kinds.updatable import Updatable
from penchant.models.parts.denoised import denoised, edge
from penchant.models.parts.operators import gram
from penchant.models.parts.weights import Weights

if TYPE_CHECKING:
    from penchant.core.split import Split

TILES_A_BLOCK = 64
Doubles = NDArray[np.float64]
FAR = 4.0  # growth of an entry of the inverse's diagonal beyond which rounding dominates
CHANGES = 64  # changed histories before everything is solved again
ROWS_A_BLOCK = 256
FEWER = 8  # items a history from which the matrix of histories is solved instead of that of items
LAPACK_LIMIT = 30_000  # items; above 32,768 the Cholesky factorisation of OpenBLAS may crash the process
SWEPT_AT_ONCE = 2_048  # items per block: 100 to 200 flops for every byte of the matrix that is read again


@dataclass(eq=False)
class Gram:
    """XᵀX, and the part of the inverse that the weights do not contain."""

    pairs: Floats  # (n, n) upper triangle
    diagonal: Floats  # (n,) of P
    changes: int  # histories since the last solve

    def check(self, n_items: int) -> None:
        """Raises ``FormatError`` where a file held something else."""
        if self.pairs.shape != (n_items, n_items) or self.diagonal.shape != (n_items,):
            raise FormatError(f"the statistics are not a Gram matrix of {n_items} items")


@dataclass(kw_only=True)
class EASE(Private, Updatable, SelfTuned, LinearModel):
    """Each item predicted from all others by ridge regression without a diagonal, in closed form.

    min_W ‖X − XW‖² + Σ_i λ_i ‖W_i·‖² with W_ii = 0 is solved by W_ij = −P_ij / P_jj, P = (XᵀX + Λ)⁻¹, where λ_i = reg +
    dropout / (1 − dropout) · (XᵀX)_ii. With ``dropout`` = 0 it is EASE (Steck, "Embarrassingly Shallow Autoencoders for
    Sparse Data", WWW 2019); otherwise popular items are regularised as if that share of events had been dropped at
    random (Steck, "Autoencoders that don't overfit towards the Identity", NeurIPS 2020). X holds event weights; ratings
    count as ones. ``reg`` is estimated by ``fit`` from the training histories, as ``SelfTuned`` says: four fits over at
    most 2,000 items.

    Cost: n³ multiplications for n items in float32, in place in one n × n matrix of 4·n² bytes; for m ≤ n / 8
    histories n²·m / 2, with 4·n·m bytes more. Scoring reads one row of the matrix per event. The Gram matrix is summed
    by our kernel on ``run.threads``, the factorisation uses the threads of LAPACK. An empty history scores zero
    everywhere. Raises ``MemoryLimitError`` when the matrix would take more than 80 % of the free memory and
    ``ParameterError`` when ``reg`` is too small for float32.
    """

    name: ClassVar[str] = "ease"

    estimated: ClassVar[dict[str, Grid]] = {"reg": RIDGE}
    private_shares: ClassVar[dict[str, float]] = {"counts": 0.15, "gram": 0.85}
    private_defaults: ClassVar[dict[str, Any]] = {"dropout": 0.0}
    private_items: ClassVar[int] = 4_000

    reg: float | str = hyper(
        AUTO, "ridge penalty λ; auto: estimated from training histories", number=float, gt=0, auto=True,
        was={-1: AUTO}, space=Space(10, 10_000, log=True), other=20.0,
    )  # fmt: skip
    dropout: float = hyper(
        0.5,
        "regularise as if this share of events were dropped at random",
        ge=0,
        le=0.95,
        space=Space(0.0, 0.8),
        other=0.0,
    )

    statistics: Gram | None = field(init=False, default=None, repr=False, compare=False)

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        n = train.n_items
        few = FEWER * len(train) <= n and train.min_support == 1  # single pairs are not to be told from histories
        needed = 4 * n * n + (4 * n * len(train) if few else 16 * n * SWEPT_AT_ONCE if n > LAPACK_LIMIT else 0)
        require(needed, f"ease over {n:,} items", "use a sparse model (item-knn, sparse-ease) or fewer items")
        import scipy.linalg  # noqa: F401  # its BLAS is loaded before trials are limited to one thread of each

        self.estimate(replace(train, min_support=1), run)  # of a sample, which shares fewer
        log = train.distinct()
        if few:
            self.weights = Weights(dense=_weights(self._from_histories(log), run))
        else:
            self.weights = Weights(dense=self._solved(gram(log, run), run)[0])

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        n = log.items
        few, m = FEWER * log.users <= n, float(log.users)
        beside = 4.0 * n * m if few else 16.0 * n * SWEPT_AT_ONCE if n > LAPACK_LIMIT else 0.0
        fit = {
            "trials": self.trials(log), "pairs": 0.0 if few else log.pairs(),
            "cubes": float(n) ** 2 * (m / 2 if few else n), "squares": float(n) ** 2,
        }  # fmt: skip
        return Cost(fit, 4.0 * n * n, 60 * log.events + beside, self.answer_work(log, log.length * n))

    def _solved(self, pairs: Floats, run: Run) -> tuple[Floats, Floats]:
        """The weights, which overwrite the Gram matrix, and the diagonal of P."""
        pairs[np.diag_indices(len(pairs))] += self._penalty(pairs.diagonal().astype(np.float64)).astype(np.float32)
        return _solve(pairs, run)

    def _from_histories(self, log: Histories) -> Floats:
        """The upper triangle of P from the m × m matrix of m histories: Λ⁻¹ − ZᵀZ with LLᵀ = I + XΛ⁻¹Xᵀ and
        LZ = XΛ⁻¹ (Woodbury); n²·m / 2 multiplications instead of n³."""
        from scipy.linalg import cholesky, solve_triangular
        from scipy.linalg.blas import ssyrk

        x = np.zeros((len(log), log.n_items))
        x[log.rows, log.items] = log.weights()
        penalty = self._penalty(np.einsum("ij,ij->j", x, x))
        z = x / penalty
        factor = cholesky(np.eye(len(log)) + z @ x.T, lower=True)
        z = solve_triangular(factor, z, lower=True, overwrite_b=True)
        diagonal = 1 / penalty - np.einsum("ij,ij->j", z, z)
        small = z.astype(np.float32)
        del x, z  # n·m numbers each, while n² follow
        inverse: Floats = ssyrk(-1.0, small.T, lower=1).T
        inverse[np.diag_indices(len(inverse))] = diagonal
        return inverse

    def check_private(self) -> None:
        """As in ``Private``: the noised diagonal is no count to be dropped from."""
        if self.dropout:
            raise ParameterError(f"{self.name} with a promise of privacy takes no dropout: use dropout=0")

    def fit_private(self, sums: NoisySums, run: Run) -> None:
        """As in ``Private``: ridge regression on the part of the noised Gram matrix that stands out from its noise.

        With V Σ Vᵀ of rank r, P = (I − V Σ(Σ + reg)⁻¹ Vᵀ) / reg, so W is of rank r apart from its diagonal. Without
        ``reg`` it is half of the largest eigenvalue that noise alone would have. Costs n³ for the eigenvectors.
        """
        pairs, deviation = sums.gram()
        values, vectors = denoised(pairs, deviation)
        reg = edge(len(pairs), deviation) / 2 if self.reg == AUTO else self.value("reg")
        left = vectors * (values / (values + np.float32(reg)))
        own = np.einsum("ij,ij->i", left, vectors)
        right = vectors.T / np.maximum(1 - own, 1e-3)
        n = np.arange(len(pairs))
        nothing = -np.einsum("ij,ji->i", left, right)
        self.weights = Weights(
            np.arange(len(pairs) + 1), n.astype(np.int32), nothing.astype(np.float32), left=left.astype(np.float32),
            right=np.ascontiguousarray(right, dtype=np.float32),
        )  # fmt: skip
        self.found = np.array([reg], dtype=np.float32)

    def _penalty(self, counts: Doubles) -> Doubles:
        return self.value("reg") + self.dropout / (1 - self.dropout) * counts

    # -- exact updates --------------------------------------------------------------------------------------------

    def _count(self, train: Histories, run: Run) -> Gram:
        n = train.n_items
        require(8 * n * n, f"statistics of ease over {n:,} items", "fit without updatable")
        pairs = gram(train.distinct(), run)
        dense = self.weights.dense
        assert dense is not None  # what fit made
        # P_jj from row j of (G + Λ) P = I, without solving again
        own = pairs.diagonal().astype(np.float64)
        explained = np.einsum("ij,ij->j", pairs, dense) + np.einsum("ij,ji->i", pairs, dense)
        return Gram(pairs, (1 / (own + self._penalty(own) - explained)).astype(np.float32), 0)

    def _update(self, added: Histories, removed: Histories, run: Run) -> None:
        kept = self.statistics
        assert kept is not None  # checked by update
        logs = [(added.distinct(), 1.0), (removed.distinct(), -1.0)]
        before = kept.pairs.diagonal().copy()
        for log, sign in logs:
            for r in range(len(log)):
                events = slice(log.indptr[r], log.indptr[r + 1])
                order = np.argsort(log.items[events])
                items, x = log.items[events][order], log.weights()[events][order]
                kept.pairs[np.ix_(items, items)] += np.float32(sign) * np.triu(np.outer(x, x))
        kept.changes += len(added) + len(removed)
        own = np.flatnonzero(kept.pairs.diagonal() != before) if self.dropout else np.empty(0, np.int64)
        dense = None
        if kept.changes <= CHANGES and len(own) <= len(before) // 8:
            shift = self._penalty(kept.pairs.diagonal()[own].astype(np.float64))
            shift = shift - self._penalty(before[own].astype(np.float64))
            dense = self._shifted(logs, own, shift, kept)
        if dense is None:
            dense, kept.diagonal = self._solved(kept.pairs.copy(), run)
            kept.changes = 0
        self.weights = Weights(dense=dense)

    def _shifted(self, logs: list[tuple[Histories, float]], own: Longs, shift: Doubles, kept: Gram) -> Floats | None:
        """P after G gained ± x xᵀ for every changed history and ``shift`` on the diagonal at the items ``own``:
        P − P U (S⁻¹ + Uᵀ P U)⁻¹ Uᵀ P (Woodbury), at the cost of n² multiplications per history. None where most of the
        events of an item go, so that float32 must solve again."""
        dense, p = self.weights.dense, kept.diagonal.astype(np.float64)
        assert dense is not None  # what fit made
        columns = [(log.row(r), log.weights()[log.indptr[r] : log.indptr[r + 1]], sign)
                   for log, sign in logs for r in range(len(log)) if len(log.row(r))]  # fmt: skip
        columns += [(np.array([item]), np.ones(1, np.float32), by) for item, by in zip(own, shift, strict=True)]
        if not columns:
            return dense
        reached = np.empty((len(columns), len(p)))  # Uᵀ P
        for c, (items, x, _) in enumerate(columns):
            reached[c] = -(x @ dense[items]) * p
            reached[c, items] += x * p[items]
        inner = np.diag([1 / by for _, _, by in columns])
        for c, (items, x, _) in enumerate(columns):
            inner[c] += reached[:, items] @ x
        solved = np.linalg.solve(inner, reached)
        p -= (reached * solved).sum(axis=0)
        if (p > FAR * kept.diagonal).any():
            return None
        left, right = reached.T.astype(np.float32), solved.astype(np.float32)
        old, new = kept.diagonal, p.astype(np.float32)
        out = np.empty_like(dense)
        for lo in range(0, len(out), ROWS_A_BLOCK):
            part = slice(lo, lo + ROWS_A_BLOCK)
            out[part] = (dense[part] * old + left[part] @ right) / new
        np.fill_diagonal(out, 0)
        kept.diagonal = new
        return out


def _solve(matrix: Floats, run: Run) -> tuple[Floats, Floats]:
    """The weights of EASE and the diagonal of the inverse.

    The weights overwrite the regularised Gram matrix, of which the upper triangle is given.
    """
    swept = len(matrix) > LAPACK_LIMIT
    inverse = _swept(matrix, run) if swept else _inverted(matrix, 0)
    diagonal = -inverse.diagonal() if swept else inverse.diagonal().copy()
    return _weights(inverse, run), diagonal


def _weights(inverse: Floats, run: Run) -> Floats:
    """The weights, which overwrite the inverse, of which the upper triangle is given; its sign cancels."""
    from penchant.kernels.gram import gram_to_weights
    from penchant.kernels.threads import over_blocks

    scale = -1.0 / inverse.diagonal()
    side = -(-len(inverse) // 64)
    over_blocks(
        lambda lo, hi: gram_to_weights(lo, hi, inverse, scale),
        side * (side + 1) // 2,
        size=TILES_A_BLOCK,
        threads=run.threads,
    )
    return inverse


def _inverted(matrix: Floats, first: int) -> Floats:
    """The upper triangle of the inverse, which overwrites that of a matrix whose first row is item ``first``."""
    from scipy.linalg.lapack import spotrf, spotri

    # the transposed view is in LAPACK's column order, so nothing is copied; its lower triangle is our upper one
    factor, failed = spotrf(matrix.T, lower=1, overwrite_a=1, clean=0)
    if not failed:
        factor, failed = spotri(factor, lower=1, overwrite_c=1)
    if failed:
        at = first + abs(failed) - 1
        raise ParameterError(f"ease: reg is too small for float32, the matrix is singular at item {at}")
    inverse: Floats = factor.T
    return inverse


def _swept(matrix: Floats, run: Run) -> Floats:
    """The upper triangle of the negated inverse, which overwrites that of ``matrix``.

    It sweeps one block of items after another: as many multiplications as LAPACK needs, all in products of blocks.

    Sweeping a block K of a symmetric A sets A_KK to −A_KK⁻¹, A_KJ to A_KK⁻¹ A_KJ and takes A_IK A_KK⁻¹ A_KJ from the
    rest (Goodnight, "A Tutorial on the SWEEP Operator", The American Statistician 1979).
    """
    n = len(matrix)
    blocks = [(lo, min(lo + SWEPT_AT_ONCE, n)) for lo in range(0, n, SWEPT_AT_ONCE)]
    report = run.report("solve")
    for done, (lo, hi) in enumerate(blocks):
        own = _inverted(np.ascontiguousarray(matrix[lo:hi, lo:hi]), lo)
        own = np.triu(own) + np.triu(own, 1).T
        panel = np.concatenate([matrix[:lo, lo:hi].T, matrix[lo:hi, lo:]], axis=1)
        solved = own @ panel
        for start, stop in blocks:
            if start != lo:
                matrix[start:stop, start:] -= panel[:, start:stop].T @ solved[:, start:]
        matrix[:lo, lo:hi] = solved[:, :lo].T
        matrix[lo:hi, hi:] = solved[:, hi:]
        matrix[lo:hi, lo:hi] = -own
        if report is not None:
            report(done + 1, len(blocks))
    return matrix
