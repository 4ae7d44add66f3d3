"""Which event of a history gets which contribution, and that explaining several items is explaining each."""

from __future__ import annotations

import numpy as np
import pytest

import penchant as pc
from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.errors import ParameterError
from penchant.models.kinds import base
from penchant.models.kinds.base import Model
from penchant.models.kinds.linear import LinearModel
from penchant.models.parts.weights import Weights

ITEMS = 14
ONE = Run(threads=1)


def with_weights(items: list[int], weights: list[float], n_items: int = ITEMS) -> Histories:
    return Histories.from_lists([items], n_items, values=[weights], values_are="weight")


@pytest.fixture(scope="module")
def train() -> Histories:
    """Every item met every other one, in both orders."""
    rng = np.random.default_rng(0)
    return Histories.from_lists([rng.permutation(ITEMS)[:5].tolist() for _ in range(311)], ITEMS)


@pytest.mark.parametrize(
    "model", [pc.ItemKNN(half_life=None), pc.EASE(reg=9.0, half_life=None), pc.ALS(factors=4, epochs=2), pc.UserKNN()]
)
def test_the_newest_liked_event_of_an_item_gets_the_contribution_of_all(model: Model, train: Histories) -> None:
    model.fit(train, run=ONE)
    merged = model.explain(with_weights([8, 4], [1.0, 2.0]), 12)
    assert merged.parts.all()
    # item 4 twice, then disliked; item 8 stays the oldest
    given = with_weights([4, 8, 4, 4], [1.0, 1.0, 1.0, -1.0])
    against = 0.0
    if isinstance(model, LinearModel):  # a dislike counts against what resembles its item
        against = -model.explain(with_weights([4], [1.0]), 12).parts[0]
        assert against < 0
    expected = [0, merged.parts[0], merged.parts[1], against]
    np.testing.assert_allclose(model.explain(given, 12).parts, expected, rtol=1e-6)


def test_every_repeat_has_its_own_contribution_where_order_counts(train: Histories) -> None:
    model = pc.Transitions(half_life=1.0).fit(train, run=ONE)
    given = Histories.from_lists([[4, 8, 4, 4]], ITEMS)
    w = model.weights.columns(np.array([12]), given.items)[0]
    assert (w > 0).all() and w[0] != w[1]
    np.testing.assert_allclose(model.explain(given, 12).parts, w * [0.125, 0.25, 0.5, 1.0], rtol=1e-6)
    windowed = pc.Transitions(half_life=1.0, window=2).fit(train, run=ONE).explain(given, 12)
    np.testing.assert_allclose(windowed.parts, w * [0, 0, 0.5, 1.0], rtol=1e-6)


@pytest.mark.parametrize(
    "model", [pc.ItemKNN(), pc.ALS(factors=4, epochs=2), pc.UserKNN(), pc.Popular(), pc.BPR(epochs=2)]
)
def test_several_items_are_explained_as_each_alone(
    model: Model, train: Histories, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.fit(train, run=ONE)
    given, items = Histories.from_lists([[4, 8, 5, 4, 9]], ITEMS), [12, 3, 12]
    together = model.explain_items(given, items)
    monkeypatch.setattr(base, "BLOCK_BYTES", 1)  # one shortened history at a time
    for one, item in zip(together, items, strict=True):
        alone = model.explain(given, item)
        assert (one.method, one.base) == (alone.method, alone.base)
        assert one.score == pytest.approx(alone.score, rel=1e-6)
        np.testing.assert_allclose(one.parts, alone.parts, rtol=1e-5, atol=1e-6)


def test_leave_one_out_is_the_difference_to_the_history_without_the_event(train: Histories) -> None:
    model = pc.BPR(epochs=2, form="items").fit(train, run=ONE)
    told = model.explain(Histories.from_lists([[4, 8, 5]], ITEMS), 12)
    without = [model.score(Histories.from_lists([rest], ITEMS))[0, 12] for rest in ([8, 5], [4, 5], [4, 8])]
    assert told.method == "leave-one-out"
    np.testing.assert_allclose(told.parts, told.score - np.array(without), atol=1e-6)


def test_an_explanation_is_for_one_history(train: Histories) -> None:
    model = pc.ItemKNN().fit(train, run=ONE)
    with pytest.raises(ParameterError, match="one history, got 2"):
        model.explain_items(Histories.from_lists([[1], [2]], ITEMS), [3])


def test_columns_of_an_operator_are_those_of_each_item_alone() -> None:
    rng = np.random.default_rng(5)
    full = rng.random((ITEMS, ITEMS), np.float32) * (rng.random((ITEMS, ITEMS)) < 0.4)
    indptr = np.concatenate([[0], np.cumsum((full > 0).sum(axis=1))])
    row, column = np.nonzero(full)
    dense, left, right = rng.random((ITEMS, ITEMS), np.float32), rng.random((ITEMS, 3), np.float32), full[:3]
    sparse = {"indptr": indptr, "indices": column.astype(np.int32), "data": full[row, column]}
    rows, items = np.array([4, 13, 4, 0, 7], np.int32), np.array([12, 3, 12, 0, 13, 12])
    for weights, expected in (
        (Weights(**sparse), full),
        (Weights(dense=dense), dense),
        (Weights(**sparse, dense=dense, left=left, right=right), full + dense + left @ right),
    ):
        together = weights.columns(items, rows)
        np.testing.assert_allclose(together, expected[rows][:, items].T, rtol=1e-6)
        for n in range(len(items)):
            np.testing.assert_array_equal(together[n], weights.columns(items[n : n + 1], rows)[0])
    assert Weights(**sparse).columns(items[:0], rows).shape == (0, 5)


def test_more_items_take_no_more_passes_over_what_a_history_reaches(
    train: Histories, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, passes = Histories.from_lists([[4, 8, 5, 9]], ITEMS), []
    linear, neighbours = pc.ItemKNN().fit(train, run=ONE), pc.UserKNN(neighbourhood=20).fit(train, run=ONE)
    entries, share = Weights._entries, pc.UserKNN._share
    monkeypatch.setattr(Weights, "_entries", lambda self, rows: passes.append(rows) or entries(self, rows))
    linear.explain_items(given, range(ITEMS))
    assert len(passes) == 1
    monkeypatch.setattr(pc.UserKNN, "_share", lambda self, *about: passes.append(about) or share(self, *about))
    neighbours.explain_items(given, range(ITEMS))
    assert 1 < len(passes) <= 21
