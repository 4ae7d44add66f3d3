"""How much a stated need counts against a history: chosen on items that are held out."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.recommender.recommender import Recommender
from penchant.recommender.search import Wanted

if TYPE_CHECKING:
    from penchant.core.item_features import ItemFeatures
    from penchant.data.interactions import Interactions
    from penchant.models.kinds.base import Model

WEIGHTS = (0.3, 0.5, 0.7, 0.9)
CASES, LENGTH, WORDS = 200, 10, 2  # histories that judge, length of lists, words of a simulated need
SLOWEST = 60.0  # seconds of fitting from which the model is not fitted once more


def choose_need(
    unfitted: Model, recommender: Recommender, used: Interactions, features: ItemFeatures | None, run: Run
) -> dict[str, Any] | None:
    """The weight of a need with the best NDCG@10, as plain values; None where nothing can be held out.

    The newest positive of up to ``CASES`` histories is held out, the model is fitted once more without them, and two
    words drawn from the text of the item, no whole title, stand for what a person asks.
    """
    catalog = recommender.catalog
    if catalog is None or recommender.fitted_on["seconds"] > SLOWEST:
        return None
    histories, rng = used.histories(), np.random.default_rng(run.seed)
    positives = histories.positives()
    rows = np.flatnonzero(positives.lengths >= 2)
    rows = np.sort(rng.permutation(rows)[:CASES])
    texts = catalog.texts()
    cases = []
    for row in rows.tolist():
        item = int(positives.row(row)[-1])
        words = _words(texts[item])
        if len(words) > 1:
            cases.append((row, item, " ".join(rng.permutation(words)[: min(WORDS, len(words) - 1)].tolist())))
    if not cases:
        return None
    held = {row: item for row, item, _ in cases}
    kept = np.ones(len(histories.items), dtype=np.bool_)
    for row, item in held.items():
        inside = slice(int(histories.indptr[row]), int(histories.indptr[row + 1]))
        kept[inside] = histories.items[inside] != item
    left = histories.where(kept)
    fresh = copy.deepcopy(unfitted).fit(left, run=run, features=features)
    asked = Recommender(recommender.vocab, fresh, recommender.recipe, catalog, {}, recommender.text)
    found = dict.fromkeys(WEIGHTS, 0.0)
    for row, item, need in cases:
        given = left[row : row + 1]
        wanted = Wanted.of(asked, given, need)
        for weight in WEIGHTS:
            found[weight] += _gain(wanted, weight, given, item)
    best = max(WEIGHTS, key=lambda weight: found[weight])
    means = {f"{weight:g}": round(found[weight] / len(cases), 4) for weight in WEIGHTS}
    return {"weight": best, f"ndcg@{LENGTH}": means, "histories": len(cases)}


def _words(text: str) -> list[str]:
    """The words of a text; of one without blanks, its pairs of characters."""
    words = [word for word in text.split() if len(word) > 1]
    return words if len(words) > 1 else [text[at : at + 2] for at in range(len(text) - 1)]


def _gain(wanted: Wanted, weight: float, given: Histories, item: int) -> float:
    scores = weight * wanted.said + (1 - weight) * wanted.taste
    scores[given.items] = -np.inf
    scores[~wanted.possible] = -np.inf
    place = int((scores > scores[item]).sum())
    return float(1 / np.log2(place + 2)) if place < LENGTH else 0.0
