"""From scores to lists: masks and top-k, once, for all models."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from penchant.core.histories import Bools, Floats, Histories, Ints, Longs
from penchant.core.shown import Shown
from penchant.errors import ParameterError, ScoreError

BLOCK_BYTES = 128 * 2**20  # dense scores that one thread holds at once
NO_EVENTS = Histories(np.zeros(1, np.int64), np.empty(0, np.int32), 0)


@dataclass(frozen=True, eq=False)
class Ranked:
    """Best first, one row per history; a list shorter than k ends in item -1 with score -inf."""

    items: Ints  # (rows, k)
    scores: Floats  # (rows, k)

    def __len__(self) -> int:
        return len(self.items)


def check_k(k: object) -> None:
    """Raises ``ParameterError`` unless k is a whole number from 1."""
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise ParameterError(f"k must be a whole number from 1, got {k!r}")


class Ranker(Protocol):
    """What ``rank`` needs of a model."""

    @property
    def name(self) -> str: ...

    @property
    def item_counts(self) -> Longs: ...

    def top(
        self, given: Histories, k: int, *, exclude: Histories, allow: Bools | None, popularity_rank: Ints, threads: int
    ) -> Ranked: ...

    def near(
        self, given: Histories, k: int, *, exclude: Histories, allow: Bools | None, popularity_rank: Ints, threads: int
    ) -> Ranked | None: ...

    def top_candidates(
        self, given: Histories, k: int, *, candidates: Histories, exclude: Histories, allow: Bools | None,
        popularity_rank: Ints, threads: int,
    ) -> Ranked: ...  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores that are known already, as something that ``rank`` can rank: row ``r`` belongs to history ``r``."""

    scores: Floats  # (rows, n_items)
    item_counts: Longs  # (n_items,)
    name: str  # of the model, for messages

    def top(
        self, given: Histories, k: int, *, exclude: Histories, allow: Bools | None, popularity_rank: Ints, threads: int
    ) -> Ranked:
        return top_dense(self.scores, k, exclude=exclude, allow=allow, popularity_rank=popularity_rank, threads=threads)

    def near(
        self, given: Histories, k: int, *, exclude: Histories, allow: Bools | None, popularity_rank: Ints, threads: int
    ) -> None:
        return None

    def top_candidates(
        self, given: Histories, k: int, *, candidates: Histories, exclude: Histories, allow: Bools | None,
        popularity_rank: Ints, threads: int,
    ) -> Ranked:  # fmt: skip
        return top_dense(
            self.scores,
            k,
            candidates=candidates,
            exclude=exclude,
            allow=allow,
            popularity_rank=popularity_rank,
            threads=threads,
        )


def rank_by_popularity(item_counts: Longs) -> Ints:
    """The position of every item by training count, then by index: it decides between equal scores."""
    order = np.lexsort((np.arange(len(item_counts)), -item_counts))
    popularity_rank = np.empty(len(item_counts), dtype=np.int32)
    popularity_rank[order] = np.arange(len(item_counts), dtype=np.int32)
    return popularity_rank


def in_order(popularity_rank: Ints) -> Ints:
    """The items by popularity, the most popular first; kept for the next calls with the same array."""
    for of, order in tuple(_SORTED):  # another thread may add one meanwhile
        if of is popularity_rank:
            return order
    order = np.argsort(popularity_rank).astype(np.int32)
    _SORTED.append((popularity_rank, order))
    return order


_SORTED: deque[tuple[Ints, Ints]] = deque(maxlen=4)  # of the models that a process answers from


def rank(
    model: Ranker,
    given: Histories,
    k: int,
    *,
    exclude: Histories | None = None,
    repeat: bool = False,
    allow: Bools | None = None,
    candidates: Histories | None = None,
    popularity_rank: Ints | None = None,
    threads: int = 0,
    exact: bool = False,
) -> Ranked:
    """The k best items for every history. Every list of Penchant comes from here.

    - ``exclude`` holds, row by row, the items that a list may not contain. By default these are the items of the
      history itself; with ``repeat``, only the items whose newest event is a dislike.
    - ``allow`` ``(n_items,)`` is one mask for all rows; ``candidates`` limits each row to its own items.
    - Equal scores go to the higher training count, then to the lower index. ``popularity_rank`` is what
      ``rank_by_popularity(item_counts)`` returns; pass it to avoid sorting again.
    - A model with an index over its items answers from it, with the recall that was measured when it was built;
      ``exact`` looks at every item instead. Scores and the order of what is found are the same.

    Raises ``ParameterError`` when k < 1 or rows do not match, and ``ScoreError`` where a score is NaN.
    """
    check_k(k)
    k = min(k, given.n_items) or 1
    if exclude is None:
        exclude = left_out(given, repeat=repeat)
    for name, other in (("exclude", exclude), ("candidates", candidates)):
        if other is not None and len(other) != len(given):
            raise ParameterError(f"{name} has {len(other)} rows, the histories {len(given)}")
    if allow is not None and allow.shape != (given.n_items,):
        raise ParameterError(f"allow must have shape ({given.n_items},), got {allow.shape}")
    popularity_rank = rank_by_popularity(model.item_counts) if popularity_rank is None else popularity_rank
    if candidates is None:
        near = None if exact else model.near(
            given, k, exclude=exclude, allow=allow, popularity_rank=popularity_rank, threads=threads
        )  # fmt: skip
        if near is not None:
            return _checked(model, near)
        return _checked(
            model, model.top(given, k, exclude=exclude, allow=allow, popularity_rank=popularity_rank, threads=threads)
        )
    if len(given) == 1:
        one = _one_row_of_candidates(model, given, k, exclude, allow, candidates, popularity_rank, threads)
        return _checked(model, one)
    among = model.top_candidates(
        given, k, candidates=candidates, exclude=exclude, allow=allow, popularity_rank=popularity_rank, threads=threads
    )
    return _checked(model, among)


def _checked(model: Ranker, ranked: Ranked) -> Ranked:
    """The lists, unless the model gave NaN: ``top_dense`` marks such a row by its first score."""
    broken = np.isnan(ranked.scores[:, 0])
    if broken.any():
        raise ScoreError(model.name, int(np.argmax(broken)))
    return ranked


def check_most(most: int) -> int:
    """A number of impressions; raises ``ParameterError`` for one that is none."""
    if isinstance(most, bool) or not isinstance(most, int) or most < 0:
        raise ParameterError(f"most_impressions is a whole number from 0, not {most!r}")
    return most


def without_tired(given: Histories, most: int) -> Histories | None:
    """What a list of each row may not contain: its own items, and those that were shown ``most`` times or more since
    their last event. None where there is no such item, or ``most`` is 0.
    """
    tired = given.shown.too_often(given, most) if most and given.shown is not None else None
    if tired is None or not len(tired.items):
        return None
    return beside(given, tired)


def beside(one: Histories, other: Histories | Shown) -> Histories:
    """The items of two ragged batches of the same rows, row by row, as something that a list may not contain."""
    rows = np.concatenate([one.rows, other.rows])
    items = np.concatenate([one.items, other.items])[np.argsort(rows, kind="stable")]
    return Histories(one.indptr + other.indptr, items, one.n_items)


def left_out(given: Histories, *, repeat: bool) -> Histories:
    """What may not be recommended: all items of a history; with ``repeat``, those whose newest event is a dislike."""
    if not repeat:
        return given
    if given.values_are != "weight" or given.values is None:
        return given.without_events()
    key = given.rows * np.int64(given.n_items) + given.items
    newest = np.zeros(len(key), dtype=np.bool_)
    newest[len(key) - 1 - np.unique(key[::-1], return_index=True)[1]] = True
    return given.where(newest & (given.values < 0))


def _one_row_of_candidates(
    model: Ranker, given: Histories, k: int, exclude: Histories, allow: Bools | None, candidates: Histories,
    popularity_rank: Ints, threads: int,
) -> Ranked:  # fmt: skip
    """One row as a mask, which needs no compiler."""
    only = np.zeros(given.n_items, dtype=np.bool_)
    only[candidates.items] = True
    only = only if allow is None else only & allow
    return model.top(given, k, exclude=exclude, allow=only, popularity_rank=popularity_rank, threads=threads)


def top_dense(
    scores: Floats, k: int, *, exclude: Histories, allow: Bools | None, popularity_rank: Ints,
    candidates: Histories | None = None, threads: int = 1,
) -> Ranked:  # fmt: skip
    """The k best of dense scores ``(rows, n_items)``; one row takes a NumPy path that needs no compiler.

    ``candidates`` limits each row to its own items. The first score of a row that contains NaN is NaN.
    """
    if len(scores) == 1 and candidates is None:
        return _top_one(scores[0], k, exclude.items, allow, popularity_rank)
    from penchant.kernels.select import candidate_top, dense_top
    from penchant.kernels.threads import over_blocks

    items, best = empty_lists(len(scores), k)
    mask = np.empty(0, np.bool_) if allow is None else allow

    def work(lo: int, hi: int) -> None:
        block, banned = scores[lo:hi], (exclude.indptr, exclude.items)
        if candidates is None:
            dense_top(lo, hi, block, popularity_rank, *banned, mask, items, best)
        else:
            candidate_top(
                lo, hi, block, popularity_rank, *banned, mask, candidates.indptr, candidates.items, items, best
            )

    over_blocks(work, len(scores), size=64, threads=threads)
    return Ranked(items, best)


def top_in_blocks(
    score: Callable[[Histories], Floats],
    given: Histories,
    k: int,
    *,
    exclude: Histories,
    allow: Bools | None,
    popularity_rank: Ints,
    threads: int,
    candidates: Histories | None = None,
    arrays: int = 1,
) -> Ranked:
    """The k best of the dense scores that ``score`` gives for some rows, in blocks of bounded memory.

    ``candidates`` limits each row to its own items. ``arrays`` is how many dense arrays ``score`` holds at once.
    """
    size = max(1, int(BLOCK_BYTES // (4 * arrays * max(1, given.n_items))))
    items, scores = empty_lists(len(given), k)
    for lo in range(0, len(given), size):
        part = slice(lo, min(lo + size, len(given)))
        best = top_dense(
            score(given[part]), k, candidates=None if candidates is None else candidates[part], exclude=exclude[part],
            allow=allow, popularity_rank=popularity_rank, threads=threads,
        )  # fmt: skip
        items[part], scores[part] = best.items, best.scores
    return Ranked(items, scores)


def empty_lists(rows: int, k: int) -> tuple[Ints, Floats]:
    """Empty lists."""
    return np.full((rows, k), -1, dtype=np.int32), np.full((rows, k), -np.inf, dtype=np.float32)


def _top_one(scores: Floats, k: int, banned: Ints, allow: Bools | None, popularity_rank: Ints) -> Ranked:
    items, best = empty_lists(1, k)
    if np.isnan(scores.max(initial=-np.inf)):  # the maximum passes NaN on
        best[0, 0] = np.nan
        return Ranked(items, best)
    # most scores of sparse models are zero: if enough are above zero, the others do not matter
    for bound in (np.float32(0), np.float32(-np.inf)):
        shown = scores > bound
        if allow is not None:
            shown &= allow
        shown[banned] = False
        pool = np.flatnonzero(shown)
        if len(pool) >= k:
            break
    if len(pool) > k:
        # everything that ties with the k-th value is a candidate: popularity decides among them
        values = scores[pool]
        threshold = np.partition(values, len(pool) - k)[len(pool) - k]
        above, ties = pool[values > threshold], pool[values == threshold]
        missing = k - len(above)
        if missing < len(ties):
            ties = ties[np.argpartition(popularity_rank[ties], missing - 1)[:missing]]
        pool = np.concatenate([above, ties])
    chosen = pool[np.lexsort((popularity_rank[pool], -scores[pool]))]
    items[0, : len(chosen)] = chosen
    best[0, : len(chosen)] = scores[chosen]
    return Ranked(items, best)
