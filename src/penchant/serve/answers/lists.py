"""Lists that are nobody's: similar, popular, trending, latest, and popular items that differ from each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from penchant.core.histories import Bools
from penchant.serve.answers.content import by_content
from penchant.serve.answers.models import ServedModel
from penchant.serve.answers.ranking import popular as by_popularity
from penchant.serve.catalogue.filters import Where
from penchant.serve.catalogue.live import LiveCatalogue, Selection
from penchant.serve.common.problems import not_found
from penchant.store.trends import Trends

POOL = 30  # popular items that are looked at for each one picked
ALIKE = 0.7  # how much likeness to what was picked counts against popularity


def known(catalogue: LiveCatalogue, item: str) -> int:
    """The position of an item; raises ``Problem`` 404."""
    at = catalogue.position.get(item, -1)
    if at < 0 or catalogue.deleted[at]:
        raise not_found("id", "there is no such item")
    return at


def _told(
    served: ServedModel, selection: Selection, chosen: Iterable[tuple[int, float]], k: int, **more: Any
) -> dict[str, Any]:
    """The object of a list."""
    ids, titles = served.catalogue.ids, served.catalogue.titles
    items = [{"item": ids[at], "title": titles[at], "score": float(score)} for at, score in chosen]
    degraded = [f"no item has the attribute {name!r}" for name in selection.unknown]
    if len(items) < k:
        degraded.append(f"only {len(items)} of {k} items")
    model = {"name": type(served.recommender.model).name, "version": served.version}
    told = {"items": items, "removed": selection.removed, "degraded": "; ".join(degraded) or None, "model": model}
    return {**told, **more}


def similar(served: ServedModel, item: str, k: int, where: Where | None, exclude: Sequence[str]) -> dict[str, Any]:
    """By the scores of a history of that one item; by content where the model knows nothing alike."""
    catalogue = served.catalogue
    at = known(catalogue, item)
    excluded = [position for other in exclude if (position := catalogue.position.get(other, -1)) >= 0]
    selection = catalogue.select(where)
    mask = selection.mask.copy()
    mask[[at, *excluded]] = False
    found: list[tuple[int, float]] = []
    method = "model"
    if at < catalogue.n_model:
        scores = served.recommender.model.similar(at)
        able = np.flatnonzero(mask[: catalogue.n_model] & (scores > 0))
        order = able[np.lexsort((served.place[able], -scores[able]))][:k]
        found = [(int(position), float(scores[position])) for position in order]
    if not found:
        method = "content"
        alike = by_content(catalogue, [at])
        ranked = sorted((-score, position) for position, score in alike.items() if mask[position])
        found = [(position, -score) for score, position in ranked[:k]]
    return _told(served, selection, found, k, item=item, method=method)


def popular(served: ServedModel, trends: Trends, k: int, where: Where | None, days: float | None) -> dict[str, Any]:
    """By training histories that hold an item, or by people of the last ``days``."""
    selection = served.catalogue.select(where)
    if days is not None:
        counted = trends.popular(days)
        return _told(served, selection, _shown(served.catalogue, selection.mask, counted)[:k], k, days=days)
    order, counts = by_popularity(served), served.recommender.item_counts
    chosen = order[selection.mask[: served.catalogue.n_model][order]][:k]
    return _told(served, selection, [(int(at), float(counts[at])) for at in chosen], k, days=None)


def trending(served: ServedModel, trends: Trends, k: int, where: Where | None, days: float) -> dict[str, Any]:
    """By how many more people than before."""
    selection = served.catalogue.select(where)
    risen = trends.trending(days)
    return _told(served, selection, _shown(served.catalogue, selection.mask, risen)[:k], k, days=days)


def _shown(catalogue: LiveCatalogue, mask: Bools, counted: Sequence[tuple[str, float]]) -> list[tuple[int, float]]:
    positions = ((catalogue.position.get(item, -1), score) for item, score in counted)
    return [(at, score) for at, score in positions if 0 <= at < len(mask) and mask[at]]


def latest(served: ServedModel, k: int, where: Where | None) -> dict[str, Any]:
    """By when an item was added; the items that came with the model stand behind those, in the order of the catalogue
    from its end."""
    selection = served.catalogue.select(where)
    able = np.flatnonzero(selection.mask)
    added = served.catalogue.added[able]
    order = able[np.lexsort((-able, -added))][:k]
    return _told(served, selection, [(int(at), float(served.catalogue.added[at])) for at in order], k)


def onboarding(served: ServedModel, k: int, where: Where | None) -> dict[str, Any]:
    """Greedy: of the popular items, always the one with the best log(1 + popularity) lessened by its greatest likeness
    to what was picked (scaled to the most alike of each)."""
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
    return _told(served, selection, chosen, k)
