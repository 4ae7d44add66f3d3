"""Shared by the elastic net comparisons: the data, the chosen columns, and the objective that both sides minimise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SETS = ("ml-1m", "gowalla")
COLUMNS = 500
L1, L2 = 2.0, 10.0
TOLERANCE = 1e-4


def prepare(folder: Path) -> None:
    """Write the training rows of gowalla and all ratings of ml-1m; each rating counts as one."""
    from bench.contenders import _gowalla, _ratings

    _gowalla.write(folder)
    _ratings.write(folder, "ml-1m")


def rows(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray, int]:
    """``indptr``, ``items`` and the number of items."""
    with np.load(folder / f"{name}.npz") as data:
        if name == "gowalla":
            return data["indptr"], data["items"], int(data["n_items"])
        indptr = np.concatenate([[0], np.cumsum(np.bincount(data["users"]))])
        return indptr, data["items"], int(data["items"].max()) + 1


def matrix(folder: Path, name: str) -> Any:
    """The log as a SciPy users × items matrix of doubles."""
    from scipy.sparse import csr_matrix

    indptr, items, n_items = rows(folder, name)
    return csr_matrix((np.ones(len(items)), items, indptr), shape=(len(indptr) - 1, n_items))


def targets(n_items: int) -> np.ndarray:
    """The columns to solve or judge."""
    return np.sort(np.random.default_rng(0).choice(n_items, COLUMNS, replace=False)).astype(np.int32)


def objective(x: Any, of: np.ndarray, columns: Any) -> float:
    """½‖X_j − Xw‖² + l1 |w| + ½ l2 |w|², summed over the columns ``of``, with weights ``columns``."""
    columns = columns.astype(np.float64)
    residual = x.tocsc()[:, of] - x @ columns
    squares = residual.multiply(residual).sum()
    return float(squares / 2 + L1 * abs(columns).sum() + L2 * columns.multiply(columns).sum() / 2)
