"""Non-personalised lists: similar, popular, trending, latest, and popular items that differ from each other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from penchant.core.histories import Bools
from penchant.data.item_values import dates
from penchant.recommender.answer import Item
from penchant.serve.answers.content import by_content
from penchant.serve.answers.models import ServedModel
from penchant.serve.answers.ranking import popular as by_popularity
from penchant.serve.answers.selected import Selected
from penchant.serve.catalogue.live import LiveCatalogue
from penchant.serve.common.problems import invalid, not_found
from penchant.store.trends import Trends
from penchant.text.search import LEAST

POOL = 30  # popular items that are considered for each one chosen
ALIKE = 0.7  # weight of the similarity to chosen items, against popularity


def known(catalogue: LiveCatalogue, item: str) -> int:
    """The position of an item; raises ``Problem`` 404."""
    at = catalogue.vocab.index(item)
    if at < 0 or catalogue.deleted[at]:
        raise not_found("id", "there is no such item")
    return at


def _document(
    served: ServedModel, selected: Selected, chosen: Sequence[tuple[int, float]], k: int, **about: Any
) -> dict[str, Any]:
    """The answer as JSON, with what the list is ``about``."""
    degraded = list(selected.degraded)
    if len(chosen) < k:
        degraded.append(f"only {len(chosen)} of {k} items")
    items = Item.listed((at for at, _ in chosen), (score for _, score in chosen), served.catalogue)
    return {**served.answer(items, selected.removed, degraded).to_json(), **about}


def similar(served: ServedModel, selected: Selected, item: str, k: int) -> dict[str, Any]:
    """By the model; by content where the model finds nothing similar."""
    catalogue = served.catalogue
    at = known(catalogue, item)
    mask = selected.mask
    mask[at : at + 1] = False
    found: list[tuple[int, float]] = []
    method = "model"
    if at < catalogue.n_model:
        ranked = served.recommender.rank_similar(at, k, allow=mask[: catalogue.n_model])
        kept = ranked.items[0] >= 0
        found = list(zip(ranked.items[0][kept].tolist(), ranked.scores[0][kept].tolist(), strict=True))
    if not found:
        method = "content"
        alike = by_content(catalogue, [at])
        near = catalogue.near_to([at])  # by their texts
        if near is not None:
            alike |= {n: alike.get(n, 0.0) + float(near[n]) for n in np.flatnonzero(near >= LEAST).tolist()}
        best = sorted((-score, other) for other, score in alike.items() if other < len(mask) and mask[other])[:k]
        found = [(position, -score) for score, position in best]
    return _document(served, selected, found, k, item=item, method=method)


def popular(served: ServedModel, selected: Selected, trends: Trends, k: int, days: float | None) -> dict[str, Any]:
    """By the number of training histories, or of people in the last ``days``."""
    if days is not None:
        counted = trends.popular(days, served.kinds, served.least)
        return _document(served, selected, _shown(served.catalogue, selected.mask, counted, k), k, days=days)
    order, counts = by_popularity(served), served.recommender.item_counts
    chosen = order[selected.mask[: served.catalogue.n_model][order]][:k]
    return _document(served, selected, [(int(at), float(counts[at])) for at in chosen], k, days=None)


def trending(served: ServedModel, selected: Selected, trends: Trends, k: int, days: float) -> dict[str, Any]:
    """By the increase in people over the period before."""
    risen = trends.trending(days, served.kinds, served.least)
    return _document(served, selected, _shown(served.catalogue, selected.mask, risen, k), k, days=days)


def _shown(
    catalogue: LiveCatalogue, mask: Bools, counted: Sequence[tuple[str, float]], k: int
) -> list[tuple[int, float]]:
    """The first ``k`` that may be shown."""
    positions = ((catalogue.vocab.index(item), score) for item, score in counted)
    return list(islice(((at, score) for at, score in positions if 0 <= at < len(mask) and mask[at]), k))


def latest(served: ServedModel, selected: Selected, k: int, by: str | None = None) -> dict[str, Any]:
    """By the time when an item was added: the items of the model come last, in the reverse order of the catalogue.

    With ``by``, by the date in that attribute; items without a date, or with one in the future, are left out. Raises
    ``Problem`` 422 for an attribute that no item has.
    """
    catalogue, now = served.catalogue, time.time()
    if by is None:
        moments = catalogue.added[: len(selected.mask)].astype(np.float64)
    else:
        if by not in catalogue.attributes:
            raise invalid("by", f"no item has the attribute {by!r}")
        moments = catalogue.derive(f"dates of {by}", lambda: dates(catalogue.attributes[by].values))
        moments = moments[: len(selected.mask)]
        selected.leave_out("undated", np.flatnonzero(np.isnan(moments)).tolist())
        selected.leave_out("future", np.flatnonzero(moments > now).tolist())
    able = np.flatnonzero(selected.mask)
    order = able[np.lexsort((-able, -moments[able]))][:k]
    return _document(served, selected, [(int(at), float(moments[at])) for at in order], k, by=by)


def onboarding(served: ServedModel, selected: Selected, k: int) -> dict[str, Any]:
    """Popular items that differ from each other. Greedy: each time the item with the highest log(1 + popularity) minus
    its greatest similarity to the items chosen before: by the model, scaled to the most similar item of each, or by the
    cosine of their texts, where these have vectors."""
    catalogue, model = served.catalogue, served.recommender.model
    order = by_popularity(served)
    pool = order[selected.mask[: catalogue.n_model][order]][: max(100, POOL * min(k, 30))]
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
        if (near := catalogue.near_to([int(pool[best])])) is not None:
            alike = np.maximum(alike, near[pool])
    return _document(served, selected, chosen, k)
