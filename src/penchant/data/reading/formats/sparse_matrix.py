"""SciPy sparse matrices of users by items."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from penchant.data.reading.batches import Table
from penchant.data.reading.formats.base import Format, Peek, frame_table


class SparseMatrix(Format):
    """A sparse matrix: row and column numbers are the ids, its numbers the weights unless all are one."""

    name = "table"

    def recognises(self, peek: Peek) -> bool:
        """By its conversion to coordinates."""
        return hasattr(peek.source, "tocoo") and hasattr(peek.source, "shape")

    def open(self, peek: Peek) -> Table:
        """A row for each number that is stored; duplicates are summed, as SciPy defines them."""
        coo = peek.source.tocsr().tocoo()
        columns: dict[str, Any] = {"user": coo.row.astype(np.int64), "item": coo.col.astype(np.int64)}
        if coo.data.size and not (coo.data == 1).all():
            columns["weight"] = coo.data.astype(np.float64)
        return frame_table(self.described(peek), pl.DataFrame(columns))


FORMAT = SparseMatrix()
