"""Slope one: the mean difference between the ratings of two items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories, Ints
from penchant.core.log_shape import LogShape
from penchant.core.memory import require
from penchant.core.run import Run
from penchant.models.kinds.base import Space, Task, hyper, learned
from penchant.models.kinds.rating import RatingModel
from penchant.models.parts.rating_baseline import Baseline, rated

if TYPE_CHECKING:
    from penchant.core.split import Split

ITEMS = 64  # items a block
ROWS = 16  # histories a block


@dataclass(kw_only=True)
class SlopeOne(RatingModel):
    """Each rated item predicts another by its own rating plus the mean difference between the two.

    r̂(i) = Σ_j c_ij · (r_j + d_ij) / Σ_j c_ij,  d_ij = Σ (r_i − r_j) / (c_ij + damping),
    over the c_ij training histories that rate both; j runs over the history's items

    Lemire and Maclachlan 2005 (weighted slope one; ``weighted`` = false counts every j once). What differs: ``damping``
    shrinks differences with few histories. Where no item of a history was rated together with the asked one, the bias
    model predicts. The model knows mean differences, not tastes: expect a slightly better bias model.

    Cost: O(Σ over histories of events²) to fit and 8·n² bytes for n items; O(events) a prediction. An empty history
    is expected to rate as the item's bias says. Raises ``DataError`` when values are not ratings and
    ``MemoryLimitError`` when the tables would not fit.
    """

    name: ClassVar[str] = "slope-one"
    task: ClassVar[Task] = "rating"
    learns: ClassVar[bool] = False  # differences are means over all, so opposite tastes cancel
    uses_negatives: ClassVar[bool] = True

    weighted: bool = hyper(True, "weight differences by their number of histories")
    damping: float = hyper(
        3.0, "histories with difference zero added to every pair", ge=0, space=Space(0, 30), other=20.0
    )

    sums: Floats = learned()  # (n_items, n_items) of the row's rating less the column's
    counts: Ints = learned()  # (n_items, n_items) histories with both
    baseline: Baseline = learned()

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        from penchant.kernels.ragged import by_item
        from penchant.kernels.slope_one import differences
        from penchant.kernels.threads import over_blocks

        n, events = train.n_items, train.distinct()
        require(8 * n * n, f"slope-one over {n:,} items", "use svd or fewer items")
        ratings = rated(events)
        self.baseline = Baseline.fit(events, user_damping=5.0, item_damping=2.0)
        indptr = np.zeros(n + 1, dtype=np.int64)
        rows, order = np.empty(len(ratings), dtype=np.int32), np.empty(len(ratings), dtype=np.int64)
        by_item(events.indptr, events.items, indptr, rows, order)
        by = ratings[order]
        self.sums, self.counts = np.zeros((n, n), dtype=np.float32), np.zeros((n, n), dtype=np.int32)
        tables = self.sums, self.counts

        def work(lo: int, hi: int) -> None:
            differences(lo, hi, indptr, rows, by, events.indptr, events.items, ratings, *tables)

        over_blocks(work, n, size=ITEMS, threads=run.threads, progress=run.report("slope-one"))
        if events.min_support > 1:
            for sums, counts in zip(*tables, strict=True):
                rare = counts < events.min_support
                sums[rare], counts[rare] = 0, 0

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        n = float(log.items)
        fit = {"events": log.distinct, "pairs": log.pairs(), "squares": n**2}
        answer = {"cells": log.length * n}
        return Cost(fit, 8 * n**2, 60 * log.events, answer)

    def _predict(self, given: Histories, items: Histories) -> Floats:
        from penchant.kernels.slope_one import asked_items
        from penchant.kernels.threads import over_blocks

        events = given.distinct()
        out, ratings = self.baseline.of(events, items), self.baseline.rated(events)

        def work(lo: int, hi: int) -> None:
            asked_items(
                lo, hi, events.indptr, events.items, ratings, items.indptr, items.items,
                self.sums, self.counts, self.damping, self.weighted, out,
            )  # fmt: skip

        over_blocks(work, len(events), size=ROWS)
        return self.baseline.clip(out)

    def _score(self, given: Histories) -> Floats:
        from penchant.kernels.slope_one import all_items
        from penchant.kernels.threads import over_blocks

        events = given.distinct()
        ratings, mine = self.baseline.rated(events), self.baseline.scale[0] + self.baseline.history_bias(events)
        out: Floats = (mine[:, None] + self.baseline.item_bias[None, :]).astype(np.float32)

        def work(lo: int, hi: int) -> None:
            all_items(
                lo, hi, events.indptr, events.items, ratings, self.sums, self.counts, self.damping, self.weighted, out
            )

        over_blocks(work, len(events), size=ROWS)
        return out

    def similar(self, item: int) -> Floats:
        """The number of training histories that rate both items, over the root of both counts."""
        self._check_fitted()
        alone = np.sqrt(np.maximum(self.counts.diagonal(), 1).astype(np.float64))
        return np.asarray(self.counts[item] / (alone * alone[item]), dtype=np.float32)
