"""Metrics beyond accuracy of the top k: novelty, diversity, AUC, and the errors of predicted ratings."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from penchant.core.histories import Histories, Ints, Longs
from penchant.core.metrics import Doubles
from penchant.core.rank import BLOCK_BYTES, rank_by_popularity
from penchant.core.split import Split
from penchant.evaluation.cases import asked_ratings

if TYPE_CHECKING:
    from penchant.models.kinds.base import Model
from penchant.recommender.fallback import needs_fallback

PAIRS_AT_ONCE = 2_000_000  # events of the columns that diversity compares in one step


def novelty(items: Ints, counts: Longs, n_users: int, k: int) -> Doubles:
    """Mean −log2 of the share of training users who had an item, over the first k items of each list.

    One value per case. An item without a training user counts as having one. An empty list is NaN (Zhou et al., 2010).
    """
    shown = items[:, :k]
    surprise = -np.log2(np.maximum(counts, 1) / max(1, n_users))
    there = shown >= 0
    return _mean_where(np.where(there, surprise[np.maximum(shown, 0)], 0.0).sum(axis=1), there.sum(axis=1))


def diversity(items: Ints, train: Histories, k: int) -> Doubles:
    """1 − the mean cosine between the training columns of the first k items of each list.

    One value per case. An item without training events resembles nothing. A list of fewer than two items is NaN
    (Ziegler et al., 2005). Each pair of items is compared once, however many lists contain it. Cost: the length of the
    columns of every pair.
    """
    shown = items[:, :k]
    width = shown.shape[1]
    if width < 2:
        return np.full(len(shown), np.nan)
    left, right = np.triu_indices(width, 1)
    first, second = shown[:, left].astype(np.int64), shown[:, right].astype(np.int64)
    there = (first >= 0) & (second >= 0)
    n = np.int64(max(1, train.n_items))
    keys = np.minimum(first, second) * n + np.maximum(first, second)
    pairs, inverse = np.unique(keys[there], return_inverse=True)
    similar = np.zeros(shown.shape[:1] + left.shape)
    similar[there] = _cosines(pairs // n, pairs % n, train)[inverse]
    return 1.0 - _mean_where(similar.sum(axis=1), there.sum(axis=1))


def _cosines(left: Longs, right: Longs, train: Histories) -> Doubles:
    """Cosines of pairs of binary training columns."""
    from scipy.sparse import csr_array

    events = train.positives().distinct()
    ones = np.ones(len(events.items), dtype=np.float32)
    columns = csr_array((ones, (events.items, events.rows)), shape=(train.n_items, max(1, len(train))))
    counts = np.diff(columns.indptr).astype(np.float64)
    both = np.zeros(len(left))
    # a block of pairs ends where the columns it reads reach a limit, so that memory stays bounded
    block = (np.cumsum(counts[left] + counts[right]) // PAIRS_AT_ONCE).astype(np.int64)
    edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(left)]
    for start, stop in itertools.pairwise(edges):
        one, other = columns[left[start:stop]], columns[right[start:stop]]
        both[start:stop] = np.asarray(one.multiply(other).sum(axis=1)).ravel()
    norms = np.sqrt(counts[left] * counts[right])
    cosines: Doubles = np.divide(both, norms, out=np.zeros(len(left)), where=norms > 0)
    return cosines


def auc(model: Model, split: Split) -> Doubles:
    """The share of pairs of a true item and an item neither true nor seen in which the true item ranks higher.

    One value per case, over all items. The order is that of the lists: score, then training count, then index, so there
    are no ties. A true item that a list must not contain ranks last. Where the split has candidates, only these are
    ranked. A history without a positive event gets the order of popularity. A case without truth, or without any other
    item, is NaN.
    """
    truth, n = split.truth.distinct(), split.truth.n_items
    unknown = np.zeros(len(split), dtype=np.int64) if split.unknown_truth is None else split.unknown_truth
    popularity_rank = rank_by_popularity(model.item_counts)
    out = np.full(len(split), np.nan)
    size = max(1, BLOCK_BYTES // (16 * max(1, n)))
    for lo in range(0, len(split), size):
        given = split.given[lo : lo + size]
        scores = model.score(given)
        scores[needs_fallback(given)] = 0  # popularity decides
        for r, row in enumerate(scores, start=lo):
            allowed = np.ones(n, dtype=np.bool_)
            if split.candidates is not None:
                allowed[:] = False
                allowed[split.candidates.row(r)] = True
            if not split.repeat:
                allowed[(split.seen or split.given).row(r)] = False
            true = truth.row(r)
            allowed[true] = False
            others = np.flatnonzero(allowed)
            if len(true) + unknown[r] == 0 or len(others) == 0:
                continue
            ordered = np.sort(row[others])
            won = 0.0
            for item in true[row[true] > -np.inf]:
                below = int(np.searchsorted(ordered, row[item], side="left"))
                if np.searchsorted(ordered, row[item], side="right") > below:  # popularity decides between equal scores
                    below += int((popularity_rank[others[row[others] == row[item]]] > popularity_rank[item]).sum())
                won += below / len(others)
            out[r] = won / (len(true) + unknown[r])
    return out


def rating_errors(model: Model, split: Split) -> tuple[Doubles, Doubles, Longs] | None:
    """Summed squared and absolute errors of the predicted ratings, and their number, one value each per case.

    None where the model predicts no ratings, or the split holds none. Ratings of given items are left out.
    """
    from penchant.models.kinds.rating import RatingModel

    asked = asked_ratings(split)
    if not isinstance(model, RatingModel) or asked is None or asked.values is None:
        return None
    errors = model.predict(split.given, asked).astype(np.float64) - asked.values
    rows, size = asked.rows, len(split)
    squared = np.bincount(rows, weights=errors * errors, minlength=size).astype(np.float64)
    absolute = np.bincount(rows, weights=np.abs(errors), minlength=size).astype(np.float64)
    return squared, absolute, asked.lengths


def _mean_where(sums: Doubles, counts: Longs) -> Doubles:
    means: Doubles = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return means
