"""The list of one history, which is found without a look at every item, is the list of a full sort."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from penchant.core.histories import Histories
from penchant.core.rank import in_order, top_dense

SCORES = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 1.0, 2.0])


@given(st.data())
def test_one_history_is_ranked_as_a_full_sort_would(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 30))
    scores = np.array([data.draw(st.lists(SCORES, min_size=n, max_size=n))], dtype=np.float32)
    popularity_rank = np.array(data.draw(st.permutations(range(n))), dtype=np.int32)
    allow = data.draw(st.none() | st.lists(st.booleans(), min_size=n, max_size=n).map(np.array))
    banned = data.draw(st.lists(st.integers(0, n - 1), max_size=5))
    k = data.draw(st.integers(1, n))
    shown = scores[0] > -np.inf
    shown[banned] = False
    if allow is not None:
        shown &= allow
    expected = sorted(np.flatnonzero(shown), key=lambda item: (-scores[0, item], popularity_rank[item]))[:k]
    ranked = top_dense(
        scores, k, exclude=Histories.from_lists([banned], n), allow=allow, popularity_rank=popularity_rank
    )
    assert ranked.items[0].tolist() == [*expected, *[-1] * (k - len(expected))]
    assert ranked.scores[0, : len(expected)].tolist() == scores[0, expected].tolist()


def test_the_order_by_popularity_is_sorted_once_for_each_array() -> None:
    ranks = [np.random.default_rng(n).permutation(50).astype(np.int32) for n in range(6)]
    orders = [in_order(one) for one in ranks]
    for one, order in zip(ranks, orders, strict=True):
        np.testing.assert_array_equal(one[order], np.arange(50))
    assert in_order(ranks[-1]) is orders[-1]  # kept
    np.testing.assert_array_equal(in_order(ranks[0]), orders[0])  # no longer kept, and sorted again
