"""Search in a recommender: by words, by meaning, by taste."""

from __future__ import annotations

import numpy as np

from penchant.core.histories import Bools, Floats, Histories
from penchant.core.rank import Scored, rank, rank_by_popularity
from penchant.errors import ParameterError
from penchant.recommender.fallback import Lists
from penchant.recommender.held import Held
from penchant.text.search import folded, personalised, relevance

NEED = 0.7  # of a stated need against taste


def search(recommender: Held, text: str, k: int, given: Histories | None) -> tuple[list[int], list[float]]:
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


def rank_by_need(recommender: Held, given: Histories, need: str, k: int, *, allow: Bools | None, repeat: bool) -> Lists:
    """The list for a stated need and a history: ``NEED`` relevance + (1 - ``NEED``) taste, each from 0 to 1.

    Taste is the rank of an item in the scores of the model. Raises ``ParameterError`` for a need that is no text.
    """
    if not isinstance(need, str):
        raise ParameterError(f"a need is a text, not {type(need).__name__}")
    n = recommender.model.n_items
    names = [folded(recommender.title(at) or recommender.vocab.ids[at]) for at in range(n)]
    found = relevance(need, names, meaning(recommender, need))
    scores = recommender.model.score(given)[0]
    taste = np.argsort(np.lexsort((-rank_by_popularity(recommender.item_counts), scores))) / max(n - 1, 1)
    wanted = np.where(np.isfinite(scores), NEED * found / max(float(found.max()), 1e-9) + (1 - NEED) * taste, -np.inf)
    scored = Scored(wanted.astype(np.float32)[None, :], recommender.item_counts, recommender.model.name)
    nothing = Histories.from_lists([[]], n)
    ranked = rank(scored, given, k, exclude=nothing if repeat else given, allow=allow, threads=1)
    return Lists(ranked.items, ranked.scores, np.zeros(1, dtype=np.bool_))


def meaning(recommender: Held, text: str) -> Floats | None:
    """The cosine of each item's text with another, ``(n_items,)``; None where the items have no such vectors."""
    vectors = None if recommender.catalog is None else recommender.catalog.vectors
    if recommender.text is None or vectors is None:
        return None
    cosine: Floats = vectors[: recommender.model.n_items] @ recommender.text.encode([text])[0]
    return cosine
