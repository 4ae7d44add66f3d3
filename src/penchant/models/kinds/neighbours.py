"""Models that can show the training histories most similar to a given one."""

from __future__ import annotations

from abc import ABC, abstractmethod

from penchant.core.histories import Floats, Histories
from penchant.models.kinds.base import Model


class NeighbourModel(Model, ABC):
    """A model that keeps anonymous training histories and finds the nearest of them."""

    @abstractmethod
    def neighbours(self, given: Histories, k: int = 10) -> tuple[Histories, Floats]:
        """The k stored histories most similar to the one given, most similar first, and their similarities.

        Raises ``ParameterError`` unless ``given`` is one history and k is at least 1.
        """
