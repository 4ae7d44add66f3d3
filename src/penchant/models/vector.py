"""Vector models: a history becomes one vector, and a score is its inner product with each item's."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from penchant.histories import Floats, Histories
from penchant.models.base import Model, learned


@dataclass(kw_only=True)
class VectorModel(Model):
    """score(history) = embed(history) @ item_vectors.T (+ item_bias)."""

    item_vectors: Floats = learned()  # (n_items, factors)
    item_bias: Floats | None = learned()  # (n_items,) or None

    @abstractmethod
    def embed(self, given: Histories) -> Floats:
        """The vectors of histories, ``(len(given), factors)``; an empty history gives zeros unless said otherwise."""

    def _score(self, given: Histories) -> Floats:
        scores = self.embed(given) @ self.item_vectors.T
        if self.item_bias is not None:
            np.add(scores, self.item_bias, out=scores)
        return np.asarray(scores, dtype=np.float32)

    def similar(self, item: int) -> Floats:
        """Cosine between the item vectors, ``(n_items,)``; zero where a vector is zero."""
        self._check_fitted()
        norms = np.linalg.norm(self.item_vectors, axis=1)
        norms[norms == 0] = np.inf
        cosines: Floats = ((self.item_vectors @ self.item_vectors[item]) / (norms * norms[item])).astype(np.float32)
        return cosines
