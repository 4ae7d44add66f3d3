"""The logs for the speed comparisons, as plain arrays that every environment can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SYNTHETIC = (138_000, 27_000, 20_000_000)  # rows, items, events: the shape of the largest public film log


def write(folder: Path, name: str) -> None:
    """Write ``NAME.npz``: the items of every row, in ascending order."""
    file = folder / f"{name}.npz"
    if file.exists():
        return
    pairs, n_items = synthetic() if name == "synthetic" else _events(name)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(pairs // n_items))]).astype(np.int64)
    np.savez(file, indptr=indptr, items=(pairs % n_items).astype(np.int32), n_items=n_items)


def _events(name: str) -> tuple[np.ndarray, int]:
    """The distinct pairs of a set's training part, each as row · n_items + item, in ascending order."""
    from bench.sets import table

    log = table(name)
    if "split" in log.columns:
        log = log.filter(log["split"].cast(str) == "train")
    rows, items = (np.unique(log[column].to_numpy(), return_inverse=True)[1] for column in ("user", "item"))
    n_items = int(items.max()) + 1
    return np.unique(rows.astype(np.int64) * n_items + items), n_items


def synthetic() -> tuple[np.ndarray, int]:
    """Rows and items have long tails. Half of a row's items come from its own tastes: three groups of fifty. Seed 0."""
    rng, (n_rows, n_items, events) = np.random.default_rng(0), SYNTHETIC
    often = rng.lognormal(0.0, 1.1, n_rows)
    mean = 1.1 * events / n_rows  # a pair drawn twice counts once
    rows = np.repeat(np.arange(n_rows), np.minimum(rng.poisson(often / often.mean() * mean) + 1, n_items // 3))
    places = (n_items * rng.random(len(rows)) ** 2.2).astype(np.int64)  # a few items occur in many rows
    taste = (rng.integers(0, 50, n_rows)[rows] + rng.integers(0, 3, len(rows))) % 50
    own = rng.random(len(rows)) < 0.5
    places[own] = np.minimum(places[own] // 50 * 50 + taste[own], n_items - 1)
    pairs = np.unique(rows * np.int64(n_items) + rng.permutation(n_items)[places])
    return np.delete(pairs, rng.choice(len(pairs), len(pairs) - events, replace=False, shuffle=False)), n_items


def read(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray, int]:
    """The output of ``write``: the row bounds, the items of the rows, and the number of items."""
    with np.load(folder / f"{name}.npz") as data:
        return data["indptr"], data["items"], int(data["n_items"])


def matrix(folder: Path, name: str, value: float = 1.0) -> Any:
    """The log as a SciPy rows × items matrix."""
    from scipy.sparse import csr_matrix

    indptr, items, n_items = read(folder, name)
    return csr_matrix((np.full(len(items), value, np.float32), items, indptr), shape=(len(indptr) - 1, n_items))
