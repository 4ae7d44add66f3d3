"""The one decision for the popularity list: a history without a known positive event gets it, whatever the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penchant.core.histories import Bools, Floats, Histories, Ints, Longs
from penchant.core.rank import Ranked, Ranker, Scored, rank, top_in_blocks
from penchant.errors import ScoreError
from penchant.models.kinds.base import Model
from penchant.models.kinds.linear import LinearModel


@dataclass(frozen=True, eq=False)
class Lists(Ranked):
    """Lists, and which of them are the popularity list."""

    fallback: Bools  # (rows,)


@dataclass(frozen=True, eq=False)
class Popularity:
    """The popularity list as something that ``rank`` can rank: all scores are zero, so the training count decides."""

    item_counts: Longs  # (n_items,)
    name: str = "popularity"

    def top(
        self, given: Histories, k: int, *, exclude: Histories, allow: Bools | None, popularity_rank: Ints, threads: int
    ) -> Ranked:
        return top_in_blocks(
            _zeros, given, k, exclude=exclude, allow=allow, popularity_rank=popularity_rank, threads=threads
        )

    def near(
        self, given: Histories, k: int, *, exclude: Histories, allow: Bools | None, popularity_rank: Ints, threads: int
    ) -> None:
        return None

    def top_candidates(
        self, given: Histories, k: int, *, candidates: Histories, exclude: Histories, allow: Bools | None,
        popularity_rank: Ints, threads: int,
    ) -> Ranked:  # fmt: skip
        return top_in_blocks(
            _zeros,
            given,
            k,
            candidates=candidates,
            exclude=exclude,
            allow=allow,
            popularity_rank=popularity_rank,
            threads=threads,
        )


def _zeros(given: Histories) -> Floats:
    return np.zeros((len(given), given.n_items), dtype=np.float32)


def needs_fallback(given: Histories) -> Bools:
    """Rows ``(rows,)`` without a positive event: there is nothing in them to recommend from."""
    return np.asarray(given.positives().lengths == 0, dtype=np.bool_)


def rank_or_popular(
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
) -> Lists:
    """``core.rank.rank``, with the popularity list for every history without a positive event, whatever the model.

    The popularity list follows the same masks and candidates; its scores are zero. Where a history holds only dislikes,
    a linear model still lowers the items that resemble them.
    """
    fallback = needs_fallback(given)
    if given.asked is not None and isinstance(model, Model) and model.uses_context:
        fallback &= (given.asked < 0).all(axis=1)  # a context is something to recommend from
    plain = fallback
    if isinstance(model, LinearModel) and given.has_dislikes:
        plain = fallback & (given.negatives().lengths == 0)  # it scores nothing but dislikes: popularity, less these
    if not plain.any():
        ranked = rank(
            model, given, k, exclude=exclude, repeat=repeat, allow=allow, candidates=candidates,
            popularity_rank=popularity_rank, threads=threads, exact=exact,
        )  # fmt: skip
        return Lists(ranked.items, ranked.scores, fallback)
    items = np.full((len(given), min(k, given.n_items) or 1), -1, dtype=np.int32)
    scores = np.full(items.shape, -np.inf, dtype=np.float32)
    for ranker, rows in ((model, ~plain), (Popularity(model.item_counts), plain)):
        if not rows.any():
            continue
        some = slice(None) if rows.all() else rows
        try:
            ranked = rank(
                ranker, given[some], k, exclude=None if exclude is None else exclude[some], repeat=repeat, allow=allow,
                candidates=None if candidates is None else candidates[some], popularity_rank=popularity_rank,
                threads=threads, exact=exact,
            )  # fmt: skip
        except ScoreError as wrong:
            raise wrong.at(int(np.flatnonzero(rows)[wrong.row])) from None
        items[rows], scores[rows] = ranked.items, ranked.scores
    return Lists(items, scores, fallback)


def rank_similar(model: Model, item: int, k: int, *, allow: Bools | None, popularity_rank: Ints) -> Lists:
    """The items most similar to one: a list without itself, shorter than k where similarity ends."""
    itself = Histories.from_lists([[item]], model.n_items)
    scored = Scored(model.similar(item)[None, :], model.item_counts, model.name)
    ranked = rank(scored, itself, k, allow=allow, popularity_rank=popularity_rank, threads=1)
    ranked.items[ranked.scores <= 0] = -1
    return Lists(ranked.items, ranked.scores, np.zeros(1, dtype=np.bool_))
