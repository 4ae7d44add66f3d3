"""The rating that biases alone predict: the mean, plus the bias of the item and of the history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats, Histories
from penchant.errors import DataError

SWEEPS = 10  # of fitting items and histories in turn; the change after that is below a thousandth of a star


@dataclass(frozen=True, eq=False)
class Baseline:
    """b(u, i) = mean + item_bias[i] + b_u, with b_u = Σ_i (r_ui − mean − item_bias[i]) / (n_u + user_damping).

    b_u is computed from the history at hand, so that none is stored (Koren 2010, with the histories' part in closed
    form). An empty history has b_u = 0.
    """

    item_bias: Floats  # (n_items,)
    scale: Floats  # (4,): mean, lowest and highest rating, user damping

    @classmethod
    def fit(cls, train: Histories, *, user_damping: float, item_damping: float) -> Self:
        """From distinct rated events; raises ``DataError`` when values are not ratings."""
        ratings = rated(train)
        mean = float(ratings.mean()) if len(ratings) else 0.0
        rows, items, n = train.rows, train.items, train.n_items
        per_item = np.bincount(items, minlength=n) + item_damping
        per_row = train.lengths + user_damping
        per_item[per_item == 0] = 1
        per_row[per_row == 0] = 1
        off = ratings.astype(np.float64) - mean
        item_bias, row_bias = np.zeros(n), np.zeros(len(train))
        for _ in range(SWEEPS):
            item_bias = np.bincount(items, weights=off - row_bias[rows], minlength=n) / per_item
            row_bias = np.bincount(rows, weights=off - item_bias[items], minlength=len(train)) / per_row
        low, high = (float(ratings.min()), float(ratings.max())) if len(ratings) else (0.0, 0.0)
        return cls(item_bias.astype(np.float32), np.array([mean, low, high, user_damping], dtype=np.float32))

    def history_bias(self, given: Histories) -> Floats:
        """b_u of every (distinct) history, shape ``(rows,)``; zero where its events have no ratings."""
        if given.values_are != "rating":
            return np.zeros(len(given), dtype=np.float32)
        off = self.rated(given).astype(np.float64) - self.scale[0] - self.item_bias[given.items]
        per_row = given.lengths + float(self.scale[3])
        per_row[per_row == 0] = 1
        return (np.bincount(given.rows, weights=off, minlength=len(given)) / per_row).astype(np.float32)

    def of(self, given: Histories, items: Histories) -> Floats:
        """b of ``items``, row r for row r of ``given``, ``(len(items.items),)``."""
        expected = self.scale[0] + self.item_bias[items.items] + self.history_bias(given)[items.rows]
        return np.asarray(expected, dtype=np.float32)

    def deviations(self, given: Histories) -> Floats:
        """Ratings less their baselines, shape ``(events,)``; zero where events have no ratings."""
        if given.values_are != "rating":
            return np.zeros(len(given.items), dtype=np.float32)
        return self.rated(given) - self.of(given, given)

    def rated(self, given: Histories) -> Floats:
        """The ratings of events, clipped to the scale of the training ratings."""
        return rated(given, self.scale[1:3])

    def clip(self, ratings: Floats) -> Floats:
        """Clip to the scale of the training ratings."""
        return np.clip(ratings, self.scale[1], self.scale[2])


def rated(events: Histories, within: Floats | None = None) -> NDArray[np.float32]:
    """The ratings of events; raises ``DataError`` where there are none.

    ``within`` is the lowest and the highest rating that a model learned from: a rating beyond counts as the nearer of
    the two, so that one absurd value cannot outweigh a history. Ratings on the scale are unchanged, to the bit.
    """
    if events.values is None or events.values_are != "rating":
        if len(events.items) == 0:
            return np.empty(0, np.float32)
        raise DataError(
            "predicting ratings needs ratings, the events have " + events.values_are,
            fix="Use a log with a rating column, or a model that ranks.",
        )
    return events.values if within is None else np.clip(events.values, within[0], within[1])
