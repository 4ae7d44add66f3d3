"""The vectors of the texts of all items, those that changed since the model was saved included."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from penchant.core.histories import Floats
from penchant.recommender.recommender import Recommender


class Meanings:
    """One vector for each position. Changed items are encoded again when a vector is next needed."""

    def __init__(self, recommender: Recommender) -> None:
        catalog = recommender.catalog
        self.encoder = recommender.text
        saved = None if catalog is None else catalog.vectors
        self._vectors = np.zeros((0, 0), np.float32) if saved is None or self.encoder is None else saved
        self._stale: set[int] = set()

    @property
    def known(self) -> bool:
        """Whether texts have vectors."""
        return self.encoder is not None

    def changed(self, at: int) -> None:
        """Note that the text of an item may have changed."""
        if self.encoder is not None:
            self._stale.add(at)

    def near(self, vector: Floats, n: int, text: Callable[[int], str]) -> Floats | None:
        """The cosine of the first ``n`` positions with a vector; None where texts have no vectors."""
        self._refresh(n, text)
        return None if self.encoder is None else self._vectors[:n] @ vector

    def of(self, positions: list[int], n: int, text: Callable[[int], str]) -> Floats | None:
        """The vectors of some positions, ``(positions, size)``."""
        self._refresh(n, text)
        return None if self.encoder is None else self._vectors[positions]

    def _refresh(self, n: int, text: Callable[[int], str]) -> None:
        if self.encoder is None or (not self._stale and len(self._vectors) >= n):
            return
        if len(self._vectors) < n:
            grown = np.zeros((n + n // 8 + 64, self.encoder.size), np.float32)
            grown[: len(self._vectors)] = self._vectors
            self._vectors = grown
        elif not self._vectors.flags.writeable:
            self._vectors = self._vectors.copy()
        stale = sorted(at for at in self._stale if at < n)
        if stale:
            self._vectors[stale] = self.encoder.encode([text(at) for at in stale])
        self._stale.clear()
