"""About how long a model needs for a log, before it is tried.

The constants come from fits with default parameters on two cores; ``attempts`` scales them by the speed it measures.
They only order candidates and keep a budget: a factor of two in either direction does no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from penchant.core.split import Split
from penchant.evaluation.verdict import ease_seconds

TAUGHT = 5_000.0  # events per second that a transformer trains on with a CPU
MAX_HISTORY = 500  # events per history that models of pairs count


@dataclass(frozen=True)
class LogShape:
    """What decides which candidates apply, and what they cost."""

    events: int
    items: int
    ordered: bool
    sessions: bool
    described: bool  # items have attributes or vectors
    pairs: int = 0  # Σ over histories of events², as models of pairs count them
    cases: int = 0

    @classmethod
    def of(cls, split: Split, *, ordered: bool, sessions: bool, described: bool) -> LogShape:
        lengths = np.minimum(split.train.lengths, MAX_HISTORY).astype(np.int64)
        events, pairs = len(split.train.items), int((lengths**2).sum())
        return cls(events, split.train.n_items, ordered, sessions, described, pairs, len(split))


def transformer(log: LogShape) -> float:
    """A transformer on a CPU."""
    from penchant.models.registry import create

    return log.events * int(create("sasrec").params()["epochs"]) / TAUGHT


SECONDS: dict[str, Callable[[LogShape], float]] = {
    "popular": lambda log: 1e-7 * log.events,
    "bias": lambda log: 1e-6 * log.events,
    "item-knn": lambda log: 1e-6 * log.events + 1e-8 * log.pairs,
    "transitions": lambda log: 2e-6 * log.events,
    "session-knn": lambda log: 1e-6 * log.events + 1e-3 * log.cases,
    "content-knn": lambda log: 2e-4 * log.items,
    "user-knn": lambda log: 5e-7 * log.events + 5e-4 * log.cases,
    "rp3beta": lambda log: 1e-6 * log.events + 1e-7 * log.pairs,
    "als": lambda log: 2.0 + 1e-5 * log.events,
    "sparse-ease": lambda log: 1e-3 * log.items,
    "ease": lambda log: 0.1 + 2 * ease_seconds(log.items),
    "graph-filter": lambda log: 1.6e-3 * log.items,
    "sasrec": transformer,
    "svd": lambda log: 3.5e-6 * log.events,
    "svdpp": lambda log: 8.5e-6 * log.events,
    "slope-one": lambda log: 3.5e-8 * log.pairs,
    "nmf": lambda log: 2.6e-5 * log.events,
}


def seconds(name: str, log: LogShape) -> float:
    """The estimate for a model; 0 for one that has none."""
    return SECONDS[name](log) if name in SECONDS else 0.0
