"""Non-personalised lists: similar, popular, trending, latest, and popular items that differ from each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penchant.core.histories import Bools
from penchant.recommender.answer import Item
from penchant.serve.answers.content import by_content
from penchant.serve.answers.models import ServedModel
from penchant.serve.answers.ranking import popular as by_popularity
from penchant.serve.catalogue.filters import Where
from penchant.serve.catalogue.live import LiveCatalogue, Selection
from penchant.serve.common.problems import not_found
from penchant.store.trends import Trends

POOL = 30  # popular items that are considered for each one chosen
ALIKE = 0.7  # weight of the similarity to chosen items, against popularity


def known(catalogue: LiveCatalogue, item: str) -> int:
    """The position of an item; raises ``Problem`` 404."""
    at = catalogue.vocab.index(item)
    if at < 0 or catalogue.deleted[at]:
        raise not_found("id", "there is no such item")
    return at


def _document(
    served: ServedModel, selection: Selection, chosen: Sequence[tuple[int, float]], k: int, **about: Any
) -> dict[str, Any]:
    """The answer as JSON, with what the list is ``about``."""
    degraded = [f"no item has the attribute {name!r}" for name in selection.unknown]
    if len(chosen) < k:
        degraded.append(f"only {len(chosen)} of {k} items")
    items = Item.listed((at for at, _ in chosen), (score for _, score in chosen), served.catalogue)
    return {**served.answer(items, selection.removed, degraded).to_json(), **about}


def similar(served: ServedModel, item: str, k: int, where: Where | None, exclude: Sequence[str]) -> dict[str, Any]:
    """By the model; by content where the model finds nothing similar."""
    catalogue = served.catalogue
    at = known(catalogue, item)
    excluded = [position for other in exclude if (position := catalogue.vocab.index(other)) >= 0]
    selection = catalogue.select(where)
    mask = selection.mask.copy()
    mask[[at, *excluded]] = False
    found: list[tuple[int, float]] = []
    method = "model"
    if at < catalogue.n_model:
        ranked = served.recommender.rank_similar(at, k, allow=mask[: catalogue.n_model])
        kept = ranked.items[0] >= 0
        found = list(zip(ranked.items[0][kept].tolist(), ranked.scores[0][kept].tolist(), strict=True))
    if not found:
        method = "content"
        alike = by_content(catalogue, [at])
        best = sorted((-score, position) for position, score in alike.items() if mask[position])[:k]
        found = [(position, -score) for score, position in best]
    return _document(served, selection, found, k, item=item, method=method)


def popular(served: ServedModel, trends: Trends, k: int, where: Where | None, days: float | None) -> dict[str, Any]:
    """By the number of training histories, or of people in the last ``days``."""
    selection = served.catalogue.select(where)
    if days is not None:
        counted = trends.popular(days, served.kinds)
        return _document(served, selection, _shown(served.catalogue, selection.mask, counted)[:k], k, days=days)
    order, counts = by_popularity(served), served.recommender.item_counts
    chosen = order[selection.mask[: served.catalogue.n_model][order]][:k]
    return _document(served, selection, [(int(at), float(counts[at])) for at in chosen], k, days=None)


def trending(served: ServedModel, trends: Trends, k: int, where: Where | None, days: float) -> dict[str, Any]:
    """By the increase in people over the period before."""
    selection = served.catalogue.select(where)
    risen = trends.trending(days, served.kinds)
    return _document(served, selection, _shown(served.catalogue, selection.mask, risen)[:k], k, days=days)


def _shown(catalogue: LiveCatalogue, mask: Bools, counted: Sequence[tuple[str, float]]) -> list[tuple[int, float]]:
    positions = ((catalogue.vocab.index(item), score) for item, score in counted)
    return [(at, score) for at, score in positions if 0 <= at < len(mask) and mask[at]]


def latest(served: ServedModel, k: int, where: Where | None) -> dict[str, Any]:
    """By the time when an item was added. The items of the model come last, in the reverse order of the catalogue."""
    selection = served.catalogue.select(where)
    able = np.flatnonzero(selection.mask)
    added = served.catalogue.added[able]
    order = able[np.lexsort((-able, -added))][:k]
    return _document(served, selection, [(int(at), float(served.catalogue.added[at])) for at in order], k)


def onboarding(served: ServedModel, k: int, where: Where | None) -> dict[str, Any]:
    """Popular items that differ from each other. Greedy: each time the item with the highest log(1 + popularity) minus
    its greatest similarity to the items chosen before, scaled to the most similar item of each."""
    catalogue, model = served.catalogue, served.recommender.model
    selection = catalogue.select(where)
    order = by_popularity(served)
    pool = order[selection.mask[: catalogue.n_model][order]][: max(100, POOL * min(k, 30))]
    worth = np.log1p(served.recommender.item_counts[pool].astype(np.float64))
    worth = worth / (worth.max() or 1.0) if len(pool) else worth
    alike = np.zeros(len(pool))
    left = np.ones(len(pool), dtype=np.bool_)
    chosen: list[tuple[int, float]] = []
    while len(chosen) < k and left.any():
        merit = np.where(left, worth - ALIKE * alike, -np.inf)
        best = int(np.argmax(merit))
        left[best] = False
        chosen.append((int(pool[best]), float(served.recommender.item_counts[pool[best]])))
        scores = np.maximum(model.similar(int(pool[best])), 0)
        scores[pool[best]] = 0
        if (top := float(scores.max())) > 0:
            alike = np.maximum(alike, scores[pool] / top)
    return _document(served, selection, chosen, k)
