"""Logs of people with two tastes, for private fitting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

import penchant as pc
from penchant.data.interactions import Interactions


def frame(people: int = 400, items: int = 24, events: int = 6, *, seed: int = 0) -> pl.DataFrame:
    """Half of the people choose among the first half of the items, half among the rest; the first are chosen most."""
    rng = np.random.default_rng(seed)
    rows = []
    half = items // 2
    chance = 1 / np.arange(1, half + 1)
    for user in range(people):
        shelf = np.arange(half) + half * (user % 2)
        for n, item in enumerate(rng.choice(shelf, events, replace=False, p=chance / chance.sum())):
            rows.append((f"u{user}", f"i{item}", 1_600_000_000 + 100 * user + n))
    return pl.DataFrame(rows, schema=["user", "item", "timestamp"], orient="row")


def log(**shape: int) -> Interactions:
    """``frame`` as a log."""
    return pc.read_interactions(frame(**shape))


def csv(folder: Path, **shape: int) -> Path:
    """``frame`` as a file."""
    file = folder / "log.csv"
    frame(**shape).write_csv(file)
    return file
