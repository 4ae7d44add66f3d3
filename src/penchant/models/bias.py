"""The bias model: item and history means; the baseline for rating models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.models.kinds.base import Space, Task, hyper, learned
from penchant.models.kinds.rating import RatingModel
from penchant.models.parts.rating_baseline import Baseline

if TYPE_CHECKING:
    from penchant.core.split import Split


@dataclass(kw_only=True)
class Bias(RatingModel):
    """Predicted rating = mean + item bias + history bias, each shrunk towards zero by its damping.

    Minimises Σ (r_ui − mean − b_i − b_u)² + item_damping · Σ b_i² + user_damping · Σ b_u² (Koren 2010). The history's
    part is computed from the given history. Scores are predicted ratings, so everybody gets the same order.

    Cost: ten passes over the events; 4 bytes an item. An empty history, or an item without ratings, gets the prediction
    without its bias. Raises ``DataError`` when values are not ratings.
    """

    name: ClassVar[str] = "bias"
    task: ClassVar[Task] = "rating"
    learns: ClassVar[bool] = False
    uses_negatives: ClassVar[bool] = True

    user_damping: float = hyper(5.0, "mean ratings added to every history", ge=0, space=Space(0, 30), other=30.0)
    item_damping: float = hyper(2.0, "mean ratings added to every item", ge=0, space=Space(0, 30), other=30.0)

    baseline: Baseline = learned()

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        self.baseline = Baseline.fit(train.distinct(), user_damping=self.user_damping, item_damping=self.item_damping)

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        return Cost({"events": log.events}, 4 * log.items, 40 * log.events, {"items": log.items})

    def _predict(self, given: Histories, items: Histories) -> Floats:
        return self.baseline.clip(self.baseline.of(given.distinct(), items))

    def _score(self, given: Histories) -> Floats:
        mine = self.baseline.scale[0] + self.baseline.history_bias(given.distinct())
        return np.asarray(mine[:, None] + self.baseline.item_bias[None, :], dtype=np.float32)
