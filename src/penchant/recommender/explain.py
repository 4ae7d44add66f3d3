"""Why an item scores what it does: the contribution of every event of a history."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penchant.core.histories import Floats, Histories
from penchant.core.rank import BLOCK_BYTES
from penchant.models.kinds.base import Explanation, Model
from penchant.models.kinds.linear import LinearModel


def subtracts(model: Model, given: Histories) -> bool:
    """Whether dislikes count against similar items: linear models, whose scores come from positives alone."""
    return isinstance(model, LinearModel) and given.has_dislikes


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
    likes, turned = given.where(liked), given.dislikes()
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
