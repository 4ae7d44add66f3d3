"""Alternating least squares for implicit feedback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.errors import ParameterError
from penchant.models.kinds.base import AUTO, Explanation, Space, events_used, hyper, learned
from penchant.models.kinds.private import NoisySums, Private
from penchant.models.kinds.self_tuned import Grid, SelfTuned
from penchant.models.kinds.vector import VectorModel
from penchant.models.parts.denoised import denoised, edge

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from penchant.core.split import Split

    Crew = ThreadPoolExecutor | None  # threads for many short calls; None: the calling one alone

ROWS = 256  # rows a block: large enough to start cheaply, small enough to share the work
FEW = 8  # with at most so many events (more for many factors) the exact n × n system beats conjugate gradient
SMALL = 32  # with at most so many factors the exact f × f system does
FOLDED_FEW, FOLDED_SMALL = 32, 64  # the same for folding in, which solves to convergence
WARY = 4.0  # by how much the ridge of noised normal equations outweighs their noise
TO_THE_END = 200  # steps, more than enough: conjugate gradient stops when only rounding is left


@dataclass(kw_only=True)
class ALS(Private, SelfTuned, VectorModel):
    """Matrix factorisation that fits every observed event to one and, lightly, every other pair to zero.

    min Σ_observed w(x·y_i − 1)² + unobserved · Σ_all (x·y_i)² + Σ_rows λ_x |x|² + Σ_items λ_i |y_i|²,
    λ = reg · (events of the row or item + unobserved · rows of the other side)^reg_exponent

    Hu, Koren and Volinsky 2008 (iALS) with the regularisation of Rendle, Krichene, Zhang and Koren 2022, "Revisiting
    the performance of iALS". w is the event's weight. The rows of the training log are solved for and discarded. A
    history is folded in by the same ridge problem, solved up to rounding, so a training history gets its training
    vector.

    What differs: item vectors are stored in the basis in which their Gram matrix is diagonal; the objective does not
    depend on the basis. There the shared part of every row's system costs f instead of f² operations, is a perfect
    preconditioner for conjugate gradient (two steps are as accurate as a Cholesky solve), and leaves blocks of factors
    coupled by the row's own events alone (``blocks``: iALS++, Rendle et al. 2021). Rows of a few events are solved
    exactly by an n × n system. ``reg`` and ``unobserved`` are estimated by ``fit`` from the training histories, as
    ``SelfTuned`` says: six fits on at most 100,000 events over 2,000 items.

    Cost an epoch, for E events, R rows and f factors: cg O(E·f·(1 + cg_steps) + R·f²); blocks O(E·f·block +
    R·f·block²); exact O(E·f² + R·f³). Memory: 4·f bytes a training row and item, 16 bytes an event. An empty history
    scores zero everywhere.
    """

    name: ClassVar[str] = "als"
    private_shares: ClassVar[dict[str, float]] = {"counts": 0.15, "gram": 0.7, "equations": 0.15}
    private_defaults: ClassVar[dict[str, Any]] = {
        "factors": 24, "epochs": 1, "reg": 0.5, "unobserved": 1.0, "reg_exponent": 0.0,
    }  # fmt: skip
    private_items: ClassVar[int] = 4_000

    estimated: ClassVar[dict[str, Grid]] = {
        "reg": Grid(2.0, (1.0, 2.0, 4.0, 8.0)),  # of λ, see ``settings_for``
        "unobserved": Grid(0.1, (0.03, 0.1, 0.3)),
    }

    factors: int = hyper(192, "length of the item vectors", ge=1, space=Space(32, 512, log=True), other=5)
    reg: float | str = hyper(
        AUTO, "regularisation; auto: estimated from training histories", number=float, gt=0, auto=True,
        was={-1: AUTO}, space=Space(1e-4, 0.1, log=True), other=0.05,
    )  # fmt: skip
    unobserved: float | str = hyper(
        AUTO, "weight of pairs without an event, against one with; auto: estimated from training histories",
        number=float, gt=0, auto=True, was={-1: AUTO}, space=Space(0.01, 1.0, log=True), other=0.9,
    )  # fmt: skip
    reg_exponent: float = hyper(
        0.8, "how fast regularisation grows with events; 0: not at all", ge=0, le=2, space=Space(0.0, 1.0), other=0.5
    )
    epochs: int = hyper(16, "times both sides are solved", ge=1, space=Space(4, 32), other=1)
    init: float = hyper(0.1, "standard deviation of the starting scores' vectors, over √factors", gt=0, other=1.0)
    solver: str = hyper(
        "auto",
        "how a row is solved: auto is exact up to 32 factors, else cg",
        choices=("auto", "cg", "exact", "blocks"),
        other="blocks",
    )
    cg_steps: int = hyper(2, "conjugate gradient steps a row and epoch", ge=1, other=1, when={"solver": "cg"})
    block: int = hyper(32, "factors solved at once by blocks", ge=1, other=3, when={"solver": "blocks"})

    spectrum: Floats = learned()  # (factors,) the diagonal of item_vectors.T @ item_vectors

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        from penchant.kernels.threads import crew

        self.estimate(train, run)
        events = train.distinct()
        events = events[events.lengths > 0]
        sides = (_Side.of(events.indptr, events.items, events.weights()), _Side.turned(events))
        y = run.rng().standard_normal((train.n_items, self.factors), dtype=np.float32)
        y *= np.float32(self.init / np.sqrt(self.factors))
        x = np.zeros((len(events), self.factors), dtype=np.float32)
        progress = run.report("als")
        with crew(run.threads) as hands:
            for epoch in range(self.epochs):
                self._half(x, y, sides[0], sides[1].counts, hands)
                self._half(y, x, sides[1], sides[0].counts, hands)
                if progress is not None:
                    progress(epoch + 1, self.epochs)
            self.spectrum, basis = _diagonalise(y, hands)
            _rotate(y, np.arange(len(y)), basis, hands)
        self.item_vectors = y

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        f, sides = float(self.factors), log.users + log.items
        exact = self.solver == "exact" or (self.solver == "auto" and self.factors <= SMALL)
        tried, events = self.trials(log) * f * self.epochs, self.epochs * log.distinct
        if exact:
            fit = {"exact trials": tried, "squares": events * f**2, "cubes": self.epochs * sides * f**3}
        elif self.solver == "blocks":
            fit = {"block trials": tried, "parts": events * f * self.block}
            fit["solves"] = self.epochs * sides * f * self.block**2
        else:
            fit = {"trials": tried, "products": events * f * (1 + self.cg_steps), "bases": self.epochs * sides * f**2}
        answer = {"histories": 1.0, "fold": log.length * f, "cells": f * log.items}
        held = 4 * f * log.items
        return Cost(fit, held, 4 * f * sides + 48 * log.events, answer)

    def settings_for(self, settings: dict[str, float], log: Histories) -> dict[str, float]:
        """``reg`` such that a tried value is √(mean λ_x · mean λ_i).

        Only that product matters, because the scale of rows against items is free; and it means the same in a sample
        and in the whole log.
        """
        if self.reg != AUTO:
            return settings
        items, rows = log.counts(), log.lengths
        items, rows = items[items > 0], rows[rows > 0]
        sides = ((rows, log.n_items), (items, len(rows)))
        by_one = [((n + settings["unobserved"] * others) ** self.reg_exponent).mean() for n, others in sides]
        return {**settings, "reg": settings["reg"] / float(np.sqrt(by_one[0] * by_one[1]))}

    def _half(self, x: Floats, y: Floats, side: _Side, counts: Floats, hands: Crew) -> None:
        """Solve for ``x`` in place; rotates both sides into the basis in which ``y`` has a diagonal Gram matrix."""
        from penchant.kernels.als import squares
        from penchant.kernels.threads import over_blocks

        spectrum, basis = _diagonalise(y, hands)
        exact = self.solver == "exact" or (self.solver == "auto" and self.factors <= SMALL)
        if exact:
            few, steps, size = self.factors, 0, self.factors
        elif self.solver == "blocks":
            few, steps, size = 0, 0, self.block
        else:  # rows that are solved exactly need no rotation, which costs more the longer a vector is
            few, steps, size = FEW + self.factors // 32, self.cg_steps, 0
        _rotate(y, np.arange(len(y)), basis, hands)
        if not exact:
            _rotate(x, np.flatnonzero(side.counts > few), basis, hands)

        def of_block(lo: int, hi: int) -> Floats:
            out = np.zeros(self.factors, dtype=np.float32)
            squares(lo, hi, y, counts, out)
            return out

        parts = over_blocks(of_block, len(y), size=4096, threads=0 if hands else 1, crew=hands)
        typical = np.sum(parts, axis=0) / counts.sum()
        self._solve(x, y, side, spectrum, typical.astype(np.float32), few, steps, size, hands)

    def _solve(
        self,
        x: Floats,
        y: Floats,
        side: _Side,
        spectrum: Floats,
        typical: Floats,
        few: int,
        steps: int,
        size: int,
        hands: Crew,
    ) -> None:
        from penchant.kernels.als import solve
        from penchant.kernels.threads import over_blocks

        unobserved = self.value("unobserved")
        reg = (self.value("reg") * (side.counts + unobserved * len(y)) ** self.reg_exponent).astype(np.float32)
        shared = np.float32(unobserved) * spectrum

        def work(lo: int, hi: int) -> None:
            solve(lo, hi, side.indptr, side.items, side.weights, y, shared, typical, reg, few, steps, size, x)

        over_blocks(work, len(x), size=ROWS, threads=0 if hands else 1, crew=hands)

    def check_private(self) -> None:
        """As in ``Private``: nothing is estimated, and one half step is paid for."""
        if self.epochs != 1 or AUTO in (self.reg, self.unobserved):
            raise ParameterError(f"{self.name} with a promise of privacy takes one epoch, and reg and unobserved given")

    def fit_private(self, sums: NoisySums, run: Run) -> None:
        """As in ``Private``: one half step on noised normal equations, from the eigenvectors of a noised Gram matrix.

        After Chien et al., "Private alternating least squares" (ICML 2021), which starts at random and takes more
        steps. What the noise leaves open stays as it was: the ridge pulls to the eigenvectors. ``epochs`` must be 1. At
        most ``factors`` directions are used, and no more than stand out from the noise.
        """
        pairs, deviation = sums.gram()
        values, vectors = denoised(pairs, deviation)
        values, vectors = values[: self.factors], vectors[:, : self.factors]
        y = np.zeros((len(pairs), self.factors), dtype=np.float32)
        y[:, : len(values)] = vectors * np.sqrt(values / max(float(values[0]), 1e-12))
        self._private_side(y)
        matrices, right, noise = sums.equations(self.embed, self.factors)
        shared = np.float32(self.value("unobserved")) * matrices[-1]
        size, basis = np.linalg.eigh((matrices[:-1] + shared).astype(np.float64))
        size, before = np.maximum(size, 0), np.einsum("ifg,if->ig", basis, self.item_vectors)
        wanted = np.einsum("ifg,if->ig", basis, right[:-1])
        meant = size * before  # the right sides that the vectors so far would solve, but for their length
        length = float((wanted * meant).sum() / max(float((meant**2).sum()), 1e-12))
        ridge = WARY * edge(self.factors, noise) + self.value("reg")
        solved = (wanted + ridge * max(length, 1e-3) * before) / (size + ridge)
        self._private_side(np.einsum("ifg,ig->if", basis, solved).astype(np.float32))

    def _private_side(self, y: Floats) -> None:
        """Item vectors, in the basis in which their Gram matrix is diagonal."""
        self.spectrum, basis = _diagonalise(y, None)
        _rotate(y, np.arange(len(y)), basis, None)
        self.item_vectors = y

    def embed(self, given: Histories) -> Floats:
        """The ridge solutions of histories, ``(len(given), factors)``, up to rounding; zeros for an empty one."""
        from penchant.kernels.threads import crew

        events = given.distinct()
        side = _Side.of(events.indptr, events.items, events.weights())
        x = np.zeros((len(events), self.factors), dtype=np.float32)
        if self.factors <= FOLDED_SMALL:
            few, steps = self.factors, 0
        else:
            few, steps = FOLDED_FEW, TO_THE_END
        typical = self.spectrum / np.float32(self.n_items)
        with crew(0) as hands:
            self._solve(x, self.item_vectors, side, self.spectrum, typical, few, steps, self.factors, hands)
        return x

    def _explain(self, given: Histories, items: Longs) -> list[Explanation]:
        """Exact: with A the history's ridge matrix, event j gives w_j · y_item·A⁻¹y_j, and the base is zero.

        The newest event of a repeated item gets the contribution of all of them.
        """
        nothing = np.zeros(len(given.items), dtype=np.float32)
        events = given.positives().distinct()
        if len(events.items) == 0:
            return [Explanation("exact", 0.0, 0.0, nothing) for _ in items]
        w, y = events.weights().astype(np.float64), self.item_vectors[events.items].astype(np.float64)
        unobserved = self.value("unobserved")
        reg = self.value("reg") * (len(events.items) + unobserved * self.n_items) ** self.reg_exponent
        a = (y.T * w) @ y + np.diag(unobserved * self.spectrum.astype(np.float64) + reg)
        event, out = events_used(given, events), []
        for item in items.tolist():
            gave = w * (y @ np.linalg.solve(a, self.item_vectors[item].astype(np.float64)))
            parts = nothing.copy()
            parts[event] = gave
            out.append(Explanation("exact", float(gave.sum()), 0.0, parts))
        return out


@dataclass(frozen=True, eq=False)
class _Side:
    """Events from one side: a row's ``items`` are the rows of the other."""

    indptr: Longs
    items: Ints
    weights: Floats
    counts: Floats  # events a row

    @classmethod
    def of(cls, indptr: Longs, items: Ints, weights: Floats) -> _Side:
        return cls(indptr, items, weights, np.diff(indptr).astype(np.float32))

    @classmethod
    def turned(cls, events: Histories) -> _Side:
        """The events by item."""
        from penchant.kernels.ragged import by_item

        indptr = np.zeros(events.n_items + 1, dtype=np.int64)
        rows, order = np.empty(len(events.items), dtype=np.int32), np.empty(len(events.items), dtype=np.int64)
        by_item(events.indptr, events.items, indptr, rows, order)
        return cls.of(indptr, rows, events.weights()[order])


def _diagonalise(y: Floats, hands: Crew) -> tuple[Floats, Floats]:
    """Eigenvalues of ``y.T @ y``, and its eigenvectors as rows."""
    from penchant.kernels.als import gram
    from penchant.kernels.threads import one_blas_thread, over_blocks

    def of_block(lo: int, hi: int) -> Floats:
        out = np.zeros((y.shape[1], y.shape[1]), dtype=np.float32)
        gram(lo, hi, y, out)
        return out

    lower = np.zeros((y.shape[1], y.shape[1]), dtype=np.float64)
    for part in over_blocks(of_block, len(y), size=4096, threads=0 if hands else 1, crew=hands):
        lower += part
    with one_blas_thread():
        values, vectors = np.linalg.eigh(lower, UPLO="L")
    return np.maximum(values, 0).astype(np.float32), np.ascontiguousarray(vectors.T, dtype=np.float32)


def _rotate(rows: Floats, which: Longs, basis: Floats, hands: Crew) -> None:
    """Rotate the rows ``which`` into the basis, in place."""
    from penchant.kernels.als import rotate
    from penchant.kernels.threads import over_blocks

    over_blocks(
        lambda lo, hi: rotate(lo, hi, which, rows, basis), len(which), size=1024, threads=0 if hands else 1, crew=hands
    )
