"""The next basket from a person's own habits and from people with similar ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from penchant.core.baskets import Baskets
from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.models.kinds.base import Model, Space, Task, hyper, learned

if TYPE_CHECKING:
    from penchant.core.split import Split

CELLS = 2**23  # similarities that are in memory at once
TIE = 1e-6  # relative; distances that differ by less are equal


@dataclass(frozen=True, eq=False)
class Habits:
    """Sparse vectors: how often, and how lately, a history took each item."""

    indptr: Longs
    items: Ints
    values: Floats


@dataclass(kw_only=True)
class TIFUKNN(Model):
    """Score = own_share · u + (1 − own_share) · the mean vector of the ``neighbourhood`` nearest training histories.

    u_i = 1/m · Σ over groups g of group_decay^g · 1/|g| · Σ over baskets b of g that hold i of basket_decay^b

    (Hu et al., SIGIR 2020.) A basket is what was taken at the same moment. Groups of ``group_size`` baskets are counted
    from the newest, and baskets from the newest of their group, both from 0; m is the number of groups. Near means
    a small Euclidean distance of the vectors.

    What differs from the paper: neighbours have an item in common with the history; those as far away as the last one
    count, too; histories with the very same vector do not, for they say nothing new. The model keeps the vectors of
    the training histories, without ids (``remembers_users``).

    Cost: a sort of the events; an answer visits the training histories of every item of the history; memory is 8 bytes
    a training event. An empty history scores zero everywhere.
    """

    name: ClassVar[str] = "tifu-knn"
    task: ClassVar[Task] = "ranking"
    remembers_users: ClassVar[bool] = True

    neighbourhood: int = hyper(300, "similar histories used", ge=1, space=Space(50, 1500, log=True), other=2)
    basket_decay: float = hyper(
        0.9, "what a basket counts beside the next newer one of its group", gt=0, le=1, space=Space(0.5, 1), other=0.3
    )
    group_decay: float = hyper(
        0.7, "what a group of baskets counts beside the next newer one", gt=0, le=1, space=Space(0.3, 1), other=0.2,
        when={"group_size": 2},
    )  # fmt: skip
    group_size: int = hyper(7, "baskets in a group", ge=1, space=Space(1, 25, log=True), other=2)
    own_share: float = hyper(
        0.7, "share of the history's own vector in the score; the rest is that of its neighbours", ge=0, le=1,
        space=Space(0, 1), other=0.1,
    )  # fmt: skip

    stored: Habits = learned()

    # computed on first use
    _matrix: Any = field(init=False, default=None, repr=False, compare=False)  # the same as a sparse matrix
    _by_item: Any = field(init=False, default=None, repr=False, compare=False)  # and by item, float64
    _squares: Any = field(init=False, default=None, repr=False, compare=False)  # (rows,) squared lengths

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        self._matrix = None
        self.stored = self._habits(train[train.lengths > 0])
        self._load(train.n_items)  # so that the first answer is fast

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        answer = {"histories": 1.0, "met": log.met, "items": log.items, "users": log.users}
        return Cost({"events": log.events}, 8 * log.events + 8 * log.users, 110 * log.events, answer,
                    answering=30 * log.events + 12.0 * min(CELLS, 1000 * log.users))  # fmt: skip

    def _habits(self, histories: Histories) -> Habits:
        from scipy.sparse import csr_matrix

        baskets = Baskets.in_(histories)
        rows, counts = histories.rows, baskets.counts
        age = baskets.indptr[rows + 1] - 1 - baskets.of
        group, within = np.divmod(age, self.group_size)
        sizes = np.minimum(counts[rows] - group * self.group_size, self.group_size)  # the oldest may be smaller
        groups = -(-counts[rows] // self.group_size)
        value = self.group_decay ** group.astype(np.float64) * self.basket_decay ** within.astype(np.float64)
        value /= sizes * groups
        once = np.unique(baskets.of * np.int64(histories.n_items) + histories.items, return_index=True)[1]
        shape = (len(histories), histories.n_items)
        matrix = csr_matrix((value[once], (rows[once], histories.items[once])), shape=shape)
        matrix.sum_duplicates()
        return Habits(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.float32))

    def _load(self, n_items: int) -> None:
        if self._matrix is None:
            from scipy.sparse import csr_matrix

            stored = self.stored
            checked = Histories(stored.indptr, stored.items, n_items)  # they may come from a file
            self._matrix = csr_matrix((stored.values, checked.items, checked.indptr), shape=(len(checked), n_items))
            self._by_item = self._matrix.astype(np.float64).T.tocsr()
            self._squares = _squares(self._matrix)

    def _score(self, given: Histories) -> Floats:
        from scipy.sparse import csr_matrix

        self._load(given.n_items)
        own = self._habits(given)
        vectors = csr_matrix((own.values, own.items, own.indptr), shape=(len(given), given.n_items))
        out = np.zeros((len(given), given.n_items), dtype=np.float32)
        size = max(1, CELLS // max(1, len(self._squares)))
        for lo in range(0, len(given), size):
            block = vectors[lo : lo + size]
            alike = block.astype(np.float64) @ self._by_item
            alike.sort_indices()
            near = self._nearest(alike, _squares(block))
            mean = self.own_share * block + (1 - self.own_share) * (near @ self._matrix)
            out[lo : lo + size] = mean.toarray()
        return out

    def _nearest(self, alike: Any, squares: Any) -> Any:
        """What each stored history counts in the mean of each row's neighbours, from the products of their vectors."""
        from scipy.sparse import csr_matrix

        columns, shares, indptr = [], [], [0]
        for row in range(alike.shape[0]):
            part = slice(alike.indptr[row], alike.indptr[row + 1])
            others, total = alike.indices[part], squares[row] + self._squares[alike.indices[part]]
            distance = total - 2 * alike.data[part]
            other = distance > TIE * total
            others, distance = others[other], distance[other]
            if len(others) > self.neighbourhood:
                farthest = np.partition(distance, self.neighbourhood - 1)[self.neighbourhood - 1]
                others = others[distance <= farthest * (1 + TIE)]
            columns.append(others)
            shares.append(np.full(len(others), 1 / max(1, len(others))))
            indptr.append(indptr[-1] + len(others))
        data, indices = np.concatenate([np.empty(0), *shares]), np.concatenate([np.empty(0, np.int32), *columns])
        return csr_matrix((data, indices, np.array(indptr)), shape=alike.shape)


def _squares(matrix: Any) -> Any:
    """The squared length of every row, float64."""
    return np.asarray(matrix.astype(np.float64).multiply(matrix).sum(axis=1)).ravel()
