"""The training part of gowalla as plain arrays that every environment can read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from penchant.core.histories import Histories


def write(folder: Path) -> None:
    """Write ``gowalla.npz``: the items of every user, one row per user."""
    from bench.sets import table

    if (folder / "gowalla.npz").exists():
        return
    everything = table("gowalla")
    rows = everything.filter(everything["split"].cast(str) == "train").sort("user", maintain_order=True)
    users, items = rows["user"].to_numpy(), rows["item"].to_numpy()
    indptr = np.concatenate([[0], np.cumsum(np.bincount(users))]).astype(np.int64)
    n_items = everything["item"].max() + 1
    np.savez(folder / "gowalla.npz", indptr=indptr, items=items.astype(np.int32), n_items=n_items)


def histories(folder: Path) -> Histories:
    """The histories in Penchant's format."""
    from penchant.core.histories import Histories

    with np.load(folder / "gowalla.npz") as data:
        return Histories(data["indptr"], data["items"], int(data["n_items"]))


def matrix(folder: Path) -> Any:
    """The log as a SciPy users × items matrix."""
    from scipy.sparse import csr_matrix

    with np.load(folder / "gowalla.npz") as data:
        ones = np.ones(len(data["items"]), dtype=np.float32)
        return csr_matrix((ones, data["items"], data["indptr"]), shape=(len(data["indptr"]) - 1, int(data["n_items"])))
