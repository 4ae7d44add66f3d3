"""Vector models: a history becomes one vector, and a score is its inner product with each item's vector."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Bools, Floats, Histories, Ints
from penchant.core.nearest_items import FEW_ITEMS, SPARE, NearestItems
from penchant.core.rank import Ranked, empty_lists, top_dense
from penchant.models.kinds.base import Model, learned

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
class VectorModel(Model):
    """score(history) = embed(history) @ item_vectors.T (+ item_bias) (+ score_offset).

    Lists of few rows over very many items start with a coarse pass over item vectors of one byte a number. It finds
    every item that may be among the best, by a bound that rounding cannot cross, and only those are scored exactly. The
    list is the same. A model that overrides ``score_vectors`` scores every item instead.
    """

    item_vectors: Floats = learned()  # (n_items, factors)
    item_bias: Floats | None = learned()  # (n_items,) or None
    index: NearestItems | None = field(init=False, default=None, repr=False, compare=False)
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
        """Whether every score is an inner product (plus a bias of the item), as an index needs."""
        return type(self).score_vectors is VectorModel.score_vectors

    def near(
        self, given: Histories, k: int, *, exclude: Histories, allow: Bools | None, popularity_rank: Ints, threads: int
    ) -> Ranked | None:
        """As in ``Model``: candidates come from ``index``, and are scored exactly.

        None without an index over these vectors. Where a filter leaves few items, these are the candidates. A row for
        which the index finds fewer than k items, or that has no vector, is ranked exactly.
        """
        self._check_given(given)
        if self.index is None or self.index.of is not self.item_vectors or not self.has_products:
            return None
        few = allow is not None and np.count_nonzero(allow) <= FEW_ITEMS
        allowed = np.flatnonzero(allow).astype(np.int32) if few and allow is not None else None
        vectors = np.ascontiguousarray(self.embed(given if self.uses_negatives else given.positives()), np.float32)
        items, scores = empty_lists(len(given), k)
        for row, vector in enumerate(vectors):
            only = slice(row, row + 1)
            banned = np.unique(exclude[only].items)
            if allowed is not None:
                near = allowed
            else:
                wanted = min(k + len(banned) + SPARE, self.n_items)
                near = self.index.search(vectors[only], wanted, bias=self.item_bias, allow=allow)[0]
            near = near[(near >= 0) & ~np.isin(near, banned)]
            if not vector.any() or (allowed is None and len(near) < k):
                best = self.top(
                    given[only], k, exclude=exclude[only], allow=allow, popularity_rank=popularity_rank, threads=threads
                )
            else:
                best = self._best_of(near, vector, k, popularity_rank)
            items[row], scores[row] = best.items[0], best.scores[0]
        return Ranked(items, scores)

    def _best_of(self, near: Ints, vector: Floats, k: int, popularity_rank: Ints) -> Ranked:
        """The k best of some items, by their exact scores."""
        exact = self.item_vectors[near] @ vector
        exact = exact if self.item_bias is None else exact + self.item_bias[near]
        exact = exact + np.float32(self.score_offset) if self.score_offset else exact
        nothing = Histories(np.zeros(2, np.int64), np.empty(0, np.int32), len(near))
        best = top_dense(exact[None], k, exclude=nothing, allow=None, popularity_rank=popularity_rank[near])
        return Ranked(np.where(best.items >= 0, near[best.items], -1).astype(np.int32), best.scores)

    def top(
        self, given: Histories, k: int, *, exclude: Histories, allow: Bools | None, popularity_rank: Ints, threads: int
    ) -> Ranked:
        """As in ``Model``; few rows over very many items take the coarse pass first."""
        self._check_given(given)
        if not self.has_products or self.n_items < COARSE_ITEMS or len(given) > COARSE_ROWS or k > ROOM // 8:
            return super().top(given, k, exclude=exclude, allow=allow, popularity_rank=popularity_rank, threads=threads)
        if self._coarse is None or self._coarse.of is not self.item_vectors:
            self._coarse = Coarse.make(self.item_vectors, threads)
        vectors = np.ascontiguousarray(self.embed(given if self.uses_negatives else given.positives()), np.float32)
        items, scores = empty_lists(len(given), k)
        for row, vector in enumerate(vectors):
            banned = np.zeros(self.n_items, dtype=np.bool_) if allow is None else ~allow
            banned[exclude[row : row + 1].items] = True
            near = self._coarse.reach(vector, self.item_bias, banned, k) if vector.any() else None
            if near is None:  # too many items have nearly the same score
                only = slice(row, row + 1)
                best = super().top(
                    given[only], k, exclude=exclude[only], allow=allow, popularity_rank=popularity_rank, threads=threads
                )
            else:
                best = self._best_of(near, vector, k, popularity_rank)
            items[row], scores[row] = best.items[0], best.scores[0]
        return Ranked(items, scores)

    def similar(self, item: int) -> Floats:
        """Cosine between the item vectors, ``(n_items,)``; zero where a vector is zero."""
        self._check_fitted()
        norms = np.linalg.norm(self.item_vectors, axis=1)
        norms[norms == 0] = np.inf
        cosines: Floats = ((self.item_vectors @ self.item_vectors[item]) / (norms * norms[item])).astype(np.float32)
        return cosines
