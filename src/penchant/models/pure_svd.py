"""PureSVD: a history is projected on the directions in which histories vary most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.models.kinds.base import AUTO, Space, hyper
from penchant.models.kinds.linear import LinearModel
from penchant.models.kinds.products import ProductModel, Products
from penchant.models.kinds.self_tuned import Grid, SelfTuned
from penchant.models.parts.spectral import leading
from penchant.models.parts.weights import Weights, times_dense

if TYPE_CHECKING:
    from penchant.core.split import Split


@dataclass(kw_only=True)
class PureSVD(SelfTuned, ProductModel, LinearModel):
    """The best projection of histories on ``factors`` directions, missing pairs read as zeros.

    min ‖X D − X D V Vᵀ‖²,  VᵀV = 1,  D = diag(histories with the item)^(−popularity_exponent);  W = V Vᵀ

    Cremonesi, Koren and Turrin 2010; the scaling D is that of EigenRec (Nikolakopoulos et al. 2019). V is found by
    subspace iteration from a random start (Halko, Martinsson and Tropp 2011): ``passes`` products with XᵀX, then the
    exact decomposition inside the subspace. ``factors`` are estimated by ``fit`` from the training histories, as
    ``SelfTuned`` says, between 8 and 512: where items are weakly related, many factors do harm.

    Cost for E events, n items and f factors: O(passes · f · (E + n·f)), memory 4·f bytes a training row and 16·f an
    item. An empty history scores zero everywhere.
    """

    name: ClassVar[str] = "pure-svd"

    estimated: ClassVar[dict[str, Grid]] = {"factors": Grid(256, (8, 16, 32, 64, 128, 256, 512))}

    factors: int | str = hyper(
        AUTO, "directions kept; auto: estimated from training histories", number=int, ge=1, auto=True, was={-1: AUTO},
        space=Space(16, 1024, log=True), other=5,
    )  # fmt: skip
    popularity_exponent: float = hyper(
        0.3, "exponent of popularity by which items are scaled down first", ge=0, le=1, space=Space(0.0, 0.6), other=0.0
    )
    passes: int = hyper(6, "products with the Gram matrix of the data; more are more accurate", ge=1, other=1)

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        most = self.estimated["factors"].values[-1] if self.factors == AUTO else float(self.factors)
        factors = min(most, log.items)
        fit = {
            "trials": self.trials(log),
            "products": self.passes * factors * log.distinct,
            "bases": self.passes * factors**2 * log.items,
        }
        thin = 4.0 * factors * (5 * log.items + log.users)
        answer = self.answer_work(log, 0, rank=factors)
        return Cost(fit, 8.0 * factors * log.items, 40 * log.events + thin, answer, at_most=self.factors == AUTO)

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        self.estimate(train, run)
        events = train.distinct()
        scale = np.maximum(self.item_counts, 1).astype(np.float64) ** -self.popularity_exponent
        data = events.weights() * scale[events.items].astype(np.float32)
        kept = leading(events, data, int(self.value("factors")), passes=self.passes, run=run, stage="pure-svd")[1]
        self.weights = Weights(left=kept, right=np.ascontiguousarray(kept.T))

    def item_side(self) -> tuple[Floats, Floats | None]:
        """As in ``ProductModel``: the rows of V."""
        return self._directions(), None

    def products(self, given: Histories) -> Products:
        """As in ``ProductModel``: projections, those of dislikes subtracted."""
        vectors = self._project(given)
        vectors = vectors - self._project(given.dislikes()) if given.has_dislikes else vectors
        return Products(vectors, np.zeros(len(given), np.float32))

    def _project(self, given: Histories) -> Floats:
        recent = self.recent(given.positives())
        coefficients, v = self.coefficients(recent), self._directions()
        if len(recent) == 1:
            return np.asarray(coefficients @ v[recent.items], dtype=np.float32)[None]
        return times_dense((recent.indptr, recent.items, coefficients), v, 0)

    def _directions(self) -> Floats:
        assert self.weights.left is not None  # set by fit
        return self.weights.left
