"""The item→item operator of linear models: sparse, dense and low-rank parts, and its products with histories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penchant.core.histories import Floats, Histories, Ints, Longs

ROWS_A_BLOCK = 64
ROWS_A_PRODUCT = 512


@dataclass(frozen=True, eq=False)
class Weights:
    """An item→item operator W: row = item of the history, column = candidate. Any of the parts may be absent.

    W = sparse(indptr, indices, data) + dense + left @ right
    """

    indptr: Longs | None = None  # (n + 1,)
    indices: Ints | None = None  # (nonzeros,) ascending within a row
    data: Floats | None = None
    dense: Floats | None = None  # (n, n)
    left: Floats | None = None  # (n, rank)
    right: Floats | None = None  # (rank, n)

    @property
    def only_sparse(self) -> bool:
        return self.indptr is not None and self.dense is None and self.left is None

    def columns(self, items: Longs, rows: Ints) -> Floats:
        """``W[rows, items].T``, ``(items, rows)``: one pass over the entries of the rows, whatever the number of items.

        The bits of a column do not depend on the other items.
        """
        out = np.zeros((len(items), len(rows)), dtype=np.float32)
        if self.indptr is not None and self.indices is not None and self.data is not None and len(items):
            at, count = self._entries(rows)
            order = np.argsort(items, kind="stable")
            ordered, column = items[order], self.indices[at]
            near = np.minimum(np.searchsorted(ordered, column), len(items) - 1)
            hit = np.flatnonzero(ordered[near] == column)
            row = np.searchsorted(np.cumsum(count), hit, side="right")
            out[order[near[hit]], row] = self.data[at[hit]]
            same = np.flatnonzero(ordered[1:] == ordered[:-1])
            for n in same.tolist():  # an item that is asked for again
                out[order[n + 1]] = out[order[n]]
        left = self.left[rows] if self.left is not None else None
        for n, item in enumerate(items.tolist()):
            if self.dense is not None:
                out[n] += self.dense[rows, item]
            if left is not None and self.right is not None:
                out[n] += left @ self.right[:, item]
        return out

    def _entries(self, rows: Ints) -> tuple[Longs, Longs]:
        """The positions of the entries of these rows, row by row, and how many each row has."""
        assert self.indptr is not None  # checked by the callers
        start = self.indptr[rows]
        count = self.indptr[rows + 1] - start
        return np.arange(count.sum()) + np.repeat(start - np.cumsum(count) + count, count), count

    def apply(self, given: Histories, coefficients: Floats, *, threads: int = 1) -> Floats:
        """``(rows, n)``: for every row the coefficient-weighted sum of the operator rows of its items.

        A single row takes a NumPy path that needs no compiler and adds in the same order. A low-rank part is multiplied
        for all rows at once, so there the last bits of a row may depend on the other rows.
        """
        out = np.zeros((len(given), given.n_items), dtype=np.float32)
        if self.indptr is not None and self.indices is not None and self.data is not None:
            if len(given) == 1:
                at, count = self._entries(given.items)
                np.add.at(out[0], self.indices[at], np.repeat(coefficients, count) * self.data[at])  # in order
            else:
                self._apply_sparse(given, coefficients, out, threads)
        if self.dense is not None and len(given.items):
            if len(given) == 1:
                out[0] += coefficients @ self.dense[given.items]
            else:  # indexing would copy the rows, which takes longer than the sums
                out += times_dense((given.indptr, given.items, coefficients), self.dense, threads)
        if self.left is not None and self.right is not None and len(given.items):
            if len(given) == 1:
                out[0] += (coefficients @ self.left[given.items]) @ self.right
            else:
                out += times_dense((given.indptr, given.items, coefficients), self.left, threads) @ self.right
        return out

    def _apply_sparse(self, given: Histories, coefficients: Floats, out: Floats, threads: int) -> None:
        from penchant.kernels.select import sparse_scores
        from penchant.kernels.threads import over_blocks

        indptr, indices, data = self.indptr, self.indices, self.data
        assert indptr is not None and indices is not None and data is not None  # narrows the types

        def work(lo: int, hi: int) -> None:
            sparse_scores(lo, hi, given.indptr, given.items, coefficients, indptr, indices, data, out)

        over_blocks(work, len(given), size=ROWS_A_BLOCK, threads=threads)


def times_dense(matrix: tuple[Longs, Ints, Floats], dense: Floats, threads: int) -> Floats:
    """A sparse matrix of rows (``indptr``, ``indices``, ``data``) times a thin dense one."""
    from penchant.kernels.lowrank import times
    from penchant.kernels.threads import over_blocks

    indptr, indices, data = matrix
    dense = np.ascontiguousarray(dense)
    out = np.empty((len(indptr) - 1, dense.shape[1]), dtype=np.float32)
    over_blocks(
        lambda lo, hi: times(lo, hi, indptr, indices, data, dense, out),
        len(out),
        size=ROWS_A_PRODUCT,
        threads=threads,
    )
    return out
