"""Holds out a tenth of the events of a log, and measures how well lists predict them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.contenders import _logs

SHARE = 0.1


def parts(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    """Row bounds and items of the training part, the same for the held-out part, and the number of items."""
    indptr, items, n_items = _logs.read(folder, name)
    held = np.random.default_rng(0).random(len(items)) < SHARE
    before = np.append(0, np.cumsum(held))[indptr]
    return indptr - before, items[~held], before, items[held], n_items


def ndcg(lists: np.ndarray, indptr: np.ndarray, items: np.ndarray, rows: np.ndarray | None = None) -> float:
    """Mean NDCG of the lists, best item first, against the held-out items of their rows (all rows by default)."""
    k, total, cases = lists.shape[1], 0.0, 0
    discount = 1 / np.log2(np.arange(k) + 2)
    for best, row in zip(lists, range(len(indptr) - 1) if rows is None else rows, strict=True):
        truth = items[indptr[row] : indptr[row + 1]]
        if len(truth):
            total += float(discount[np.isin(best, truth)].sum() / discount[: len(truth)].sum())
            cases += 1
    return total / cases
