"""Sums over pairs that are added and removed, against dictionaries."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.models.kinds.pair_sums import PairSums, PairTerms, replaced
from penchant.models.parts.weights import Weights

N = 6
Pair = tuple[int, int]


def empty() -> PairSums:
    rows = [np.zeros(N, np.int64) for _ in range(3)]
    return PairSums(
        *rows, np.empty(0, np.int32), np.empty(0), np.empty(0, np.int32), np.zeros(N), np.zeros(N, np.int64), 0, 0
    )


def counted(rows: list[list[int]], forward: np.ndarray, backward: np.ndarray) -> PairTerms:
    log = Histories.from_lists(rows, N)
    x = 1.0 + 0.5 * log.items
    return PairTerms(log, x, 1.0 / log.lengths[log.rows], x, forward, backward)


def naive(rows: list[list[int]], forward: np.ndarray, backward: np.ndarray) -> dict[Pair, tuple[float, int]]:
    found: dict[Pair, tuple[float, int]] = {}
    for row in rows:
        for p, i in enumerate(row):
            for q, j in enumerate(row):
                distance = abs(p - q)
                if p == q or (len(forward) and distance >= len(forward)):
                    continue
                by = 1.0 if len(forward) == 0 else float((forward if q > p else backward)[distance])
                total, pairs = found.get((i, j), (0.0, 0))
                found[i, j] = total + (1 + 0.5 * i) * (1 + 0.5 * j) * by / len(row), pairs + 1
    return found


rows_of = st.lists(st.lists(st.integers(0, N - 1), max_size=6), max_size=5)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(rows_of, st.lists(st.integers(0, 99), max_size=3)), min_size=1, max_size=5), st.booleans())
def test_rows_that_grow_and_shrink_hold_what_a_dictionary_holds(
    steps: list[tuple[list[list[int]], list[int]]], near: bool
) -> None:
    forward, backward = (np.array([9.0, 1.0, 0.5]), np.array([9.0, 0.0, 0.25])) if near else (np.empty(0),) * 2
    sums, there = empty(), []
    for added, leaving in steps:
        removed = [there.pop(n % len(there)) for n in leaving if there]
        there += added
        for rows, sign in ((added, 1), (removed, -1)):
            change = counted(rows, forward, backward)
            sums.add(change, np.full(len(change.events.items), sign, np.int32), Run(threads=1))
        sums.check(N)
        expected = naive(there, forward, backward)
        spans = [slice(sums.starts[i], sums.starts[i] + sums.sizes[i]) for i in range(N)]
        held = {
            (i, int(j)): (float(total), int(pairs))
            for i, span in enumerate(spans)
            for j, total, pairs in zip(sums.items[span], sums.sums[span], sums.counts[span], strict=True)
        }
        assert held.keys() == expected.keys()
        for pair, (total, pairs) in expected.items():
            np.testing.assert_allclose(held[pair][0], total, atol=1e-9)
            assert held[pair][1] == pairs
        assert all((np.diff(sums.items[span]) > 0).all() for span in spans)
        np.testing.assert_array_equal(sums.events, np.bincount([i for row in there for i in row], minlength=N))


def test_some_rows_of_an_operator_are_replaced() -> None:
    old = Weights(np.array([0, 2, 2, 3]), np.array([0, 2, 1], np.int32), np.array([1.0, 2.0, 3.0], np.float32))
    new = replaced(old, np.array([1, 2]), np.array([1, 0]), np.array([2], np.int32), np.array([7.0], np.float32))
    assert new.indptr is not None
    assert new.indices is not None
    assert new.data is not None
    np.testing.assert_array_equal(new.indptr, [0, 2, 3, 3])
    np.testing.assert_array_equal(new.indices, [0, 2, 2])
    np.testing.assert_array_equal(new.data, [1, 2, 7])
