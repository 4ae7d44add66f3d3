"""The range of weights is that of the sums of a history and item; later histories are held to it, others untouched."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.core import weight_range as module
from penchant.core.histories import Histories
from penchant.core.weight_range import weight_range, within

ITEMS = 4
# a weight of 1e-30 beside one of 1e9 would become 0 as its share of the range
WEIGHT = st.floats(-50, 50, width=32).filter(lambda w: w == 0 or abs(w) > 1e-20) | st.sampled_from([1e9, -1e9, 0.0])
ROWS = st.lists(st.lists(st.tuples(st.integers(0, ITEMS - 1), WEIGHT), max_size=7), max_size=6)


def weighted(rows: list[list[tuple[int, float]]]) -> Histories:
    items, values = ([[event[n] for event in row] for row in rows] for n in range(2))
    return Histories.from_lists(items, ITEMS, values=values, values_are="weight")


def sums(histories: Histories) -> dict[tuple[int, int, bool], float]:
    """The sums of each row, item and sign, one event after the other."""
    found: dict[tuple[int, int, bool], float] = defaultdict(float)
    for row, item, value in zip(histories.rows, histories.items, histories.values, strict=True):
        found[int(row), int(item), bool(value < 0)] += float(value)
    return found


@pytest.fixture(autouse=True, params=[1, 5, 2**20])
def _block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", request.param)


def test_each_side_has_its_end_and_an_unseen_side_the_opposite_one() -> None:
    assert weight_range(weighted([[(0, 2), (1, 3), (0, 4)], [], [(0, -1), (0, 5), (0, -1.5)]])) == (-2.5, 6)
    assert weight_range(weighted([[(0, 2), (1, 3)], [(0, 1)]])) == (-3, 3)
    assert weight_range(weighted([[(0, -2), (0, -3)]])) == (-5, 5)
    assert weight_range(weighted([[(0, 0)]])) is None
    assert weight_range(weighted([])) is None
    assert weight_range(Histories.from_lists([[1]], 2)) is None
    assert weight_range(Histories.from_lists([[1]], 2, values=[[9]], values_are="rating")) is None


def test_a_sum_beyond_counts_as_the_nearer_end_and_is_divided_among_its_events() -> None:
    held = within(weighted([[(0, 1e9), (1, 2)], [(2, -1e9), (3, 6), (2, 3), (3, 2), (1, 4)]]), -3, 4)
    assert held.values.tolist() == [4, 2, -3, 3, 3, 1, 4]


def test_what_is_in_range_or_has_no_weights_is_not_even_copied() -> None:
    edge = weighted([[(0, -3), (0, 4), (1, 2.5), (1, 1.5)], [(0, 4)]])
    assert within(edge, -3, 4) is edge
    assert within(edge, -2.999, 4) is not edge
    assert within(edge, -3, 3.999) is not edge
    for other in (
        Histories.from_lists([[1]], 2),
        Histories.from_lists([[1]], 2, values=[[9]], values_are="rating"),
        weighted([]),
    ):
        assert within(other, -1, 1) is other


@settings(deadline=None)
@given(rows=ROWS, low=st.floats(-60, -0.5), high=st.floats(0.5, 60))
def _held(rows: list[list[tuple[int, float]]], low: float, high: float) -> None:
    before = weighted(rows)
    after = within(before, low, high)
    was, now = sums(before), sums(after)
    assert was.keys() == now.keys()  # a weight keeps its sign
    for (row, item, against), total in was.items():
        assert now[row, item, against] == pytest.approx(min(max(total, low), high), rel=1e-5, abs=1e-30)
        if low <= total <= high:
            mine = (before.rows == row) & (before.items == item) & ((before.values < 0) == against)
            assert after.values[mine].tobytes() == before.values[mine].tobytes()
    found = weight_range(before)
    if found is None:
        assert not before.values.any()
    else:
        assert within(before, *found) is before  # what was learned from is in range
        one_by_one = np.array(list(was.values()))
        assert found[1] == (max(one_by_one.max(), 0) or -one_by_one.min())
        assert found[0] == (min(one_by_one.min(), 0) or -one_by_one.max())


def test_sums_are_held_for_any_histories() -> None:
    _held()
