"""Histories that walk a ring, and small models that learn it in a moment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from penchant.core.histories import Histories
from penchant.core.item_features import ItemFeatures
from penchant.core.run import Run
from penchant.models import registry
from penchant.models.neural.kinds.base import NeuralModel

ITEMS = 23
SEQUENCES = ("history-mlp", "gru4rec", "sasrec")
NAMES = (*SEQUENCES, "history-classifier", "auto-rec", "mult-vae", "neu-mf", "two-tower")
ONE = Run(threads=1)


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
    made = registry.create(name, {"factors": 8, "batch": 100, "rate": 0.01, "epochs": 3, "patience": None} | params)
    assert isinstance(made, NeuralModel)
    return made


def described(n_items: int) -> ItemFeatures:
    """Items of three kinds in turn."""
    return ItemFeatures.from_columns(n_items, {"kind": ["abc"[n % 3] for n in range(n_items)]})


def fitted(name: str, log: Histories, run: Run = ONE, **params: object) -> NeuralModel:
    """A small model of that name, with ratings and item features where it needs them."""
    if name == "auto-rec":
        ratings = 1 + np.arange(len(log.items)) % 5
        log = replace(log, values=ratings.astype(np.float32), values_are="rating")
    if name == "history-classifier":
        params = {"attribute": "kind"} | params
    return small(name, **params).fit(log, run=run, features=described(log.n_items))


def asked(model: NeuralModel, rows: list[list[int]] | Histories) -> Histories:
    """Histories as that model reads them, with ratings where it needs them."""
    given = rows if isinstance(rows, Histories) else Histories.from_lists(rows, model.n_items)
    if model.name != "auto-rec":
        return given
    return replace(given, values=np.full(len(given.items), 4, np.float32), values_are="rating")
