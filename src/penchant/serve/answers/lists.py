"""Lists that are nobody's: similar, popular, trending, latest, and popular items that differ from each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from penchant.core.histories import Bools
from penchant.serve.answers.content import by_content
from penchant.serve.answers.filters import Where
from penchant.serve.answers.models import Loaded
from penchant.serve.answers.ranking import popular as by_popularity
from penchant.serve.catalogue.live import Selection, Shelf
from penchant.serve.common.problems import not_found
from penchant.store.trends import Crowd

POOL = 30  # popular items that are looked at for each one picked
ALIKE = 0.7  # how much likeness to what was picked counts against popularity


def known(shelf: Shelf, item: str) -> int:
    """The position of an item; raises ``Problem`` 404."""
    at = shelf.position.get(item, -1)
    if at < 0 or shelf.deleted[at]:
        raise not_found("id", "there is no such item")
    return at


def _told(
    loaded: Loaded, selection: Selection, chosen: Iterable[tuple[int, float]], k: int, **more: Any
) -> dict[str, Any]:
    """The object of a list."""
    ids, titles = loaded.shelf.ids, loaded.shelf.titles
    items = [{"item": ids[at], "title": titles[at], "score": float(score)} for at, score in chosen]
    degraded = [f"no item has the attribute {name!r}" for name in selection.unknown]
    if len(items) < k:
        degraded.append(f"only {len(items)} of {k} items")
    model = {"name": type(loaded.recommender.model).name, "version": loaded.version}
    told = {"items": items, "removed": selection.removed, "degraded": "; ".join(degraded) or None, "model": model}
    return {**told, **more}


def similar(loaded: Loaded, item: str, k: int, where: Where | None, exclude: Sequence[str]) -> dict[str, Any]:
    """By the scores of a history of that one item; by content where the model knows nothing alike."""
    shelf = loaded.shelf
    at = known(shelf, item)
    excluded = [position for other in exclude if (position := shelf.position.get(other, -1)) >= 0]
    selection = shelf.select(where)
    mask = selection.mask.copy()
    mask[[at, *excluded]] = False
    found: list[tuple[int, float]] = []
    method = "model"
    if at < shelf.n_model:
        scores = loaded.recommender.model.similar(at)
        able = np.flatnonzero(mask[: shelf.n_model] & (scores > 0))
        order = able[np.lexsort((loaded.place[able], -scores[able]))][:k]
        found = [(int(position), float(scores[position])) for position in order]
    if not found:
        method = "content"
        alike = by_content(shelf, [at])
        ranked = sorted((-score, position) for position, score in alike.items() if mask[position])
        found = [(position, -score) for score, position in ranked[:k]]
    return _told(loaded, selection, found, k, item=item, method=method)


def popular(loaded: Loaded, crowd: Crowd, k: int, where: Where | None, days: float | None) -> dict[str, Any]:
    """By training histories that hold an item, or by people of the last ``days``."""
    selection = loaded.shelf.select(where)
    if days is not None:
        counted = crowd.popular(days)
        return _told(loaded, selection, _shown(loaded.shelf, selection.mask, counted)[:k], k, days=days)
    order, counts = by_popularity(loaded), loaded.recommender.item_counts
    chosen = order[selection.mask[: loaded.shelf.n_model][order]][:k]
    return _told(loaded, selection, [(int(at), float(counts[at])) for at in chosen], k, days=None)


def trending(loaded: Loaded, crowd: Crowd, k: int, where: Where | None, days: float) -> dict[str, Any]:
    """By how many more people than before."""
    selection = loaded.shelf.select(where)
    risen = crowd.trending(days)
    return _told(loaded, selection, _shown(loaded.shelf, selection.mask, risen)[:k], k, days=days)


def _shown(shelf: Shelf, mask: Bools, counted: Sequence[tuple[str, float]]) -> list[tuple[int, float]]:
    positions = ((shelf.position.get(item, -1), score) for item, score in counted)
    return [(at, score) for at, score in positions if 0 <= at < len(mask) and mask[at]]


def latest(loaded: Loaded, k: int, where: Where | None) -> dict[str, Any]:
    """By when an item was added; the items that came with the model stand behind those, in the order of the catalogue
    from its end."""
    selection = loaded.shelf.select(where)
    able = np.flatnonzero(selection.mask)
    added = loaded.shelf.added[able]
    order = able[np.lexsort((-able, -added))][:k]
    return _told(loaded, selection, [(int(at), float(loaded.shelf.added[at])) for at in order], k)


def onboarding(loaded: Loaded, k: int, where: Where | None) -> dict[str, Any]:
    """Greedy: of the popular items, always the one with the best log(1 + popularity) lessened by its greatest likeness
    to what was picked (scaled to the most alike of each)."""
    shelf, model = loaded.shelf, loaded.recommender.model
    selection = shelf.select(where)
    order = by_popularity(loaded)
    pool = order[selection.mask[: shelf.n_model][order]][: max(100, POOL * min(k, 30))]
    worth = np.log1p(loaded.recommender.item_counts[pool].astype(np.float64))
    worth = worth / (worth.max() or 1.0) if len(pool) else worth
    alike = np.zeros(len(pool))
    left = np.ones(len(pool), dtype=np.bool_)
    chosen: list[tuple[int, float]] = []
    while len(chosen) < k and left.any():
        merit = np.where(left, worth - ALIKE * alike, -np.inf)
        best = int(np.argmax(merit))
        left[best] = False
        chosen.append((int(pool[best]), float(loaded.recommender.item_counts[pool[best]])))
        scores = np.maximum(model.similar(int(pool[best])), 0)
        scores[pool[best]] = 0
        if (top := float(scores.max())) > 0:
            alike = np.maximum(alike, scores[pool] / top)
    return _told(loaded, selection, chosen, k)
