"""Rating models: they speak on the scale of the log, so that their predictions can be compared with ratings."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from penchant.core.histories import Floats, Histories
from penchant.errors import DataError, ScoreError
from penchant.models.kinds.base import Model


class RatingModel(Model, ABC):
    """A model with an absolute scale: ``predict`` gives what each history would rate each asked item.

    Scores, which order lists, are not clipped to that scale: what lies beyond its end would be equal, and no order.
    """

    @abstractmethod
    def _predict(self, given: Histories, items: Histories) -> Floats:
        """Predicted ratings, ``(len(items.items),)``: row r of ``items`` is asked of row r of ``given``."""

    def predict(self, given: Histories, items: Histories) -> Floats:
        """Ratings that histories would give, one an event of ``items``, clipped to the scale of the training ratings.

        Row r of ``items`` asks row r of ``given``. An empty history, or an item without ratings, gets the shrunken
        baseline. Raises ``DataError`` when rows do not match, and ``ScoreError`` where a prediction is NaN.
        """
        self._check_given(given)
        if len(given) != len(items):
            raise DataError(f"{self.name}: {len(given)} histories were given and {len(items)} rows of items asked")
        predicted = self._predict(given, items)
        broken = np.isnan(predicted)
        if broken.any():
            raise ScoreError(self.name, int(items.rows[broken.argmax()]), "predictions")
        return predicted
