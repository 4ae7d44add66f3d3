"""Why an item scores what it does: the contribution of every event of a history."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penchant.core.histories import Histories
from penchant.models.kinds.base import Explanation, Model
from penchant.models.kinds.linear import LinearModel


def subtracts(model: Model, given: Histories) -> bool:
    """Whether dislikes count against similar items: linear models, whose scores come from positives alone."""
    return isinstance(model, LinearModel) and given.has_dislikes


def explain_items(model: Model, given: Histories, items: Sequence[int]) -> list[Explanation]:
    """Why each of ``items`` scores what it does for the one history ``given``: one contribution an event of it.

    Dislikes of linear models contribute below zero.
    """
    if not subtracts(model, given):
        return model.explain_items(given, items)
    assert given.values is not None  # subtracts
    against = given.values < 0
    liked = (given.values > 0) if given.liked is None else given.liked
    likes, turned = given.where(liked), given.dislikes()
    out = []
    for up, down in zip(model.explain_items(likes, items), model.explain_items(turned, items), strict=True):
        parts = np.zeros(len(given.items), dtype=np.float32)
        parts[liked] += up.parts
        parts[against] -= down.parts
        out.append(Explanation(up.method, up.score - down.score, up.base - down.base, parts))
    return out
