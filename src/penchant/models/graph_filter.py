"""Graph filters: a history is a signal on the graph of items, and scores are the filtered signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.errors import ParameterError
from penchant.models.kinds.base import Space, hyper
from penchant.models.kinds.pair_sums import Doubles, Formula, PairModel, PairTerms
from penchant.models.parts.operators import nearest_items, products, whole_histories
from penchant.models.parts.spectral import leading
from penchant.models.parts.weights import Weights

if TYPE_CHECKING:
    from penchant.core.split import Split

PASSES = 4  # products with the data to find the leading frequencies


@dataclass(kw_only=True)
class GraphFilter(PairModel):
    """Score = the history, as a signal on the items, passed through a filter of the item graph.

    P = D_i^(−item_exponent) Rᵀ D_u^(−user_exponent) R D_i^(−item_exponent) = Σ_k λ_k v_k v_kᵀ, λ in units of λ_1
    W = D_i^(−history_exponent + item_exponent) · h(P) · D_i^(item_exponent − candidate_exponent)
    h(λ) = (1 − (1 − λ)^order + low_pass) · e^(−sharpen · λ)  for the ``rank`` largest λ;  slope · λ  for the others

    R are the training histories, D_u and D_i their lengths and the items' counts. Special cases: exponents 1, ½, ½, ½
    with ``order`` 1 and ``sharpen`` 0 are GF-CF (Shen et al., "How Powerful is Graph Convolution for Recommendation?",
    CIKM 2021), a linear filter with an ideal low pass; ``order`` 2 and 3 are the polynomials that repeat the diffusion,
    as in Turbo-CF (Park et al., SIGIR 2024); ``sharpen`` > 0 undoes part of it, like the sharpening of BSPM (Choi et
    al., SIGIR 2023), in closed form. What differs from the papers: every factor D has its own exponent, and the filter
    is one item → item operator, computed in advance. Its linear part is sparse: the ``neighbours`` largest weights of
    each history item. The rest concerns only the leading frequencies and is an exact product of two thin matrices.
    ``slope`` joins the two at the last λ. With ``rank`` 0 the filter is linear.

    Cost: one addition a pair of events of one history, and O(rank · (events + n_items · rank)) for the frequencies;
    memory is 8 bytes a neighbour and 8 · rank bytes an item. An empty history scores zero everywhere. Raises
    ``ParameterError`` where ``rank`` is 0 and ``order`` needs frequencies.
    """

    name: ClassVar[str] = "graph-filter"

    user_exponent: float = hyper(
        0.5, "exponent of the history's length, by which its events are divided", ge=0, space=Space(0.2, 1.2), other=1.5
    )
    item_exponent: float = hyper(
        0.4, "exponent of popularity in the graph whose frequencies are found", ge=0,
        space=Space(0.2, 0.6), other=0.0,
    )  # fmt: skip
    history_exponent: float = hyper(
        0.5, "exponent of the history item's popularity, which counts against a pair", space=Space(0.3, 0.8), other=0.1
    )
    candidate_exponent: float = hyper(
        0.1, "exponent of the candidate's popularity, which counts against a pair", space=Space(0, 0.5), other=0.6
    )
    rank: int = hyper(
        256, "number of leading frequencies; with 0 the filter is linear", ge=0, space=Space(32, 768, log=True), other=3
    )
    order: int = hyper(1, "steps of diffusion in the filter", ge=1, le=3, space=Space(1, 3), other=3)
    sharpen: float = hyper(
        0.5, "how much the lowest frequencies, which all share, are reduced", ge=0, space=Space(0, 4), other=3.0
    )
    low_pass: float = hyper(
        0.1, "how much the leading frequencies are amplified beyond that", ge=0, space=Space(0, 0.4), other=1.0
    )
    neighbours: int | None = hyper(
        500, "items kept for each history item in the linear part; none: all", ge=1, optional=True, was={0: None},
        space=Space(100, 2000, log=True), other=2,
    )  # fmt: skip
    max_history: int | None = hyper(
        500, "newest events of a history that are counted in pairs; none: all", ge=1, optional=True, was={0: None},
        other=3,
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank == 0 and self.order > 1:
            raise ParameterError(f"{self.name}: order above 1 needs frequencies, so rank must be at least 1")

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        events = self.bounded(train.distinct(), self.max_history)
        x = events.weights().astype(np.float64)
        count = np.maximum(np.bincount(events.items, minlength=events.n_items), 1.0)
        length = np.maximum(events.lengths, 1.0)[events.rows]
        x *= length ** (-self.user_exponent / 2)
        before, after = (x * count[events.items] ** -e for e in (self.history_exponent, self.candidate_exponent))
        near = nearest_items(
            products(events), events, after.astype(np.float32), self.neighbours, run, asked=before.astype(np.float32)
        )
        if self.rank == 0 or whole_histories(events, self.notes):
            self.weights = near
            return
        values = (x * count[events.items] ** -self.item_exponent).astype(np.float32)
        size, vectors = leading(events, values, self.rank, passes=PASSES, run=run, stage="frequencies")
        passed, slope = self.response(size)
        left = vectors * (passed * count[:, None] ** (self.item_exponent - self.history_exponent))
        right = vectors.T * count ** (self.item_exponent - self.candidate_exponent)
        assert near.data is not None  # it is sparse
        self.weights = Weights(
            near.indptr, near.indices, near.data * np.float32(slope), left=left.astype(np.float32),
            right=np.ascontiguousarray(right, dtype=np.float32),
        )  # fmt: skip

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        kept, rank = log.kept(self.neighbours, most=self.max_history), min(self.rank, log.items)
        fit = {
            "events": log.distinct,
            "pairs": log.pairs(self.max_history),
            "met": log.kept(None, most=self.max_history),
            "products": rank * log.distinct,
            "bases": rank**2 * log.items,
        }
        thin = (
            4.0 * rank * (4 * log.items + log.users)
        )  # float64 and float32 bases of the items, their image of the histories
        held = 8 * kept + 8 * rank * log.items
        answer = self.answer_work(log, log.length * kept / log.items, rank=rank)
        return Cost(fit, held, 80 * log.events + 8 * kept + thin, answer)

    def _inexact(self, train: Histories) -> str:
        return "with frequencies, which every history changes (use rank 0)" if self.rank else ""

    def _terms(self, log: Histories) -> PairTerms:
        events = log.distinct().newest(self.max_history)
        of_history = np.maximum(events.lengths, 1.0)[events.rows] ** -self.user_exponent
        x, any_distance = events.weights().astype(np.float64), np.empty(0)
        return PairTerms(events, x, of_history, np.ones(len(x)), any_distance, any_distance)

    def _formula(self, mass: Doubles, histories: int) -> Formula:
        count = np.maximum(mass, 1)
        return Formula(count**-self.history_exponent, count**-self.candidate_exponent, self.neighbours)

    def response(self, size: Floats) -> tuple[Floats, float]:
        """The response at each leading frequency beyond the linear filter, in units of the eigenvalues ``size``
        (descending), and the slope of the linear filter."""
        top = max(float(size[0]), 1e-12)
        share = np.clip(size.astype(np.float64) / top, 0, 1)
        damped = np.exp(-self.sharpen * share)
        diffused = (1 - (1 - share) ** self.order) * damped
        slope = float(diffused[-1] / share[-1]) if share[-1] > 1e-6 else float(self.order)
        return (top * (diffused + self.low_pass * damped - slope * share)).astype(np.float32), slope
