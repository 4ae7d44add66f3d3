"""Net scores and their reasons: what a history's likes say, minus what its dislikes say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from penchant.core.histories import Bools, Floats, Histories, Ints
from penchant.core.rank import BLOCK_BYTES, Ranked, empty_lists, rank, top_dense
from penchant.models.kinds.base import Explanation, Model
from penchant.models.kinds.linear import LinearModel


def dislikes(given: Histories) -> Histories:
    """The disliked events (weight below zero) with their weights turned positive."""
    disliked = given.negatives()
    return replace(disliked, values=None if disliked.values is None else -disliked.values, liked=None)


def subtracts(model: Model, given: Histories) -> bool:
    """Whether dislikes count against what resembles them: linear models, whose scores come from positives alone."""
    return (
        isinstance(model, LinearModel)
        and given.values_are == "weight"
        and given.values is not None
        and bool((given.values < 0).any())
    )


def seen_by(given: Histories, *, repeat: bool) -> Histories:
    """What may not be recommended: every event, or with ``repeat`` only items whose newest event is a dislike."""
    if not repeat:
        return given
    if given.values_are != "weight" or given.values is None:
        return given.without_events()
    key = given.rows * np.int64(given.n_items) + given.items
    newest = np.zeros(len(key), dtype=np.bool_)
    newest[len(key) - 1 - np.unique(key[::-1], return_index=True)[1]] = True
    return given.where(newest & (given.values < 0))


def rank_net(
    model: Model,
    given: Histories,
    k: int,
    *,
    repeat: bool = False,
    allow: Bools | None = None,
    candidates: Histories | None = None,
    exclude: Histories | None = None,
    place: Ints | None = None,
    threads: int = 0,
) -> Ranked:
    """``topk.rank`` with dislikes: they are never recommended, and linear models subtract the scores they give.

    This is the one path from a history to a list; without dislikes it is ``rank`` itself.
    """
    ranker = _Net(model) if subtracts(model, given) else model
    banned = seen_by(given, repeat=repeat) if exclude is None else exclude
    return rank(ranker, given, k, exclude=banned, allow=allow, candidates=candidates, place=place, threads=threads)


class _Net:
    """A linear model whose dislikes count against what resembles them."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.item_counts = model.item_counts

    def top(
        self, given: Histories, k: int, *, exclude: Histories, allow: Bools | None, place: Ints, threads: int
    ) -> Ranked:
        size = max(1, int(BLOCK_BYTES // (8 * max(1, given.n_items))))
        items, scores = empty_lists(len(given), k)
        for lo in range(0, len(given), size):
            part = slice(lo, min(lo + size, len(given)))
            net = self.model.score(given[part]) - self.model.score(dislikes(given[part]))
            best = top_dense(net, k, exclude=exclude[part], allow=allow, place=place, threads=threads)
            items[part], scores[part] = best.items, best.scores
        return Ranked(items, scores)


def explain_items(model: Model, given: Histories, items: Sequence[int]) -> list[Explanation]:
    """Why each of ``items`` scores what it does for the one history ``given``: one contribution an event of it.

    Dislikes of linear models contribute below zero. Leave-one-out scores every shortened history once for all items, in
    blocks of bounded memory: events × the cost of scoring one history.
    """
    if type(model).explain is Model.explain:
        return _leave_one_out(model, given, items)
    if not subtracts(model, given):
        return [model.explain(given, int(item)) for item in items]
    assert given.values is not None  # subtracts
    against = given.values < 0
    liked = (given.values > 0) if given.liked is None else given.liked
    likes, turned = given.where(liked), dislikes(given)
    out = []
    for item in items:
        up, down = model.explain(likes, int(item)), model.explain(turned, int(item))
        parts = np.zeros(len(given.items), dtype=np.float32)
        parts[liked] += up.parts
        parts[against] -= down.parts
        out.append(Explanation(up.method, up.score - down.score, up.base - down.base, parts))
    return out


def _leave_one_out(model: Model, given: Histories, items: Sequence[int]) -> list[Explanation]:
    chosen = np.asarray(items, dtype=np.int64)
    total: Floats = model.score(given)[0, chosen]
    events = len(given.items)
    without = np.empty((events, len(chosen)), dtype=np.float32)
    size = max(1, int(BLOCK_BYTES // (4 * max(1, given.n_items) + 32 * max(1, events))))
    for lo in range(0, events, size):
        hi = min(lo + size, events)
        keep = np.ones((hi - lo, events), dtype=np.bool_)
        keep[np.arange(hi - lo), np.arange(lo, hi)] = False
        shortened = given[np.zeros(hi - lo, dtype=np.int64)].where(keep.ravel())
        without[lo:hi] = model.score(shortened)[:, chosen]
    return [
        Explanation("leave-one-out", float(total[n]), 0.0, (total[n] - without[:, n]).astype(np.float32))
        for n in range(len(chosen))
    ]
