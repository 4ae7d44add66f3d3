"""The coarse pass never loses a best item, and the list equals that of exact scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.core.histories import Histories
from penchant.core.rank import rank_by_popularity
from penchant.models.kinds import vector
from penchant.models.kinds.base import Model
from penchant.models.kinds.vector import Coarse, VectorModel


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10**6), n=st.integers(1, 2000), f=st.integers(1, 20), k=st.integers(1, 30), biased=st.booleans()
)
def test_what_can_be_among_the_best_is_never_ruled_out(seed: int, n: int, f: int, k: int, biased: bool) -> None:
    rng = np.random.default_rng(seed)
    vectors = (rng.standard_normal((n, f)) * rng.lognormal(0, 2, (n, 1))).astype(np.float32)
    vectors[rng.random(n) < 0.1] = 0
    query = rng.standard_normal(f).astype(np.float32)
    bias = rng.standard_normal(n).astype(np.float32) if biased else None
    banned = rng.random(n) < 0.2
    near = Coarse.make(vectors, 1).reach(query, bias, banned, k)
    assert near is not None and not banned[near].any()
    scores = vectors.astype(np.float64) @ query + (0 if bias is None else bias)
    best = np.flatnonzero(~banned)[np.argsort(-scores[~banned])][:k]
    assert set(best.tolist()) <= set(near.tolist())


def test_few_items_are_left() -> None:
    rng = np.random.default_rng(0)
    near = Coarse.make(rng.standard_normal((20_000, 32), dtype=np.float32), 1).reach(
        rng.standard_normal(32, dtype=np.float32), None, np.zeros(20_000, dtype=np.bool_), 10
    )
    assert near is not None and 10 <= len(near) < 40


class Means(VectorModel):
    name = "means"

    def _fit(self, *_: object) -> None: ...

    def embed(self, given: Histories) -> np.ndarray:
        rows = [self.item_vectors[given.row(r)].sum(axis=0) for r in range(len(given))]
        return np.stack(rows).astype(np.float32)


@pytest.mark.parametrize("biased", [False, True])
def test_lists_are_those_of_all_scores(monkeypatch: pytest.MonkeyPatch, biased: bool) -> None:
    monkeypatch.setattr(vector, "COARSE_ITEMS", 1)
    rng, n = np.random.default_rng(1), 3000
    model = Means()
    model.item_counts = rng.integers(1, 9, n)
    model.item_vectors = rng.standard_normal((n, 16), dtype=np.float32)
    model.item_bias = rng.standard_normal(n).astype(np.float32) if biased else None
    given_items = Histories.from_lists([[1, 2, 3], [], [5], [7, 7, 9]], n)
    allow = rng.random(n) < 0.5
    popularity_rank = rank_by_popularity(model.item_counts)
    for mask in (None, allow):
        ours = model.top(given_items, 20, exclude=given_items, allow=mask, popularity_rank=popularity_rank, threads=1)
        assert model._coarse is not None
        exact = Model.top(
            model, given_items, 20, exclude=given_items, allow=mask, popularity_rank=popularity_rank, threads=1
        )
        np.testing.assert_array_equal(ours.items, exact.items)
        np.testing.assert_allclose(ours.scores, exact.scores, rtol=1e-5, atol=1e-5)


def test_the_bound_is_no_wider_than_rounding_needs_and_no_narrower() -> None:
    """Two items whose rounding goes as far as it can, in opposite directions: a bound of half the size loses one."""
    f, lost = 17, 0.49  # the first number sets the step to one; all others are rounded by ``lost`` in one direction
    query = np.ones(f, dtype=np.float32)
    query[0] = 0  # Cauchy and Schwarz is then an equation

    def item(steps: list[int], rounded: float) -> np.ndarray:
        return np.array([127, *(step + rounded for step in steps)], dtype=np.float32)

    seems_better = item([11] * 12 + [10] * 4, -lost)  # 172 as rounded, 164.2 in truth
    is_better = item([10] * 16, lost)  # 160 as rounded, 167.8 in truth
    vectors = np.stack([seems_better] * 3 + [is_better])
    exact = vectors @ query
    assert exact[3] > exact[0]
    coarse = Coarse.make(vectors, 1)
    assert (coarse.coarse @ query)[0] > (coarse.coarse @ query)[3]
    near = coarse.reach(query, None, np.zeros(4, dtype=np.bool_), 1)
    assert near is not None and 3 in near
    far = Coarse.make(np.stack([is_better, item([8] * 16, lost)]), 1).reach(query, None, np.zeros(2, np.bool_), 1)
    assert far is not None and far.tolist() == [0]  # 32 steps apart, twice what rounding can hide
