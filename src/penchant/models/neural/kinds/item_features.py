"""Models that also use item features: vectors of attributes, and a projection of the catalogue's vector."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats, Ints, Longs
from penchant.core.item_features import ItemFeatures
from penchant.errors import DataError
from penchant.models.kinds.base import learned
from penchant.models.kinds.extendable import Extendable
from penchant.models.neural.kinds.base import NeuralModel, normal
from penchant.models.neural.training.trainable import Arrays, Tensors

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(kw_only=True)
class ItemFeatureModel(NeuralModel, Extendable):
    """Adds to an item's own vector: the mean of w_a over its attributes a, each times its value, and V x_i.

    x_i is the item's vector in the catalogue. An attribute of a single item is left out: it would only be a second
    vector of that item. All this is linear, so the vectors of items that a catalogue gains later are computed without
    torch.
    """

    attribute_vectors: Floats | None = learned()  # (attributes, factors)
    attribute_names: NDArray[np.uint8] | None = learned()  # their names, UTF-8, one per line
    projection: Floats | None = learned()  # (length of the catalogue's vectors, factors)

    _known: Any = field(init=False, default=None, repr=False, compare=False)

    def _feature_weights(self, rng: np.random.Generator, scale: float) -> Arrays:
        """The weights of the features before the first step."""
        assert self.features is not None
        d, dimensions = self.factors, 0 if self.features.vectors is None else self.features.vectors.shape[1]
        return {
            "attributes": normal(rng, len(_shared(self.features)), d, scale=scale),
            "projection": normal(rng, dimensions, d, scale=scale * d**0.5 * max(dimensions, 1) ** -0.5),
        }

    def _add_features(self, weights: Tensors, own: Tensor) -> Tensor:
        """The vectors of all items, from their own vectors and their features, ``(n_items, factors)``."""
        import torch
        import torch.nn.functional as F

        assert self.features is not None
        if self._known is None:
            columns = {name: n for n, name in enumerate(_shared(self.features))}
            indptr, indices, data = _entries(self.features, columns)
            vectors = None if self.features.vectors is None else torch.from_numpy(self.features.vectors).to(own.device)
            parts = (indices.astype(np.int64), indptr[:-1], data)
            self._known = *(torch.from_numpy(part).to(own.device) for part in parts), vectors
        indices, starts, data, vectors = self._known
        if len(indices):
            own = own + F.embedding_bag(indices, weights["attributes"], starts, mode="sum", per_sample_weights=data)
        return own if vectors is None else own + vectors @ weights["projection"]

    def release(self) -> None:
        super().release()
        self._known = None

    def _keep_features(self, weights: Arrays) -> Floats:
        """Set what ``extend`` needs; returns the part of item vectors from features, ``(n_items, factors)``."""
        assert self.features is not None
        self.attribute_vectors, self.projection = weights["attributes"], weights["projection"]
        self.attribute_names = np.frombuffer("\n".join(_shared(self.features)).encode(), dtype=np.uint8)
        return self._from_features(self.features)

    def _from_features(self, features: ItemFeatures) -> Floats:
        """The part of item vectors that comes from features, ``(n_items, factors)``."""
        import scipy.sparse as sp

        assert self.attribute_vectors is not None and self.attribute_names is not None and self.projection is not None
        names = bytes(self.attribute_names).decode()
        columns = {name: n for n, name in enumerate(names.split("\n"))} if names else {}
        indptr, indices, data = _entries(features, columns)
        shape = (features.n_items, len(self.attribute_vectors))
        out = np.asarray(sp.csr_matrix((data, indices, indptr), shape) @ self.attribute_vectors, dtype=np.float32)
        if features.vectors is not None and len(self.projection):
            out += features.vectors @ self.projection
        return out

    def extend(self, features: ItemFeatures) -> None:
        """Add the items that a catalogue gained since ``fit``, which come after the known ones, by their features.

        Attributes that training did not see are ignored. Raises ``DataError`` when there are fewer items than before,
        or vectors of another length.
        """
        self._check_fitted()
        new = features.n_items - self.n_items
        width, learned_from = 0 if features.vectors is None else features.vectors.shape[1], self.projection
        if new < 0:
            raise DataError(f"{self.name} knows {self.n_items} items, the catalogue describes {features.n_items}")
        assert learned_from is not None
        if width not in {0, len(learned_from)}:
            raise DataError(f"{self.name} learned from vectors of length {len(learned_from)}, got {width}")
        self._add_items(self._from_features(features)[self.n_items :])

    def _add_items(self, gained: Floats) -> None:
        """Append the vectors of new items."""
        self.item_vectors = np.concatenate([self.item_vectors, gained])
        self.item_counts = np.concatenate([self.item_counts, np.zeros(len(gained), dtype=np.int64)])


def _shared(features: ItemFeatures) -> list[str]:
    """The attributes of at least two items."""
    held = np.bincount(features.indices, minlength=len(features.names))
    return [name for name, items in zip(features.names, held.tolist(), strict=True) if items > 1]


def _entries(features: ItemFeatures, columns: dict[str, int]) -> tuple[Longs, Ints, Floats]:
    """The attributes among ``columns`` as a sparse matrix; values are divided by the number of an item's attributes."""
    column = np.array([columns.get(name, -1) for name in features.names] or [-1], dtype=np.int32)
    found = column[features.indices]
    rows = np.repeat(np.arange(features.n_items), np.diff(features.indptr))[found >= 0]
    each = np.bincount(rows, minlength=features.n_items)
    data = (features.data[found >= 0] / each[rows]).astype(np.float32)
    return np.concatenate([[0], np.cumsum(each)]), found[found >= 0], data
