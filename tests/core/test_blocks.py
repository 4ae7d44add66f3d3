"""What is computed a block at a time is what is computed at once."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core import blocks
from penchant.core.blocks import counted, row_blocks
from penchant.core.histories import Histories
from penchant.core.weight_range import weight_range
from penchant.data.interactions import Interactions
from penchant.data.vocab import Vocab
from penchant.errors import DataError
from penchant.evaluation.repeats import repeat_warnings


def random_histories(values_are="weight", rows=60, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 9, rows)
    lengths[7] = 40  # longer than a block
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    events = int(indptr[-1])
    values = None if values_are == "none" else rng.normal(size=events).astype(np.float32)
    items, times = rng.integers(0, 12, events), rng.integers(0, 99, events)
    return Histories(indptr, items, 12, values, values_are, times)


def test_row_blocks_cover_all_rows_once_and_hold_few_events():
    indptr = random_histories().indptr
    found = list(row_blocks(indptr, 10))
    assert [lo for lo, _ in found] == [0, *(hi for _, hi in found[:-1])]
    assert found[-1][1] == len(indptr) - 1
    assert all(indptr[hi] - indptr[lo] <= 10 or hi == lo + 1 for lo, hi in found)
    assert list(row_blocks(np.zeros(1, np.int64))) == []
    assert list(row_blocks(np.zeros(4, np.int64))) == [(0, 3)]


def test_counted_is_bincount(monkeypatch):
    monkeypatch.setattr(blocks, "EVENTS", 7)
    items = np.random.default_rng(0).integers(0, 9, 100).astype(np.int32)
    assert np.array_equal(counted(items, 10), np.bincount(items, minlength=10))
    assert counted(items[:0], 3).tolist() == [0, 0, 0]


@pytest.mark.parametrize("values_are", ["none", "rating", "weight"])
def test_histories_in_blocks_are_those_made_at_once(monkeypatch, values_are):
    def made():
        given = random_histories(values_are)
        keep = np.random.default_rng(1).random(len(given.items)) < 0.5
        return [given.distinct(), given.newest(3), given.where(keep), given.newest(0), given.counts(), given.timeless()]

    at_once = made()
    monkeypatch.setattr(blocks, "EVENTS", 7)
    for one, other in zip(at_once, made(), strict=True):
        if isinstance(one, np.ndarray):
            assert np.array_equal(one, other)
            continue
        for name in ("indptr", "items", "values", "times", "now"):
            mine, others = getattr(one, name), getattr(other, name)
            assert (mine is None) == (others is None)
            assert mine is None or (mine.dtype == others.dtype and np.array_equal(mine, others)), name


def test_warnings_and_ranges_in_blocks_are_those_made_at_once(monkeypatch):
    def found():
        given = random_histories("rating")
        log = Interactions(
            Vocab(range(12)), [str(row) for row in range(len(given))], given.rows.astype(np.int32), given.items,
            np.round(given.values), "rating", None, given.times // 50,
        )  # fmt: skip
        return repeat_warnings(log), weight_range(random_histories())

    at_once = found()
    assert len(at_once[0]) == 2
    monkeypatch.setattr(blocks, "EVENTS", 7)
    assert found() == at_once


def test_disorder_between_blocks_is_seen(monkeypatch):
    monkeypatch.setattr("penchant.data.interactions.EVENTS", 4)
    users = np.repeat(np.arange(4, dtype=np.int32), 4)
    Interactions(Vocab([1]), list("abcd"), users, np.zeros(16, np.int32))
    for at in range(1, 16):
        wrong = users.copy()
        wrong[at:] -= wrong[at] + 1 - wrong[at - 1] if at % 4 == 0 else 0
        wrong[at] = max(wrong[at - 1] - 1, 0) if wrong[at - 1] else wrong[at]
        if (np.diff(wrong) < 0).any():
            with pytest.raises(DataError, match="sorted by user"):
                Interactions(Vocab([1]), list("abcd"), wrong, np.zeros(16, np.int32))
