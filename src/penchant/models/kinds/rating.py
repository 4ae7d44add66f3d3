"""Rating models: they predict on the scale of the log, so that predictions can be compared with ratings."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from penchant.core.histories import Floats, Histories
from penchant.errors import DataError, ScoreError
from penchant.models.kinds.base import Model


class RatingModel(Model, ABC):
    """A model with an absolute scale: ``predict`` returns the ratings that histories would give to items.

    A rating of a history beyond the ratings of the training data counts as the nearer end of their scale. Predictions
    are clipped to that scale. Scores, which order lists, are not: everything beyond its end would tie.
    """

    @abstractmethod
    def _predict(self, given: Histories, items: Histories) -> Floats:
        """Predicted ratings, ``(len(items.items),)``: row r of ``items`` is for row r of ``given``."""

    def predict(self, given: Histories, items: Histories) -> Floats:
        """The ratings that histories would give, one per event of ``items``, clipped to the training scale.

        Row r of ``items`` is for row r of ``given``. An empty history, or an item without ratings, gets the shrunken
        baseline. Raises ``DataError`` when rows do not match, and ``ScoreError`` where a prediction is NaN.
        """
        self._check_given(given)
        if len(given) != len(items):
            raise DataError(f"{self.name}: {len(given)} histories do not match {len(items)} rows of items")
        predicted = self._predict(given, items)
        broken = np.isnan(predicted)
        if broken.any():
            raise ScoreError(self.name, int(items.rows[broken.argmax()]), "predictions")
        return predicted
