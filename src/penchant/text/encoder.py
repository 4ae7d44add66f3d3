"""What turns texts into vectors: the interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats

Arrays = Mapping[str, NDArray[Any]]


class TextEncoder(Protocol):
    """Vectors of texts. A saved recommender keeps ``to_json`` and ``arrays``, from which ``load_encoder`` makes it."""

    @property
    def name(self) -> str:
        """Which way it is."""
        ...

    @property
    def size(self) -> int:
        """The length of a vector."""
        ...

    def encode(self, texts: Sequence[object]) -> Floats:
        """A vector of length one for each text, ``(texts, size)``; zeros for a text that says nothing."""
        ...

    def to_json(self) -> dict[str, Any]:
        """What made it, as plain JSON values."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What it has learned."""
        ...


def unit(vectors: NDArray[Any]) -> Floats:
    """Rows of length one; zero rows stay."""
    vectors = np.asarray(vectors, dtype=np.float32)
    length = np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    return (vectors / np.where(length > 0, length, 1)).astype(np.float32)
