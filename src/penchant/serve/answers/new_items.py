"""New items whose text is near to what a person likes, in the list of a model that does not know them yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penchant.core.histories import Bools
from penchant.serve.answers.history import PersonHistory
from penchant.serve.answers.models import ServedModel

SHARE = 5  # at most one in so many items of a list is new
NEAR = 0.3  # cosine with the history from which a new item is near


@dataclass(eq=False)
class Listed:
    """Positions and scores, best first."""

    items: list[int]
    scores: list[float]
    fallback: bool
    failed: bool = False


def with_new(served: ServedModel, history: PersonHistory, mask: Bools, found: Listed, wanted: int) -> Listed:
    """A list with the new items that are nearest to the history by the text of their titles and attributes.

    A new item stands before the first item that is less near to the history than it is. One in ``SHARE`` items of a
    list may be new, so what the model found stays; without vectors of texts, or a history, nothing changes. The
    beginning of a list does not depend on ``wanted``, so that pages fit together.
    """
    catalogue, n_model = served.catalogue, served.catalogue.n_model
    liked = history.given.positives().items.tolist()
    if not catalogue.meanings.known or not liked or len(mask) <= n_model or found.failed:
        return found
    new = (n_model + np.flatnonzero(mask[n_model:])).tolist()
    if not new:
        return found
    near = catalogue.near_to(liked)
    if near is None:
        return found
    chosen = sorted((at for at in new if near[at] >= NEAR), key=lambda at: (-float(near[at]), at))
    rest = [(at, score) for at, score in zip(found.items, found.scores, strict=True) if at not in set(chosen)]
    items, scores = list[int](), list[float]()
    placed = 0
    for at, score in rest:
        while placed < len(chosen) and near[chosen[placed]] > near[at] and placed < 1 + len(items) // SHARE:
            items.append(chosen[placed])
            scores.append(score)
            placed += 1
        items.append(at)
        scores.append(score)
    if len(items) < wanted:
        items += chosen[placed:]
        scores += [0.0] * len(chosen[placed:])
    return Listed(items[:wanted], scores[:wanted], found.fallback)
