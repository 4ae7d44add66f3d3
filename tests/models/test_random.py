"""Random lists are uniform, and the same whenever the same is asked."""

from __future__ import annotations

import numpy as np

from penchant.core.histories import Histories
from penchant.core.rank import rank
from penchant.core.run import Run
from penchant.models.random import Random
from tests.models.planted import planted


def test_every_item_is_as_likely_as_any() -> None:
    histories = Histories.from_lists([[a, b] for a in range(50) for b in range(50)], 50)
    model = Random().fit(histories)
    counts = np.bincount(rank(model, histories, 5, repeat=True).items.ravel(), minlength=50)
    expected = 2500 * 5 / 50
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()
    scores = model.score(histories)
    assert abs(float(scores.mean()) - 0.5) < 0.005
    assert scores.min() >= 0
    assert scores.max() < 1


def test_seed_history_and_order_matter() -> None:
    train = planted("ranking").train
    one, two = (Random().fit(train, run=Run(seed=seed)) for seed in (1, 2))
    histories = Histories.from_lists([[], [1], [2], [1, 2], [2, 1]], train.n_items)
    scores = one.score(histories)
    assert len({row.tobytes() for row in scores}) == 5
    assert np.corrcoef(scores.ravel(), two.score(histories).ravel())[0, 1] < 0.2
    np.testing.assert_array_equal(scores, Random().fit(train, run=Run(seed=1)).score(histories))
