"""Popularity: the same list for everybody; the baseline that other models must beat."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.errors import FormatError, ParameterError
from penchant.models.kinds.base import Space, hyper, learned
from penchant.models.kinds.linear import SECONDS_A_DAY
from penchant.models.kinds.private import NoisySums, Private
from penchant.models.kinds.updatable import Updatable

if TYPE_CHECKING:
    from penchant.core.split import Split


@dataclass(eq=False)
class Sums:
    """The sums of the model, before rounding."""

    weight: NDArray[np.float64]  # (n_items,)

    def check(self, n_items: int) -> None:
        """Raises ``FormatError`` where a file held something else."""
        if self.weight.shape != (n_items,):
            raise FormatError(f"the statistics are not sums over {n_items} items")


@dataclass(kw_only=True)
class Popular(Private, Updatable):
    """Score = the number of training histories that contain an item; recent ones may count more.

    score(i) = Σ over histories with i of w · 2^(−days before the newest event / half_life_days)

    w is 1, so one person with a large weight counts as much as any other; with ``count="weights"`` it is the weight.
    Cost: one pass over the events, 4 bytes an item. An empty history gets the same scores as any other.
    """

    name: ClassVar[str] = "popular"
    learns: ClassVar[bool] = False
    private_shares: ClassVar[dict[str, float]] = {"counts": 1.0}

    count: str = hyper(
        "histories", "what is added up: histories, or the weights of their events", choices=("histories", "weights"),
        other="weights",
    )  # fmt: skip
    half_life_days: float | None = hyper(
        None, "days after which an event counts half; none: no decay", number=float, gt=0, optional=True,
        was={0: None}, space=Space(1, 1000, log=True), other=0.5,
    )  # fmt: skip

    scores: Floats = learned()  # (n_items,)
    statistics: Sums | None = field(init=False, default=None, repr=False, compare=False)

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        events = train.distinct()
        weight = self._counted(events)
        if self.half_life_days is not None and events.times is not None:
            days = (events.times.max() - events.times) / SECONDS_A_DAY
            weight = weight * np.exp2(-days / self.half_life_days)
        self.scores = np.bincount(events.items, weights=weight, minlength=train.n_items).astype(np.float32)

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        return Cost({"events": log.events}, 4 * log.items, 24 * log.events, {"items": log.items})

    def _score(self, given: Histories) -> Floats:
        return np.tile(self.scores, (len(given), 1))

    def check_private(self) -> None:
        """As in ``Private``: neither times nor weights are noised."""
        if self.half_life_days is not None or self.count != "histories":
            raise ParameterError(f"{self.name} with a promise of privacy counts histories, without half_life_days")

    def fit_private(self, sums: NoisySums, run: Run) -> None:
        """As in ``Private``: score = Σ over histories with i of 1 / √(its items), with noise; no decay in time."""
        self.scores = np.maximum(sums.counts()[0], 0)

    def _inexact(self, train: Histories) -> str:
        return "" if self.half_life_days is None else "with half_life_days, which counts from the newest of all events"

    def _count(self, train: Histories, run: Run) -> Sums:
        return Sums(self._total(train))

    def _update(self, added: Histories, removed: Histories, run: Run) -> None:
        assert self.statistics is not None  # checked by update
        weight = self.statistics.weight + self._total(added) - self._total(removed)
        weight[self.item_counts == 0] = 0  # remove rounding errors
        self.statistics = Sums(weight)
        self.scores = weight.astype(np.float32)

    def _counted(self, events: Histories) -> NDArray[np.float64]:
        return events.weights().astype(np.float64) if self.count == "weights" else np.ones(len(events.items))

    def _total(self, log: Histories) -> NDArray[np.float64]:
        events = log.distinct()
        weight = self._counted(events)
        return np.bincount(events.items, weights=weight, minlength=events.n_items).astype(np.float64)
