"""The items that are looked at closely for a request, and what each member says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from penchant.core.histories import Bools, Floats, Histories, Ints, Longs
from penchant.core.rank import BLOCK_BYTES, top_dense
from penchant.models.kinds.base import Model
from penchant.ranking.features import Asked
from penchant.ranking.statistics import Statistics, codes_of

POPULAR = 20  # items that most people chose
NEW = 20  # items that nobody chose, by their attributes
OWN = 100  # items of the history, where it may repeat


def blocks(given: Histories, members: int, attributes: int = 0) -> Iterator[slice]:
    """Rows whose dense scores fit into bounded memory."""
    size = max(1, int(BLOCK_BYTES // (8 * max(1, given.n_items, attributes) * (members + 2))))
    return (slice(lo, min(lo + size, len(given))) for lo in range(0, len(given), size))


def scaled(scores: Floats) -> Floats:
    """Scores divided by the largest absolute one of their row; NaN where a model has none."""
    able = np.isfinite(scores)
    out = np.where(able, scores, np.nan).astype(np.float32)
    best = np.abs(np.where(able, scores, 0)).max(axis=1, keepdims=True, initial=0)
    return np.asarray(out / np.where(best > 0, best, 1).astype(np.float32))


def asked_of(members: Sequence[Model], given: Histories, rows: Longs, items: Ints) -> Asked:
    """Pairs that are not for us to choose, with what the members say of them."""
    scores = [scaled(member.score(given))[rows, items] for member in members]
    return Asked(given, rows, items, np.stack(scores) if scores else np.empty((0, len(rows)), np.float32))


def candidates(
    members: Sequence[Model],
    statistics: Statistics,
    given: Histories,
    *,
    depth: int,
    repeats: bool,
    popularity_rank: Ints,
) -> tuple[Asked, Floats]:
    """The candidates of each row, and what orders all other items: the mean of the members, ``(rows, n_items)``.

    These are the best ``depth`` of each member, the most popular items, those of the values of each context, new items
    with attributes of the history and, where ``repeats``, the items of the history.
    """
    dense = [scaled(member.score(given)) for member in members]
    chosen = np.zeros((len(given), given.n_items), dtype=np.bool_)
    every = np.arange(len(given))[:, None]

    def add(items: Ints) -> None:
        found = items >= 0
        rows = np.broadcast_to(every, items.shape)
        chosen[rows[found], items[found]] = True

    for scores in dense:
        usable = np.where(np.isnan(scores), -np.inf, scores).astype(np.float32)
        width = min(depth, given.n_items)
        add(top_dense(usable, width, exclude=given, allow=None, popularity_rank=popularity_rank).items)
    by_popularity = np.argsort(popularity_rank)[:POPULAR].astype(np.int32)
    add(np.broadcast_to(by_popularity, (len(given), len(by_popularity))))
    stated, _ = codes_of(given, statistics)
    for number in range(stated.shape[1]):
        code = stated[:, number]
        value = statistics.value_starts[number] + np.maximum(code, 0)
        add(np.where((code >= 0)[:, None], statistics.popular[value], -1))
    _add_new(statistics, given, chosen)
    if repeats:
        newest = given.newest(OWN)
        chosen[newest.rows, newest.items] = True
    rows, items = np.nonzero(chosen)
    scores = np.stack([one[rows, items] for one in dense]) if dense else np.empty((0, len(rows)), np.float32)
    rest = np.mean([np.nan_to_num(one, nan=-1.0) for one in dense], axis=0) if dense else np.zeros(chosen.shape)
    return Asked(given, rows, items.astype(np.int32), scores), rest.astype(np.float32)


def _add_new(statistics: Statistics, given: Histories, chosen: Bools) -> None:
    """The items without an event that share the most attributes with the history."""
    new = np.flatnonzero((statistics.counts == 0) & (np.diff(statistics.indptr) > 0))
    if not len(new) or not len(given.items):
        return
    import scipy.sparse as sp

    rarity = np.log1p(1 / np.maximum(statistics.usual, 1e-6)).astype(np.float32)
    whole = statistics.attributes
    ones = np.ones(len(given.items), dtype=np.float32)
    taken = sp.csr_array((ones, given.items, given.indptr), shape=(len(given), statistics.n_items))
    like = ((taken @ whole) @ (whole[new] * rarity[None, :]).T).toarray()
    width = min(NEW, len(new))
    best = np.argsort(-like, axis=1, kind="stable")[:, :width]
    rows = np.broadcast_to(np.arange(len(given))[:, None], best.shape)
    good = like[rows, best] > 0
    chosen[rows[good], new[best[good]]] = True
