"""The obvious script for the whole job: ``python -m bench.contenders._whole_job LOG LISTS``.

Polars reads the log and codes the ids, implicit fits and ranks, polars writes one Parquet file. Of five ways to code
20 million ids with polars and NumPy, the join was the fastest.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

NEIGHBOURS, LENGTH, USERS_A_BATCH, THREADS = 100, 20, 10_000, 2


def coded(column: Any) -> tuple[np.ndarray, Any]:
    """The number of each id, and the ids in the order of their numbers."""
    ids = column.unique(maintain_order=True)
    table = ids.to_frame().with_row_index("code")
    joined = column.to_frame().join(table, on=column.name, how="left", maintain_order="left")
    return joined["code"].to_numpy(), ids


def main(log_file: str, lists_file: str) -> None:
    """Read, fit, rank and write."""
    import polars as pl
    from implicit.nearest_neighbours import CosineRecommender
    from scipy.sparse import csr_matrix

    log = pl.read_csv(log_file) if log_file.endswith(".csv") else pl.read_parquet(log_file)
    (users, user_ids), (items, item_ids) = (coded(log[name]) for name in log.columns[:2])
    matrix = csr_matrix((np.ones(len(users), np.float32), (users, items)))
    del log, users, items
    model = CosineRecommender(K=NEIGHBOURS + 1, num_threads=THREADS)  # it counts the item itself
    model.fit(matrix, show_progress=False)
    frames = []
    for lo in range(0, matrix.shape[0], USERS_A_BATCH):
        batch = np.arange(lo, min(lo + USERS_A_BATCH, matrix.shape[0]))
        best, scores = model.recommend(batch, matrix[batch], N=LENGTH, filter_already_liked_items=True)
        found = np.flatnonzero(best.ravel() >= 0)
        frames.append(
            pl.DataFrame({
                "user": user_ids.gather(np.repeat(batch, LENGTH)[found]),
                "rank": np.tile(np.arange(1, LENGTH + 1, dtype=np.uint32), len(batch))[found],
                "item": item_ids.gather(best.ravel()[found]),
                "score": scores.ravel()[found],
            })
        )  # fmt: skip
    pl.concat(frames).write_parquet(lists_file, compression="zstd")


if __name__ == "__main__":
    main(*sys.argv[1:])
