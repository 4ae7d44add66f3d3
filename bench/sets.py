"""The benchmark sets: where each lies, how it is read and split, and which metrics its published numbers use.

The data are not part of the project (their terms do not allow it): ``PENCHANT_DATA`` names the folder that holds one
folder a set, each with an ``interactions.parquet``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.peers import ROOT

if TYPE_CHECKING:
    import polars as pl

    from penchant.interactions import Interactions


def data_folder() -> Path:
    """The folder of the sets; relative paths count from the root of the project."""
    folder = ROOT / os.environ.get("PENCHANT_DATA", "../shared/data")
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}: set PENCHANT_DATA to the one that holds the sets")
    return folder


def table(name: str, file: str = "interactions") -> pl.DataFrame:
    """One table of a set as it lies on the disk."""
    import polars as pl

    return pl.read_parquet(data_folder() / name / f"{file}.parquet")


@dataclass(frozen=True)
class BenchSet:
    """A set with its protocol: what is measured on it is decided here, for all models alike."""

    folder: str
    split: str  # as for ``penchant evaluate --split``
    metrics: tuple[str, ...]
    k: int
    about: str
    columns: tuple[str, ...] = ()  # of interactions.parquet that are read; (): all
    prepare: Callable[[pl.DataFrame], pl.DataFrame] | None = None
    reading: dict[str, Any] = field(default_factory=dict)
    repeat: bool = False

    def frame(self) -> pl.DataFrame:
        """The rows to be read."""
        rows = table(self.folder)
        if self.prepare is not None:
            rows = self.prepare(rows)
        return rows.select(self.columns) if self.columns else rows

    def read(self) -> Interactions:
        """The event table, read as any log is."""
        from penchant.interactions import read_interactions

        return read_interactions(self.frame(), **self.reading)

    def candidates(self) -> pl.DataFrame | None:
        """The items each case may be answered with, where the protocol ships them."""
        if self.folder != "ml-1m" or "ncf_test" not in self.metrics:
            return None
        return table(self.folder, "ncf_negatives")


_SEQUENCE = ("hit@5", "hit@10", "hit@20", "ndcg@5", "ndcg@10", "ndcg@20")
_TOP20 = ("recall@20", "ndcg@20", "hit@20")
_RATING = ("rmse", "mae")

SETS: dict[str, BenchSet] = {
    "amazon-beauty": BenchSet("amazon-beauty", "leave-last", _SEQUENCE, 20, "S3-Rec sequences, all items ranked"),
}
