"""Models that can recommend new items without training, from what the catalogue says of them."""

from __future__ import annotations

from abc import ABC, abstractmethod

from penchant.core.item_features import ItemFeatures
from penchant.models.kinds.base import Model


class Extendable(Model, ABC):
    """A model that adds items by their features alone."""

    @abstractmethod
    def extend(self, features: ItemFeatures) -> None:
        """Add the items that the catalogue gained since ``fit``; ``features`` describe the known items first.

        Raises ``DataError`` when there are fewer items than before, and ``ParameterError`` where the model was fitted
        without features.
        """
