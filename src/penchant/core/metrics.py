"""The quality of lists: pure, vectorised functions of ranked items and ragged truth, with one value per case.

Everything starts from ``judge``, which looks up every ranked item in the truth once. The empty positions of a short
list are misses. A true item that no model can rank (``unknown``) stays in the truth as a miss. Cases without truth give
NaN: the caller leaves them out and counts them.
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
    """Ranked lists compared with the truth."""

    hits: Bools  # (cases, k) whether the position holds a true item
    gains: Doubles  # (cases, k) the relevance of a true item, 1 without grades, else 0
    sizes: Longs  # (cases,) true items, including those outside the vocabulary
    ideal_rows: Longs  # (true items,) the case of each, sorted by case and descending relevance
    ideal_ranks: Longs  # (true items,) 0 for the most relevant of its case
    ideal_gains: Doubles  # (true items,)


def judge(items: Ints, truth: Histories, *, unknown: Longs | None = None) -> Judged:
    """Look up ranked ``items`` (cases, k) in the truth of each case; best first, -1 after the end of a list.

    The values of ``truth``, if any, are grades of relevance; those below zero count as zero. An item that is twice in
    the truth of a case counts once, and one that is twice in a list hits once. Raises ``DataError`` if rows do not
    match.
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
    hits &= ~_repeated(items)
    gains = np.where(hits, grades[at], 0.0) if len(keys) else np.zeros(items.shape)
    rows = keys // n
    if unknown is not None:  # true items with a gain of one each, which no list can contain
        rows = np.concatenate([rows, np.repeat(np.arange(len(items), dtype=np.int64), unknown)])
        grades = np.concatenate([grades, np.ones(int(unknown.sum()))])
    descending = np.lexsort((-grades, rows))
    rows, grades = rows[descending], grades[descending]
    sizes = np.bincount(rows, minlength=len(items)).astype(np.int64)
    ranks = np.arange(len(rows), dtype=np.int64) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return Judged(hits, gains, sizes, rows, ranks, grades)


def _repeated(items: Ints) -> Bools:
    """Positions whose item is earlier in the same list."""
    if items.shape[1] < 2:
        return np.zeros(items.shape, dtype=np.bool_)
    order = np.argsort(items, axis=1, kind="stable")
    ordered = np.take_along_axis(items, order, axis=1)
    again = np.zeros(items.shape, dtype=np.bool_)
    np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return again


def _of(judged: Judged, values: Doubles) -> Doubles:
    """Values of cases; NaN if a case has no truth."""
    return np.where(judged.sizes > 0, values, np.nan)


def hit(judged: Judged, k: int) -> Doubles:
    """1 if the first k positions hold a true item, else 0."""
    return _of(judged, np.where(judged.hits[:, :k].any(axis=1), 1.0, 0.0))


def recall(judged: Judged, k: int) -> Doubles:
    """True items among the first k positions / true items."""
    found: Doubles = judged.hits[:, :k].sum(axis=1).astype(np.float64)
    return _of(judged, found / np.maximum(judged.sizes, 1))


def precision(judged: Judged, k: int) -> Doubles:
    """True items among the first k positions / k."""
    found: Doubles = judged.hits[:, :k].sum(axis=1).astype(np.float64)
    return _of(judged, found / k)


def mrr(judged: Judged, k: int) -> Doubles:
    """1 / the rank of the first true item within k positions, 0 without one (trec_eval's recip_rank, cut at k)."""
    hits = judged.hits[:, :k]
    first = hits.argmax(axis=1) if hits.shape[1] else np.zeros(len(hits), dtype=np.int64)
    rank = np.where(hits.any(axis=1), first + 1.0, np.inf)
    return _of(judged, np.asarray(1.0 / rank, dtype=np.float64))


def average_precision(judged: Judged, k: int) -> Doubles:
    """Σ over true items within k positions of the precision at their rank, / true items (trec_eval's map_cut)."""
    hits = judged.hits[:, :k]
    at = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return _of(judged, (at * hits).sum(axis=1) / np.maximum(judged.sizes, 1))


def ndcg(judged: Judged, k: int) -> Doubles:
    """Σ gain / log2(rank + 1) over k positions, / the same of the whole truth sorted by relevance and cut at k.

    The gain is the relevance itself, 1 without grades (Järvelin and Kekäläinen, 2002).
    """
    gains = judged.gains[:, :k]
    found = gains @ (1.0 / np.log2(np.arange(2, gains.shape[1] + 2)))
    within = judged.ideal_ranks < k
    best = np.bincount(
        judged.ideal_rows[within],
        weights=judged.ideal_gains[within] / np.log2(judged.ideal_ranks[within] + 2.0),
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


# -- one number over all lists ---------------------------------------------------------------------------------


def coverage(items: Ints, n_items: int, k: int) -> float:
    """The share of the catalogue that is in the first k positions of any list."""
    shown = items[:, :k]
    return len(np.unique(shown[shown >= 0])) / max(1, n_items)


def gini(items: Ints, n_items: int, k: int) -> float:
    """How unequally the positions are divided among the items: 0 equally, near 1 all to one item.

    G = Σ_j (2j − n − 1) · c_j / (n · Σ c), c how often each of n items is shown, ascending.
    """
    shown = items[:, :k]
    counts = np.sort(np.bincount(shown[shown >= 0], minlength=n_items)).astype(np.float64)
    total = counts.sum()
    if total == 0:
        return float("nan")
    return float((2 * np.arange(1, n_items + 1) - n_items - 1) @ counts / (n_items * total))


OVERALL: dict[str, Callable[[Ints, int, int], float]] = {"coverage": coverage, "gini": gini}
LOWER_IS_BETTER = frozenset({"rmse", "mae", "gini"})
