"""The popularity list as fallback: for which rows, under which masks, and beside which other rows."""

from __future__ import annotations

import numpy as np
import pytest

import penchant as pc
from penchant.core.histories import Histories
from penchant.core.rank import rank
from penchant.errors import ParameterError, ScoreError
from penchant.recommender.fallback import needs_fallback, rank_or_popular

N = 6
TRAIN = Histories.from_lists([[0, 1, 2], [1, 2], [2, 3], [2, 1, 4], [5, 2]], N)  # popularity: 2, 1, then 0, 3, 4, 5
POPULAR = [2, 1, 0, 3, 4, 5]


def weighted(rows: list[list[int]], weights: list[list[float]]) -> Histories:
    return Histories.from_lists(rows, N, values=weights, values_are="weight")


def test_only_rows_without_a_positive_event_need_it() -> None:
    given = weighted([[0], [0, 1], [], [0], [3, 3]], [[1], [-1, 2], [], [0], [-1, -1]])
    assert needs_fallback(given).tolist() == [False, False, True, True, True]
    assert needs_fallback(Histories.from_lists([[], [1]], N)).tolist() == [True, False]
    liked = Histories(np.array([0, 1, 2]), np.array([1, 2]), N, liked=np.array([False, True]))
    assert needs_fallback(liked).tolist() == [True, False]


@pytest.mark.parametrize("model", [pc.ItemKNN(), pc.BPR(epochs=2, factors=3), pc.Random(), pc.Popular()])
def test_rows_are_the_same_alone_and_together(model: pc.Model) -> None:
    model.fit(TRAIN)
    given = Histories.from_lists([[0], [], [3, 1], []], N)
    together = rank_or_popular(model, given, 4)
    assert together.fallback.tolist() == [False, True, False, True]
    for row in range(4):
        alone = rank_or_popular(model, given[row : row + 1], 4)
        assert alone.items[0].tolist() == together.items[row].tolist()
        np.testing.assert_allclose(alone.scores[0], together.scores[row], rtol=1e-6)
    assert together.items[1].tolist() == POPULAR[:4] and together.scores[1].tolist() == [0] * 4
    filled = given[np.array([0, 2])]
    assert rank_or_popular(model, filled, 4).items.tolist() == rank(model, filled, 4).items.tolist()


def test_every_row_keeps_its_own_masks_and_candidates() -> None:
    model = pc.ItemKNN().fit(TRAIN)
    given = Histories.from_lists([[0], [], [], [1]], N)
    exclude = Histories.from_lists([[1], [2], [], [2]], N)
    allow = np.array([True, True, True, False, True, True])
    ranked = rank_or_popular(model, given, 3, exclude=exclude, allow=allow)
    assert ranked.items[1].tolist() == [1, 0, 4] and ranked.items[2].tolist() == [2, 1, 0]
    assert 1 not in ranked.items[0] and 2 not in ranked.items[3] and 3 not in ranked.items
    candidates = Histories.from_lists([[2, 4], [5, 3, 2], [4, 5, 1], [0]], N)
    ranked = rank_or_popular(model, given, 2, exclude=exclude, allow=allow, candidates=candidates)
    assert ranked.items.tolist() == [[2, 4], [5, -1], [1, 4], [0, -1]]
    assert ranked.scores[1].tolist() == [0, -np.inf]
    ranked = rank_or_popular(model, given, 2, candidates=candidates)
    assert ranked.items[1:3].tolist() == [[2, 3], [1, 4]]


def test_seen_items_may_come_again_but_disliked_ones_may_not() -> None:
    model = pc.Popular().fit(TRAIN)
    given = weighted([[2], [1], [2, 1]], [[0], [-1], [1, 1]])
    ranked = rank_or_popular(model, given, N, repeat=True)
    assert ranked.items[0].tolist() == POPULAR and ranked.items[1].tolist() == [2, 0, 3, 4, 5, -1]
    assert ranked.items[2].tolist() == POPULAR and ranked.fallback.tolist() == [True, True, False]
    assert rank_or_popular(model, given, N).items[0].tolist() == [1, 0, 3, 4, 5, -1]


def test_a_linear_model_lowers_what_resembles_a_dislike() -> None:
    model = pc.ItemKNN(neighbours=None, half_life=None).fit(TRAIN)
    given = weighted([[3], []], [[-1.0], []])
    ranked = rank_or_popular(model, given, N)
    assert ranked.fallback.tolist() == [True, True]
    assert ranked.items[0].tolist() == [1, 0, 4, 5, 2, -1]  # item 2 was met with item 3
    assert ranked.scores[0, 4] < 0 == ranked.scores[0, 3]
    assert ranked.items[1].tolist() == POPULAR
    other = pc.BPR(epochs=1, factors=2).fit(TRAIN)
    assert rank_or_popular(other, given, N).items[0].tolist() == [2, 1, 0, 4, 5, -1]


def test_another_order_of_popularity_can_be_given() -> None:
    order = np.array([5, 4, 3, 2, 1, 0], np.int32)
    ranked = rank_or_popular(pc.Popular().fit(TRAIN), Histories.from_lists([[]], N), 3, popularity_rank=order)
    assert ranked.items.tolist() == [[5, 4, 3]]


def test_lists_are_as_wide_as_the_catalogue_at_most() -> None:
    model = pc.Popular().fit(TRAIN)
    assert rank_or_popular(model, Histories.from_lists([[], [1]], N), 40).items.shape == (2, N)
    with pytest.raises(ParameterError, match="k must be"):
        rank_or_popular(model, Histories.from_lists([[]], N), 0)
    empty = rank_or_popular(model, Histories.from_lists([], N), 3)
    assert empty.items.shape == empty.scores.shape == (0, 3) and empty.fallback.shape == (0,)


def test_a_row_with_nan_is_named_by_its_own_number() -> None:
    class Broken(pc.Popular):
        def _score(self, given: Histories) -> np.ndarray:
            scores = super()._score(given)
            scores[given.rows[given.items == 5]] = np.nan
            return scores

    model = Broken().fit(TRAIN)
    with pytest.raises(ScoreError, match="3"):
        rank_or_popular(model, Histories.from_lists([[0], [], [1], [5]], N), 3)
