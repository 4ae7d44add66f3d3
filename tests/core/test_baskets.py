"""Baskets: what a history took at the same moment."""

from __future__ import annotations

import numpy as np

from penchant.core.baskets import Baskets
from penchant.core.histories import Histories


def test_equal_times_of_a_row_are_one_basket() -> None:
    rows, times = [[0, 1, 2], [], [3, 3], [4]], [[5, 5, 9], [], [9, 9], [9]]
    found = Baskets.in_(Histories.from_lists(rows, 5, times=times))
    assert found.of.tolist() == [0, 0, 1, 2, 2, 3]
    assert found.indptr.tolist() == [0, 2, 2, 3, 4]
    assert found.counts.tolist() == [2, 0, 1, 1]
    assert found.times is not None and found.times.tolist() == [5, 9, 9, 9]
    assert found.gaps().tolist() == [4.0, 0.0, 0.0, 0.0]
    assert found.newest().tolist() == [9, 0, 9, 9]


def test_without_times_every_event_is_a_basket() -> None:
    found = Baskets.in_(Histories.from_lists([[0, 0], [1]], 2))
    assert found.counts.tolist() == [2, 1]
    assert found.times is None
    assert not found.gaps().any()


def test_nothing_has_no_baskets() -> None:
    found = Baskets.in_(Histories.from_lists([[]], 2, times=[[]]))
    assert np.array_equal(found.counts, [0])
    assert found.newest().tolist() == [0]
