"""RP3beta: a random walk of three steps over histories and items, with popular items counting less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.cost import Cost
from penchant.core.histories import Histories
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.models.kinds.base import AUTO, Space, hyper
from penchant.models.kinds.pair_sums import Doubles, Formula, PairModel, PairTerms
from penchant.models.parts.operators import nearest_items, normalised_rows, products

if TYPE_CHECKING:
    from penchant.core.split import Split


@dataclass(kw_only=True)
class RP3beta(PairModel):
    """Score = how often a random walk from the items of a history, through other histories, ends at the candidate.

    w(i → j) = Σ_u (x_ui / m_i)^alpha · (x_uj / s_u)^alpha / m_j^beta,   m_j = Σ_u x_uj,  s_u = Σ_j x_uj

    Paudel, Christoffel, Newell and Bernstein, "Updatable, Accurate, Diverse, and Scalable Recommendations for
    Interactive Applications", 2016; with ``beta`` = 0 it is P3alpha (Cooper, Lee, Radinsky and Rosen, 2014). The walk
    starts from the events of the given history, so it needs no user; for each history item the ``neighbours`` largest
    w are kept. By default, the more events items have, the more popularity counts against a candidate (``notes`` report
    the exponent).

    Cost: one addition a pair of events of one history, divided among the threads; memory is what is kept, 8 bytes a
    neighbour. An empty history scores zero everywhere.
    """

    name: ClassVar[str] = "rp3beta"
    exponent_at_8: ClassVar[float] = 0.1
    exponent_per_tenfold: ClassVar[float] = 0.4

    alpha: float = hyper(0.4, "exponent of the probability of each step", ge=0, space=Space(0.2, 1.2), other=1.5)
    beta: float | str = hyper(
        AUTO, "exponent of the candidate's popularity, counted against it; 0: P3alpha, auto: by the events per item",
        number=float, gt=-1, auto=True, was={-1: AUTO}, space=Space(0, 0.8), other=1.0,
    )  # fmt: skip
    neighbours: int | None = hyper(
        300, "items kept for each history item; none: all", ge=1, optional=True, was={0: None},
        space=Space(20, 1000, log=True), other=2,
    )  # fmt: skip
    aggregation: str = hyper(
        "sum", "normalised: the weights of each history item sum to one", choices=("sum", "normalised"),
        space=Space(choices=("sum", "normalised")), other="normalised",
    )  # fmt: skip
    max_history: int | None = hyper(
        500, "newest events of a history that are counted in pairs; none: all", ge=1, optional=True, was={0: None},
        other=3,
    )  # fmt: skip

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        events = self.bounded(train.distinct(), self.max_history)
        x = events.weights().astype(np.float64)
        of_item = np.bincount(events.items, weights=x, minlength=events.n_items)[events.items]
        of_history = np.bincount(events.rows, weights=x, minlength=len(events))[events.rows]
        start = (x / of_item) ** self.alpha
        end = (x / of_history) ** self.alpha / of_item ** self.against_popularity("beta", events)
        near = nearest_items(
            products(events), events, end.astype(np.float32), self.neighbours, run, asked=start.astype(np.float32)
        )
        self.weights = normalised_rows(near) if self.aggregation == "normalised" else near

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        kept = log.kept(self.neighbours, most=self.max_history)
        met = log.kept(None, most=self.max_history)
        fit = {"events": log.distinct, "pairs": log.pairs(self.max_history), "met": met, "repeats": log.merged}
        fit["estimates"] = 1.0  # of the half-life and the exponent, from samples
        return Cost(fit, 8 * kept, 80 * log.events + 8 * kept, self.answer_work(log, log.length * kept / log.items))

    def _terms(self, log: Histories) -> PairTerms:
        events = log.distinct().newest(self.max_history)
        x = events.weights().astype(np.float64)
        of_history = np.bincount(events.rows, weights=x, minlength=len(events))[events.rows].astype(np.float64)
        any_distance = np.empty(0)
        return PairTerms(events, x**self.alpha, of_history**-self.alpha, x, any_distance, any_distance)

    def _formula(self, mass: Doubles, histories: int) -> Formula:
        mass = np.where(mass > 0, mass, 1)
        normalised = self.aggregation == "normalised"
        beta = self.against_popularity("beta")
        return Formula(mass**-self.alpha, mass**-beta, self.neighbours, normalised=normalised)
