"""Impressions beside histories: cut with them, not taken, shown too often."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.core.rank import check_most, without_tired
from penchant.core.shown import Shown
from penchant.errors import DataError, ParameterError


def rows(shown: Shown) -> list[list[int]]:
    return [shown.items[lo:hi].tolist() for lo, hi in zip(shown.indptr[:-1], shown.indptr[1:], strict=True)]


def batch(*, times: bool = True) -> Histories:
    given = Histories.from_lists([[1, 2], [3], []], 6, times=[[10, 20], [15], []] if times else None)
    items = np.array([1, 4, 4, 1, 0, 5, 2])
    when = np.array([5, 12, 13, 15, 21, 15, 1])
    shown = Shown.of(np.array([0, 0, 0, 0, 0, 1, 2]), items, 3, when if times else None)
    return Histories(given.indptr, given.items, 6, times=given.times, shown=shown)


def test_rows_are_chosen_with_their_impressions() -> None:
    given = batch()
    assert rows(given.shown) == [[1, 4, 4, 1, 0], [5], [2]]
    assert rows(given[1:].shown) == [[5], [2]]
    assert rows(given[np.array([2, 0])].shown) == [[2], [1, 4, 4, 1, 0]]
    assert rows(given.positives().where(given.items != 1).shown) == rows(given.shown)
    with pytest.raises(DataError, match="shown has 3 rows, expected 2"):
        Histories(np.array([0, 0, 0]), np.empty(0, np.int32), 6, shown=given.shown)


def test_what_was_shown_after_the_newest_event_is_cut() -> None:
    given = batch()
    assert rows(given.shown.until(given)) == [[1, 4, 4, 1], [5], []]
    assert rows(batch(times=False).shown.until(batch(times=False))) == rows(given.shown)


def test_not_taken_is_without_the_row_s_own_items() -> None:
    given = batch()
    assert rows(given.shown.not_taken(given)) == [[0, 4], [5], [2]]


def test_too_often_counts_since_the_last_event_of_the_item() -> None:
    given = batch()
    assert rows(given.shown.too_often(given, 1)) == [[0, 1, 4], [5], [2]]
    assert rows(given.shown.too_often(given, 2)) == [[4], [], []]
    assert rows(given.shown.too_often(given, 3)) == [[], [], []]
    plain = batch(times=False)
    assert rows(plain.shown.too_often(plain, 1)) == [[0, 4], [5], [2]]


def test_a_list_is_without_own_and_tired_items() -> None:
    given = batch()
    banned = without_tired(given, 2)
    assert banned is not None
    assert [sorted(banned.row(r).tolist()) for r in range(3)] == [[1, 2, 4], [3], []]
    assert without_tired(given, 3) is without_tired(given, 0) is None


@pytest.mark.parametrize("most", [-1, 1.5, True])
def test_a_number_of_impressions_is_whole(most: object) -> None:
    with pytest.raises(ParameterError, match="whole number from 0"):
        check_most(most)  # type: ignore[arg-type]
    assert check_most(0) == 0
