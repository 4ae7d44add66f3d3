"""How good lists are: pure functions of ranked items and ragged truth, one value a case, vectorised.

Everything starts from ``judge``, which looks every ranked item up in the truth once. A list that is shorter than k
misses in its empty places; a true item that nobody can rank (``unknown``) stays in the truth as a miss. Cases without
truth give NaN: the caller leaves them out and counts them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Bools, Histories, Ints, Longs
from penchant.errors import DataError

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Judged:
    """Ranked lists held against the truth."""

    hits: Bools  # (cases, k) whether the place holds a true item
    gains: Doubles  # (cases, k) the relevance of a true item, 1 without grades, else 0
    sizes: Longs  # (cases,) true items, those outside the vocabulary included
    ideal_rows: Longs  # (true items,) the case of each, sorted by case and falling relevance
    ideal_places: Longs  # (true items,) 0 for the most relevant of its case
    ideal_gains: Doubles  # (true items,)

    def cut(self, k: int) -> Judged:
        """The same for the first ``k`` places."""
        return Judged(
            self.hits[:, :k], self.gains[:, :k], self.sizes, self.ideal_rows, self.ideal_places, self.ideal_gains
        )


def judge(items: Ints, truth: Histories, *, unknown: Longs | None = None) -> Judged:
    """Look up ranked ``items`` (cases, k), best first and -1 where a list has ended, in the truth of each case.

    The values of ``truth``, where there are any, are grades of relevance (those below zero count as zero). An item
    that stands twice in a case's truth counts once, one that stands twice in a list hits once. Raises ``DataError``
    when rows do not match.
    """
    if items.ndim != 2 or len(items) != len(truth):
        raise DataError(f"there are {len(items)} lists and {len(truth)} cases")
    truth = truth.distinct()
    n = np.int64(max(truth.n_items, 1))
    keys = truth.rows * n + truth.items
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    grades = np.ones(len(keys)) if truth.values is None else np.maximum(truth.values[order].astype(np.float64), 0)
    asked = np.arange(len(items), dtype=np.int64)[:, None] * n + items
    at = np.minimum(np.searchsorted(keys, asked), max(0, len(keys) - 1))
    hits = (items >= 0) & (keys[at] == asked) if len(keys) else np.zeros(items.shape, dtype=np.bool_)
    hits &= ~_said_before(items)
    gains = np.where(hits, grades[at], 0.0) if len(keys) else np.zeros(items.shape)
    rows = keys // n
    if unknown is not None:  # they are true, worth one each, and nobody can find them
        rows = np.concatenate([rows, np.repeat(np.arange(len(items), dtype=np.int64), unknown)])
        grades = np.concatenate([grades, np.ones(int(unknown.sum()))])
    falling = np.lexsort((-grades, rows))
    rows, grades = rows[falling], grades[falling]
    sizes = np.bincount(rows, minlength=len(items)).astype(np.int64)
    places = np.arange(len(rows), dtype=np.int64) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return Judged(hits, gains, sizes, rows, places, grades)


def _said_before(items: Ints) -> Bools:
    """Places whose item stands earlier in the same list."""
    if items.shape[1] < 2:
        return np.zeros(items.shape, dtype=np.bool_)
    order = np.argsort(items, axis=1, kind="stable")
    ordered = np.take_along_axis(items, order, axis=1)
    again = np.zeros(items.shape, dtype=np.bool_)
    np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return again


def _of(judged: Judged, values: Doubles) -> Doubles:
    """Values of cases, NaN where a case has no truth."""
    return np.where(judged.sizes > 0, values, np.nan)


def hit(judged: Judged, k: int) -> Doubles:
    """1 where the first k places hold any true item, else 0."""
    return _of(judged, np.where(judged.hits[:, :k].any(axis=1), 1.0, 0.0))


def recall(judged: Judged, k: int) -> Doubles:
    """True items among the first k places / true items."""
    found: Doubles = judged.hits[:, :k].sum(axis=1).astype(np.float64)
    return _of(judged, found / np.maximum(judged.sizes, 1))


def precision(judged: Judged, k: int) -> Doubles:
    """True items among the first k places / k."""
    found: Doubles = judged.hits[:, :k].sum(axis=1).astype(np.float64)
    return _of(judged, found / k)


def mrr(judged: Judged, k: int) -> Doubles:
    """1 / the rank of the first true item within k places, 0 without one (trec_eval's recip_rank, cut at k)."""
    hits = judged.hits[:, :k]
    first = hits.argmax(axis=1) if hits.shape[1] else np.zeros(len(hits), dtype=np.int64)
    rank = np.where(hits.any(axis=1), first + 1.0, np.inf)
    return _of(judged, np.asarray(1.0 / rank, dtype=np.float64))


def average_precision(judged: Judged, k: int) -> Doubles:
    """Σ over true items within k places of the precision at their rank, / true items (trec_eval's map_cut)."""
    hits = judged.hits[:, :k]
    at = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return _of(judged, (at * hits).sum(axis=1) / np.maximum(judged.sizes, 1))


def ndcg(judged: Judged, k: int) -> Doubles:
    """Σ gain / log2(rank + 1) over k places, / the same of the whole truth sorted by relevance and cut at k.

    The gain is the relevance itself, 1 without grades (Järvelin and Kekäläinen, 2002).
    """
    gains = judged.gains[:, :k]
    found = gains @ (1.0 / np.log2(np.arange(2, gains.shape[1] + 2)))
    within = judged.ideal_places < k
    best = np.bincount(
        judged.ideal_rows[within],
        weights=judged.ideal_gains[within] / np.log2(judged.ideal_places[within] + 2.0),
        minlength=len(gains),
    )
    return _of(judged, np.divide(found, best, out=np.zeros(len(gains)), where=best > 0))


ACCURACY: dict[str, Callable[[Judged, int], Doubles]] = {
    "hit": hit,
    "recall": recall,
    "precision": precision,
    "ndcg": ndcg,
    "mrr": mrr,
    "map": average_precision,
}


# -- over all lists: one number ---------------------------------------------------------------------------------


def coverage(items: Ints, n_items: int, k: int) -> float:
    """The share of the catalogue that stands in any list's first k places."""
    shown = items[:, :k]
    return len(np.unique(shown[shown >= 0])) / max(1, n_items)


def gini(items: Ints, n_items: int, k: int) -> float:
    """How unequally the places go to the items of the catalogue: 0 all the same, towards 1 all to one.

    G = Σ_j (2j − n − 1) · c_j / (n · Σ c), c the times each of n items is shown, rising.
    """
    shown = items[:, :k]
    counts = np.sort(np.bincount(shown[shown >= 0], minlength=n_items)).astype(np.float64)
    total = counts.sum()
    if total == 0:
        return float("nan")
    return float((2 * np.arange(1, n_items + 1) - n_items - 1) @ counts / (n_items * total))


OVERALL: dict[str, Callable[[Ints, int, int], float]] = {"coverage": coverage, "gini": gini}
LOWER_IS_BETTER = frozenset({"rmse", "mae", "gini"})
