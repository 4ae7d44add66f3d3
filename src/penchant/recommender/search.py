"""Search in a recommender: by words, by meaning, by taste."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penchant.core.histories import Floats, Histories
from penchant.core.rank import rank_by_popularity
from penchant.errors import ParameterError
from penchant.text.search import folded, personalised, relevance

if TYPE_CHECKING:
    from penchant.recommender.recommender import Recommender


def search(recommender: Recommender, text: str, k: int, given: Histories | None) -> tuple[list[int], list[float]]:
    """The items that answer a question best, and their relevance; raises ``ParameterError`` for one that is no text."""
    if not isinstance(text, str):
        raise ParameterError(f"a question is a text, not {type(text).__name__}")
    names = [folded(recommender.title(at) or recommender.vocab.ids[at]) for at in range(recommender.model.n_items)]
    found = relevance(text, names, meaning(recommender, text))
    if given is not None:
        found = personalised(found, recommender.model.score(given)[0])
    available = recommender.available()
    found = found if available is None else np.where(available, found, 0)
    order = np.lexsort((rank_by_popularity(recommender.item_counts), -found))[:k]
    chosen = order[found[order] > 0].tolist()
    return chosen, found[chosen].tolist()


def meaning(recommender: Recommender, text: str) -> Floats | None:
    """The cosine of each item's text with another, ``(n_items,)``; None where the items have no such vectors."""
    vectors = None if recommender.catalog is None else recommender.catalog.vectors
    if recommender.text is None or vectors is None:
        return None
    cosine: Floats = vectors[: recommender.model.n_items] @ recommender.text.encode([text])[0]
    return cosine
