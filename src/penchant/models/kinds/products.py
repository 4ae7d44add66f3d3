"""Models whose score is an inner product, so that an index over the items can find the best of very many."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from penchant.core.histories import Bools, Floats, Histories, Ints
from penchant.core.nearest_items import FEW_ITEMS, LONGEST, SPARE, NearestItems
from penchant.core.rank import Ranked, empty_lists, top_dense
from penchant.models.kinds.base import Model

LISTS_A_BLOCK = 64  # found at a time by a thread


class Products(NamedTuple):
    """What scores are made of: score = vector of the history · vector of the item + bias of the item + ``base``."""

    vectors: Floats  # (rows, factors)
    base: Floats  # (rows,) what a history adds to every score


@dataclass(kw_only=True)
class ProductModel(Model):
    """A model whose scores are inner products of vectors of histories and items; it can have an index."""

    index: NearestItems | None = field(init=False, default=None, repr=False, compare=False)

    @property
    def has_products(self) -> bool:
        """Whether the scores of this model are inner products; a subclass may override them."""
        return True

    @abstractmethod
    def item_side(self) -> tuple[Floats, Floats | None]:
        """The item vectors, ``(n_items, factors)``, and the biases ``(n_items,)`` if there are any: learned arrays."""

    @abstractmethod
    def products(self, given: Histories) -> Products:
        """The vectors of histories. One without a vector, all zeros, is ranked exactly."""

    @property
    def usable_index(self) -> NearestItems | None:
        """The index, unless the vectors have changed since it was built."""
        usable = self.index is not None and self.has_products and self.index.of is self.item_side()[0]
        return self.index if usable else None

    def near(
        self, given: Histories, k: int, *, exclude: Histories, allow: Bools | None, popularity_rank: Ints, threads: int
    ) -> Ranked | None:
        """As in ``Model``: candidates come from ``index``, and are scored exactly.

        None without an index over these vectors, and for lists longer than those whose recall was measured. Where a
        filter leaves few items, these are the candidates. A row for which the index finds fewer than k items, or that
        has no vector, is ranked exactly.
        """
        self._check_given(given)
        index = self.usable_index
        if index is None or k > LONGEST:
            return None
        from penchant.kernels.threads import over_blocks

        search = index.among(allow)
        allowed = search.items if allow is not None and search.passing <= FEW_ITEMS else None
        sides = self.products(given)
        items, scores = empty_lists(len(given), k)

        def work(lo: int, hi: int) -> None:
            for row in range(lo, hi):
                only, vector = slice(row, row + 1), sides.vectors[row]
                banned = np.unique(exclude[only].items)
                near = search(vector, 2 * k + len(banned) + SPARE) if allowed is None else allowed
                near = near[~np.isin(near, banned)]
                if not vector.any() or (allowed is None and len(near) < k):
                    best = self.top(
                        given[only], k, exclude=exclude[only], allow=allow, popularity_rank=popularity_rank, threads=1
                    )
                else:
                    best = self._best_of(near, vector, k, popularity_rank, sides.base[row])
                items[row], scores[row] = best.items[0], best.scores[0]

        over_blocks(work, len(given), size=LISTS_A_BLOCK, threads=threads)
        return Ranked(items, scores)

    def _best_of(self, near: Ints, vector: Floats, k: int, popularity_rank: Ints, base: float) -> Ranked:
        """The k best of some items, by their exact scores."""
        vectors, bias = self.item_side()
        exact = vectors[near] @ vector
        exact = exact if bias is None else exact + bias[near]
        exact = exact + np.float32(base) if base else exact
        nothing = Histories(np.zeros(2, np.int64), np.empty(0, np.int32), len(near))
        best = top_dense(exact[None], k, exclude=nothing, allow=None, popularity_rank=popularity_rank[near])
        return Ranked(np.where(best.items >= 0, near[best.items], -1).astype(np.int32), best.scores)
