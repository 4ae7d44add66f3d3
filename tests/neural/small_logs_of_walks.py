"""Histories that walk a ring, and small models that learn it in a moment."""

from __future__ import annotations

import numpy as np

from penchant import registry
from penchant.histories import Histories
from penchant.models.neural.base import NeuralModel

ITEMS = 23
SEQUENCES = ("history-mlp", "gru4rec", "sasrec")


def walks(rows: int = 60, *, seed: int = 0, times: bool = True, shortest: int = 2, longest: int = 12) -> Histories:
    """Each item leads to the next but one, now and then to any other."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(rows):
        row = [int(rng.integers(ITEMS))]
        for _ in range(rng.integers(shortest, longest) - 1):
            row.append(int(rng.integers(ITEMS)) if rng.random() < 0.1 else (row[-1] + 2) % ITEMS)
        found.append(row)
    when = [[int(t) for t in np.cumsum(rng.integers(10, 10_000, len(row)))] for row in found] if times else None
    return Histories.from_lists(found, ITEMS, times=when)


def small(name: str, **params: object) -> NeuralModel:
    """A model of a few hundred weights."""
    made = registry.create(name, {"factors": 8, "batch": 100, "rate": 0.01, "epochs": 3, "patience": 0} | params)
    assert isinstance(made, NeuralModel)
    return made
