"""Vector models: a history becomes one vector, and a score is its inner product with each item's vector."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Bools, Floats, Histories, Ints
from penchant.core.rank import Ranked, empty_lists
from penchant.models.kinds.base import learned
from penchant.models.kinds.products import ProductModel, Products

COARSE_ITEMS = 2**18  # with at least so many items, lists of few rows start with a coarse pass of one byte a number
COARSE_ROWS = 8  # more rows than this share one matrix product instead
ROOM = 2**16  # candidates that the coarse pass may leave; with more, every item is scored
ITEMS_A_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Coarse:
    """Item vectors rounded to one byte a number, with bounds on the rounding error: see ``kernels/coarse.py``."""

    of: Floats  # the exact vectors
    coarse: NDArray[np.int8]
    step: Floats
    error: Floats

    @classmethod
    def make(cls, vectors: Floats, threads: int) -> Coarse:
        """Takes a quarter of the memory of the vectors."""
        from penchant.kernels.coarse import quantise
        from penchant.kernels.threads import over_blocks

        n = len(vectors)
        made = cls(vectors, np.empty(vectors.shape, np.int8), np.empty(n, np.float32), np.empty(n, np.float32))
        over_blocks(
            lambda lo, hi: quantise(lo, hi, vectors, made.coarse, made.step, made.error), n, size=ITEMS_A_BLOCK,
            threads=threads,
        )  # fmt: skip
        return made

    def reach(self, vector: Floats, bias: Floats | None, banned: Bools, k: int) -> Ints | None:
        """Items that include the k best for a vector, and perhaps others; None where these are too many."""
        from penchant.kernels.coarse import candidates

        slack = 1.0001 * float(np.linalg.norm(vector.astype(np.float64)))
        found, upper = np.empty(ROOM, np.int32), np.empty(ROOM, np.float32)
        none = np.empty(0, np.float32)
        size = candidates(
            self.coarse, self.step, self.error, none if bias is None else bias, vector, slack, banned, k, found, upper
        )
        return found[:size] if size >= 0 else None


@dataclass(kw_only=True)
class VectorModel(ProductModel):
    """score(history) = embed(history) @ item_vectors.T (+ item_bias) (+ score_offset).

    Lists of few rows over very many items start with a coarse pass over item vectors of one byte a number. It finds
    every item that may be among the best, by a bound that rounding cannot cross, and only those are scored exactly. The
    list is the same. A model that overrides ``score_vectors`` scores every item instead.
    """

    item_vectors: Floats = learned()  # (n_items, factors)
    item_bias: Floats | None = learned()  # (n_items,) or None
    _coarse: Coarse | None = field(init=False, default=None, repr=False, compare=False)

    @abstractmethod
    def embed(self, given: Histories) -> Floats:
        """The vectors of histories, ``(len(given), factors)``; an empty history gives zeros unless said otherwise."""

    @property
    def score_offset(self) -> float:
        """A constant that every score includes, such as the mean rating; it changes no list."""
        return 0.0

    def score_vectors(self, vectors: Floats) -> Floats:
        """Scores of all items for vectors of histories, ``(rows, n_items)``."""
        scores = vectors @ self.item_vectors.T
        if self.item_bias is not None:
            np.add(scores, self.item_bias, out=scores)
        if self.score_offset:
            scores += self.score_offset
        return np.asarray(scores, dtype=np.float32)

    @final
    def _score(self, given: Histories) -> Floats:
        return self.score_vectors(self.embed(given))

    @property
    def has_products(self) -> bool:
        """As in ``ProductModel``: not where a network scores each pair."""
        return type(self).score_vectors is VectorModel.score_vectors

    def item_side(self) -> tuple[Floats, Floats | None]:
        """As in ``ProductModel``."""
        return self.item_vectors, self.item_bias

    def products(self, given: Histories) -> Products:
        """As in ``ProductModel``."""
        vectors = np.ascontiguousarray(self.embed(given if self.uses_negatives else given.positives()), np.float32)
        return Products(vectors, np.full(len(vectors), self.score_offset, np.float32))

    def top(
        self, given: Histories, k: int, *, exclude: Histories, allow: Bools | None, popularity_rank: Ints, threads: int
    ) -> Ranked:
        """As in ``Model``; few rows over very many items take the coarse pass first."""
        self._check_given(given)
        if not self.has_products or self.n_items < COARSE_ITEMS or len(given) > COARSE_ROWS or k > ROOM // 8:
            return super().top(given, k, exclude=exclude, allow=allow, popularity_rank=popularity_rank, threads=threads)
        if self._coarse is None or self._coarse.of is not self.item_vectors:
            self._coarse = Coarse.make(self.item_vectors, threads)
        sides = self.products(given)
        items, scores = empty_lists(len(given), k)
        for row, vector in enumerate(sides.vectors):
            banned = np.zeros(self.n_items, dtype=np.bool_) if allow is None else ~allow
            banned[exclude[row : row + 1].items] = True
            near = self._coarse.reach(vector, self.item_bias, banned, k) if vector.any() else None
            if near is None:  # too many items have nearly the same score
                only = slice(row, row + 1)
                best = super().top(
                    given[only], k, exclude=exclude[only], allow=allow, popularity_rank=popularity_rank, threads=threads
                )
            else:
                best = self._best_of(near, vector, k, popularity_rank, sides.base[row])
            items[row], scores[row] = best.items[0], best.scores[0]
        return Ranked(items, scores)

    def similar(self, item: int) -> Floats:
        """Cosine between the item vectors, ``(n_items,)``; zero where a vector is zero."""
        self._check_fitted()
        norms = np.linalg.norm(self.item_vectors, axis=1)
        norms[norms == 0] = np.inf
        cosines: Floats = ((self.item_vectors @ self.item_vectors[item]) / (norms * norms[item])).astype(np.float32)
        return cosines
