"""What costs depend on, against what is counted."""

from __future__ import annotations

import numpy as np
import pytest

import penchant as pc
from penchant.core.histories import Histories
from penchant.core.log_shape import LogShape, grouped, typical, zipf
from penchant.errors import ParameterError


def drawn(users: int = 3_000, items: int = 400, seed: int = 0) -> Histories:
    """People with log-normal lengths who draw by Zipf's law, each item at most once."""
    rng = np.random.default_rng(seed)
    weight = np.arange(1, items + 1) ** -0.9
    lengths = np.minimum(rng.lognormal(2, 1, users).astype(int) + 1, items // 2)
    rows = [rng.choice(items, length, replace=False, p=weight / weight.sum()).tolist() for length in lengths]
    return Histories.from_lists(rows, items)


def test_lengths_and_pairs_are_those_of_the_log() -> None:
    log = drawn()
    shape, lengths = LogShape.of(log), log.lengths.astype(float)
    assert (shape.events, shape.users, shape.items) == (len(log.items), 3_000, 400)
    assert shape.pairs() == pytest.approx((lengths**2).sum(), rel=1e-6)
    assert shape.pairs(9) == pytest.approx((np.minimum(lengths, 9) ** 2).sum(), rel=0.01)
    assert shape.distinct == pytest.approx(lengths.sum(), rel=0.01)
    within = sum(2 * min(n - 1, 5) * n - min(n - 1, 5) * (min(n - 1, 5) + 1) for n in lengths)
    assert shape.within(5) == pytest.approx(within, rel=0.02)
    assert shape.within(None) == pytest.approx((lengths**2 - lengths).sum(), rel=0.02)


def test_repeats_count_once_in_pairs() -> None:
    twice = Histories.from_lists([[1, 1, 2, 2], [0, 1, 0, 1]], 3)
    assert LogShape.of(twice).pairs() == 8
    assert LogShape.of(twice).events == 8


def test_partners_and_visits_are_close_to_what_is_counted() -> None:
    log = drawn()
    shape, counts = LogShape.of(log), log.counts()
    held = pc.ItemKNN(neighbours=None, max_history=None).fit(log).weights
    assert held is not None and held.data is not None
    assert shape.kept(None) == pytest.approx(len(held.data), rel=0.1)
    few = pc.ItemKNN(neighbours=20, max_history=None).fit(log).weights
    assert few is not None and few.data is not None
    assert shape.kept(20) == pytest.approx(len(few.data), rel=0.1)
    met = np.add.reduceat(counts[log.items], log.indptr[:-1]).mean()
    assert shape.met == pytest.approx(met, rel=0.1)
    assert shape.kept(None, reach=1) < shape.kept(None, reach=5) < shape.kept(None)


def test_numbers_alone_give_nearly_the_same() -> None:
    log = drawn(8_000, 1_000)
    known, guessed = LogShape.of(log), LogShape.of_numbers(len(log.items), 8_000, 1_000)
    for what in ("events", "users", "items"):
        assert getattr(guessed, what) == getattr(known, what)
    assert guessed.pairs() == pytest.approx(known.pairs(), rel=0.5)
    assert guessed.kept(None) == pytest.approx(known.kept(None), rel=0.5)


def test_fewer_items_and_samples_are_smaller_logs() -> None:
    shape = LogShape.of(drawn())
    half, sample = shape.of_items(200), shape.sampled(0.25)
    assert half.items == 200 and half.users == shape.users and 0.5 * shape.events < half.events < shape.events
    assert half.pairs() < shape.pairs() and half.sizes.sum() == 200
    assert sample.users == shape.users // 4 and sample.items == shape.items
    assert sample.pairs() == pytest.approx(shape.pairs() / 4, rel=1e-6)
    assert shape.of_items(10**9).items == shape.items


def test_an_empty_log_and_one_event_have_a_shape() -> None:
    assert LogShape.of(Histories.from_lists([], 5)).pairs() == 0
    one = LogShape.of(Histories.from_lists([[2]], 5))
    assert (one.pairs(), one.kept(None), one.within(3)) == (1, pytest.approx(1, abs=1), 0)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((0, 1, 1), "rows must be a number of at least 1, got 0"),
        ((5, 0.5, 1), "users must be"),
        ((5, 1, float("nan")), "items must be"),
        ((float("inf"), 1, 1), "rows must be"),
        ((5, 6, 1), "5 rows cannot have 6 users"),
    ],
)
def test_numbers_that_make_no_log_are_refused(numbers: tuple[float, float, float], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        LogShape.of_numbers(*numbers)


def test_groups_keep_what_they_sum() -> None:
    counts = np.random.default_rng(1).integers(0, 50, 7_000)
    sizes, shares = grouped(counts)
    assert sizes.sum() == 7_000 and (sizes * shares).sum() == pytest.approx(1) and (np.diff(shares) <= 0).all()
    sizes, shares = zipf(10**9)
    assert sizes.sum() == pytest.approx(10**9) and (sizes * shares).sum() == pytest.approx(1)
    assert len(sizes) < 100 and shares[0] / shares[1] == pytest.approx(2**0.9, rel=0.25)
    lengths = np.random.default_rng(2).lognormal(2, 1, 54_321)
    few = typical(lengths)
    assert len(few) == 1_000 and (few**2).mean() == pytest.approx((lengths**2).mean(), rel=0.01)
