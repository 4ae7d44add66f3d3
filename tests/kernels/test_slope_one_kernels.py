"""Differences and predictions against the formula, implemented with loops over dictionaries."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.models.slope_one import SlopeOne

N = 9


def some(rows: int, seed: int) -> Histories:
    rng = np.random.default_rng(seed)
    items = [[int(i) for i in rng.choice(N - 1, rng.integers(0, 5), replace=False)] for _ in range(rows)]
    values = [[float(v) for v in rng.integers(1, 6, len(row))] for row in items]
    return Histories.from_lists(items, N, values=values, values_are="rating")


def ratings(log: Histories, r: int) -> dict[int, float]:
    return dict(zip(log.row(r).tolist(), log.values[log.indptr[r] : log.indptr[r + 1]].tolist(), strict=True))


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("damping", [0.0, 2.5])
def test_equals_the_formula(weighted: bool, damping: float) -> None:
    train, given = some(12, 0), some(8, 1)
    model = SlopeOne(weighted=weighted, damping=damping).fit(train)
    people = [ratings(train, r) for r in range(len(train))]
    scores = model.score(given)
    asked = Histories.from_lists([list(range(N))] * len(given), N)
    predicted = model.predict(given, asked).reshape(len(given), N)
    answered = 0
    for r in range(len(given)):
        for i in range(N):
            above = below = 0.0
            for j, rating in ratings(given, r).items():
                both = [p[i] - p[j] for p in people if i in p and j in p]
                if both:
                    w = len(both) if weighted else 1
                    above += w * (rating + sum(both) / (len(both) + damping))
                    below += w
            if below:
                answered += 1
                assert scores[r, i] == pytest.approx(above / below, abs=1e-4)
                assert predicted[r, i] == pytest.approx(np.clip(above / below, 1, 5), abs=1e-4)
            else:
                base = model.baseline.scale[0] + model.baseline.item_bias[i] + model.baseline.history_bias(given)[r]
                assert scores[r, i] == pytest.approx(base, abs=1e-5)
    assert answered > 20
