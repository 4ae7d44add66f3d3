"""Ragged batches: what they hold, which rows and events are chosen, and what is merged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from penchant.core import histories
from penchant.core.curve import Curve
from penchant.core.histories import Histories
from penchant.errors import DataError


def naive(log: Histories) -> list[list[int]]:
    """Each item once a row, at the place of its last event."""
    rows = [log.row(r).tolist() for r in range(len(log))]
    return [[item for at, item in enumerate(row) if item not in row[at + 1 :]] for row in rows]


@pytest.mark.parametrize("many", [0, 1000], ids=["by marks", "by sorting"])
@pytest.mark.parametrize("repeat", [False, True])
def test_repeats_are_found_and_merged(many: int, repeat: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "MANY", many)
    rng = np.random.default_rng(0)
    for _ in range(20):
        rows = [rng.permutation(7)[: rng.integers(0, 7)].tolist() for _ in range(9)]
        if repeat:
            row = rows[int(rng.integers(9))]
            row += [3, 1, 3]
        log = Histories.from_lists(rows, 7)
        merged = log.distinct()
        assert (merged is log) != repeat
        assert [merged.row(r).tolist() for r in range(len(merged))] == naive(log)


def sample() -> Histories:
    """Four rows; the third is empty."""
    return Histories.from_lists(
        [[3, 1, 3], [0], [], [2, 4]], 5, values=[[1, -2, 3], [2], [], [0, 5]], values_are="weight",
        times=[[10, 20, 30], [5], [], [7, 8]],
    )  # fmt: skip


def fields(log: Histories) -> tuple[object, ...]:
    def listed(array: np.ndarray | None) -> list[float] | None:
        return None if array is None else array.tolist()

    arrays = (log.indptr, log.items, log.values, log.times, log.liked, log.now)
    return (*(listed(array) for array in arrays), log.values_are, log.n_items)


def test_arrays_have_their_types_and_rows_their_events() -> None:
    log = sample()
    assert [array.dtype for array in (log.indptr, log.items, log.values, log.times)] == [
        np.int64, np.int32, np.float32, np.int64,
    ]  # fmt: skip
    assert len(log) == 4 and log.lengths.tolist() == [3, 1, 0, 2] and log.rows.tolist() == [0, 0, 0, 1, 3, 3]
    assert log.row(0).tolist() == [3, 1, 3] and log.row(2).tolist() == []
    assert log.counts().tolist() == [1, 1, 1, 1, 1]
    log.counts()[0] = 9  # a copy
    assert log.counts()[0] == 1
    assert repr(log) == "Histories(4 rows, 6 events, 5 items, weight)"
    assert log.ages().tolist() == [2, 1, 0, 0, 1, 0]
    assert fields(Histories.from_lists([], 3)) == ([0], [], None, None, None, None, "none", 3)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"indptr": [1, 2]}, "histories: indptr must start at 0 and never decrease"),
        ({"indptr": [0, 2, 1]}, "histories: indptr must start at 0 and never decrease"),
        ({"indptr": []}, "histories: indptr must start at 0 and never decrease"),
        ({"indptr": [[0, 2]]}, "histories: indptr must start at 0 and never decrease"),
        ({"items": [0, 3]}, "histories: item indexes must be in [0, 3); drop unknown items first"),
        ({"items": [-1, 0]}, "histories: item indexes must be in [0, 3); drop unknown items first"),
        ({"items": [0]}, "histories: items has shape (1,), expected (2,)"),
        ({"times": [1, 2, 3]}, "histories: times has shape (3,), expected (2,)"),
        ({"liked": [True]}, "histories: liked has shape (1,), expected (2,)"),
        ({"now": [1, 2]}, "histories: now has shape (2,), expected (1,)"),
        ({"values": [1.0], "values_are": "rating"}, "histories: values has shape (1,), expected (2,)"),
        ({"values_are": "rating"}, "histories: values_are is 'rating', but there are no values"),
        ({"values": [1.0, 2.0]}, "histories: say whether the values are 'rating' or 'weight'"),
        ({"values": [1.0, np.nan], "values_are": "weight"}, "histories: values must be finite numbers"),
        ({"values": [1.0, np.inf], "values_are": "weight"}, "histories: values must be finite numbers"),
    ],
)
def test_what_is_not_a_batch_of_histories_is_refused(wrong: dict[str, object], says: str) -> None:
    given = {"indptr": [0, 2], "items": [0, 2], "n_items": 3} | wrong
    with pytest.raises(DataError) as refused:
        Histories(**{name: np.array(value) if isinstance(value, list) else value for name, value in given.items()})
    assert str(refused.value) == says


@pytest.mark.parametrize(
    "index", [slice(0, 4), slice(1, 3), slice(2, 9), slice(3, 1), slice(None), slice(None, None, 2), [3, 0, 0], [-1]]
)
def test_rows_are_chosen_with_everything_of_theirs(index: slice | list[int]) -> None:
    log = replace(sample(), now=np.array([40, 41, 42, 43]), liked=np.array([True, False, True, True, False, True]))
    chosen = log[index if isinstance(index, slice) else np.array(index)]
    numbers = np.arange(4)[index].tolist()
    assert len(chosen) == len(numbers)
    for at, number in enumerate(numbers):
        events, mine = (slice(one.indptr[r], one.indptr[r + 1]) for one, r in ((log, number), (chosen, at)))
        for name in ("items", "values", "times", "liked"):
            assert getattr(chosen, name)[mine].tolist() == getattr(log, name)[events].tolist()
        assert chosen.now[at] == 40 + number
    if len(numbers):
        assert log[np.arange(4) == numbers[0]].now.tolist() == [40 + numbers[0]]
    assert log[:] is log


def test_events_are_dropped_but_rows_and_moments_stay() -> None:
    log = sample()
    kept = log.where(np.array([True, True, False, False, True, False]))
    assert fields(kept) == ([0, 2, 2, 2, 3], [3, 1, 2], [1, -2, 0], [10, 20, 7], None, [30, 5, 0, 8], "weight", 5)
    empty = log.without_events()
    assert fields(empty) == ([0, 0, 0, 0, 0], [], [], [], None, [30, 5, 0, 8], "weight", 5)
    liked = replace(log, liked=np.arange(6) % 2 == 0, now=np.array([1, 2, 3, 4]))
    assert fields(liked.where(np.arange(6) > 1))[4:6] == ([True, False, True, False], [1, 2, 3, 4])
    assert fields(liked.without_events())[4:6] == ([], [1, 2, 3, 4])
    assert log.moments().tolist() == [30, 5, 0, 8] and liked.moments().tolist() == [1, 2, 3, 4]
    assert Histories.from_lists([[1], []], 2).moments() is None
    assert Histories.from_lists([[]], 2, times=[[]]).moments().tolist() == [0]


def test_positives_and_dislikes_are_told_apart() -> None:
    log = sample()
    assert log.positives().items.tolist() == [3, 3, 0, 4] and log.negatives().items.tolist() == [1]
    assert log.dislikes().values.tolist() == [2] and log.has_dislikes
    liked = replace(log, liked=np.array([False, True, False, False, True, True]))
    assert liked.positives().items.tolist() == [1, 2, 4] and liked.positives().liked is None
    assert liked.dislikes().liked is None
    everything = replace(log, liked=np.ones(6, np.bool_))
    assert everything.positives().items.tolist() == log.items.tolist() and everything.positives().liked is None
    ratings = replace(log, values_are="rating")
    assert ratings.positives() is ratings and not ratings.has_dislikes and len(ratings.negatives().items) == 0
    plain = Histories.from_lists([[1], [0]], 2)
    assert plain.positives() is plain and not plain.has_dislikes and plain.dislikes().values is None
    zero = Histories.from_lists([[1, 0]], 2, values=[[0, 1]], values_are="weight")
    assert zero.positives().items.tolist() == [0] and not zero.has_dislikes
    one = Histories.from_lists([[1]], 2, values=[[0.5]], values_are="weight")
    assert one.positives() is one


def test_a_window_keeps_the_newest() -> None:
    log = sample()
    assert log.newest(None) is log and log.newest(3) is log and log.newest(0).items.tolist() == []
    assert log.newest(1).items.tolist() == [3, 0, 4] and log.newest(1).lengths.tolist() == [1, 1, 0, 1]
    assert log.newest(2).items.tolist() == [1, 3, 0, 2, 4]


def test_merging_adds_weights_and_keeps_the_last_rating() -> None:
    log = sample()
    assert log.distinct().values.tolist() == [-2, 4, 2, 0, 5] and log.distinct().times.tolist() == [20, 30, 5, 7, 8]
    assert replace(log, values_are="rating").distinct().values.tolist() == [-2, 3, 2, 0, 5]
    assert log.weights().tolist() == log.values.tolist()
    assert replace(log, values_are="rating").weights().tolist() == [1] * 6
    assert Histories.from_lists([[1, 1]], 2).weights().dtype == np.float32


def test_a_curve_applies_to_the_sum_of_an_item() -> None:
    log = Histories.from_lists([[0, 1, 0, 0], [0]], 2, values=[[1, 2, 3, -2], [0]], values_are="weight")
    shaped = replace(log, curve=Curve("log")).weights()
    share = np.log1p(4) / 4
    np.testing.assert_allclose(shaped, [share, np.log1p(2), 3 * share, -np.log1p(2), 0], rtol=1e-6)
    once = Histories.from_lists([[0, 1]], 2, values=[[3, -1]], values_are="weight")
    np.testing.assert_allclose(replace(once, curve=Curve("binary")).weights(), [1, -1])
