from __future__ import annotations

import numpy as np
import pytest

from penchant.evaluation.bootstrap import by_group, estimates, not_worse, resample


def interval(values: np.ndarray, seed: int, draws: int = 1000) -> tuple[float, float]:
    column = values.reshape(-1, 1)
    found = estimates(column, np.ones_like(column), resample(column, np.ones_like(column), draws=draws, seed=seed))[0]
    assert found.low is not None and found.high is not None
    return found.low, found.high


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for n in range(300):
        low, high = interval((rng.random(200) < 0.3).astype(float), seed=n, draws=300)
        hits += low <= 0.3 <= high
    assert 0.91 <= hits / 300 <= 0.98


def test_an_interval_is_about_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(2).normal(5, 2, 2000)
    low, high = interval(values, seed=0)
    assert high - low == pytest.approx(2 * 1.96 * 2 / np.sqrt(2000), rel=0.1)


def test_cases_of_one_user_are_drawn_together() -> None:
    """Twenty copies of each of fifty values say no more than the fifty."""
    values = np.random.default_rng(3).normal(size=50)
    copies, group = np.repeat(values, 20)[:, None], np.repeat(np.arange(50), 20)
    sums, counts = by_group(copies, group), by_group(np.ones_like(copies), group)
    grouped = estimates(sums, counts, resample(sums, counts))[0]
    low, high = interval(values, seed=0)
    assert grouped.low == pytest.approx(low) and grouped.high == pytest.approx(high)


def test_the_same_seed_draws_the_same_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(4).random((500, 3))
    whole = resample(values, np.ones_like(values), draws=200, seed=7)
    assert np.array_equal(whole, resample(values, np.ones_like(values), draws=200, seed=7))
    assert not np.array_equal(whole, resample(values, np.ones_like(values), draws=200, seed=8))
    monkeypatch.setattr("penchant.evaluation.bootstrap.BLOCK_NUMBERS", 1500)
    np.testing.assert_allclose(whole, resample(values, np.ones_like(values), draws=200, seed=7))


def test_a_small_but_steady_difference_is_seen_because_cases_are_paired() -> None:
    rng = np.random.default_rng(5)
    base = rng.normal(0, 1, 400)
    both = np.stack([base, base - 0.05 + rng.normal(0, 0.05, 400), base + rng.normal(0, 0.3, 400) - 0.001], axis=1)
    means = resample(both, np.ones_like(both))
    assert not not_worse(means[:, 1], means[:, 0]), "unpaired, the noise of the cases would hide it"
    assert not_worse(means[:, 2], means[:, 0])
    assert not_worse(means[:, 0], means[:, 0])


def test_lower_may_be_better() -> None:
    values = np.stack([np.full(50, 0.9), np.full(50, 1.1)], axis=1)
    means = resample(values, np.ones_like(values))
    assert not_worse(means[:, 0], means[:, 1], lower_is_better=True)
    assert not not_worse(means[:, 1], means[:, 0], lower_is_better=True)


def test_equal_models_are_rarely_called_worse() -> None:
    rng = np.random.default_rng(6)
    worse = 0
    for n in range(200):
        both = rng.normal(size=(150, 2))
        means = resample(both, np.ones_like(both), draws=300, seed=n)
        better = int(both[:, 1].mean() > both[:, 0].mean())
        worse += not not_worse(means[:, 1 - better], means[:, better])
    assert worse / 200 < 0.12, "two sides of 2.5 %, each model may be the better one"


def test_nothing_to_average_is_no_number() -> None:
    found = estimates(np.zeros((3, 1)), np.zeros((3, 1)), resample(np.zeros((3, 1)), np.zeros((3, 1))))
    assert found[0].mean is None and found[0].low is None
    assert np.isnan(resample(np.zeros((0, 1)), np.zeros((0, 1)))).all()
