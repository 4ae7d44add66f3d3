"""Confidence sequences, arms compared, sample ratios and plans against values that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from penchant.errors import ParameterError
from penchant.experiments.comparing import Moments, against_zero, compare
from penchant.experiments.planner import spread_of_rate, units_needed
from penchant.experiments.sample_ratio import sample_ratio
from penchant.experiments.sequences import bound, chance, rate


def test_the_sequence_is_narrowest_where_it_was_planned() -> None:
    widths = [float(bound(1_000.0, planned)) for planned in (500.0, 900.0, 1_000.0, 1_100.0, 2_000.0)]
    assert min(widths) == widths[2]
    assert widths[2] == pytest.approx(math.sqrt(1 + rate(1, 0.05)))  # the bound at its best
    assert 3.0 < widths[2] < 3.1  # one look would take 1.96


def test_the_bound_is_the_published_formula() -> None:
    n, rho2, alpha = 500.0, rate(2_000.0, 0.1), 0.1
    published = math.sqrt(2 * (n * rho2 + 1) / (n * n * rho2) * math.log(math.sqrt(n * rho2 + 1) / alpha))
    assert float(bound(n, 2_000.0, alpha)) == pytest.approx(published * math.sqrt(n))


def test_a_chance_is_alpha_where_the_interval_touches_the_truth() -> None:
    for units in (100.0, 5_000.0):
        assert float(chance(bound(units, 3_000.0, 0.05), units, 3_000.0, 0.05)) == pytest.approx(0.05)


def test_a_sequence_holds_at_every_look() -> None:
    rng, runs, n = np.random.default_rng(1), 400, 4_000
    means = np.cumsum(rng.exponential(1.0, (runs, n)) - 1.0, axis=1) / np.arange(1, n + 1)
    at = np.arange(49, n, 50)
    left = np.abs(means[:, at]) > bound(at + 1.0, 2_000.0) / np.sqrt(at + 1.0)
    once = np.abs(means[:, at]) > 1.96 / np.sqrt(at + 1.0)
    assert left.any(axis=1).mean() <= 0.05
    assert once.any(axis=1).mean() > 0.2  # what a fixed test becomes that is looked at all the time


def test_means_of_two_arms_are_welch() -> None:
    rng = np.random.default_rng(2)
    value, own = rng.gamma(2.0, 1.0, 500), rng.random(500) < 0.4
    said = compare(Moments.of(value, own=~own).at(-1), Moments.of(value, own=own).at(-1), planned=500)
    welch = stats.ttest_ind(value[own], value[~own], equal_var=False)
    assert float(said.difference) == pytest.approx(value[own].mean() - value[~own].mean())
    assert float(said.difference / said.error) == pytest.approx(welch.statistic)
    assert float(said.high - said.difference) == pytest.approx(float(said.error * bound(500.0, 500)))


def test_the_error_of_a_ratio_is_that_of_drawing_units_again() -> None:
    rng = np.random.default_rng(3)
    base = rng.geometric(0.2, 2_000).astype(float)
    value, own = rng.binomial(base.astype(int), rng.beta(1, 4, 2_000)).astype(float), rng.random(2_000) < 0.5
    said = compare(Moments.of(value, base, own=~own).at(-1), Moments.of(value, base, own=own).at(-1), planned=2_000)
    drawn = rng.integers(0, own.sum(), (2_000, int(own.sum())))
    one = value[own][drawn].sum(axis=1) / base[own][drawn].sum(axis=1)
    drawn = rng.integers(0, (~own).sum(), (2_000, int((~own).sum())))
    other = value[~own][drawn].sum(axis=1) / base[~own][drawn].sum(axis=1)
    assert float(said.treatment) == value[own].sum() / base[own].sum()
    assert float(said.error) == pytest.approx(float((one - other).std()), rel=0.08)
    naive = math.sqrt(sum(r * (1 - r) / base[m].sum() for r, m in ((said.treatment, own), (said.control, ~own))))
    assert float(said.error) > 1.2 * naive  # as if each list were a unit


def test_what_units_did_before_is_taken_off() -> None:
    rng = np.random.default_rng(4)
    habit, own = rng.gamma(2.0, 1.0, 4_000), rng.random(4_000) < 0.5
    value = 3 * habit + rng.standard_normal(4_000) + 0.2 * own
    plain = compare(Moments.of(value, own=~own).at(-1), Moments.of(value, own=own).at(-1), planned=4_000)
    sums = [Moments.of(value, before=habit, own=mask).at(-1) for mask in (~own, own)]
    less = compare(sums[0], sums[1], planned=4_000)
    assert float(less.kept) < 0.1
    assert float(less.error) == pytest.approx(float(plain.error) * math.sqrt(float(less.kept)), rel=1e-9)
    assert float(less.low) < 0.2 < float(less.high)


def test_entries_are_the_units_up_to_there() -> None:
    rng = np.random.default_rng(5)
    value, own = rng.standard_normal(300), rng.random(300) < 0.5
    whole = compare(Moments.of(value, own=~own), Moments.of(value, own=own), planned=300)
    sums = [Moments.of(value[:120], own=mask[:120]).at(-1) for mask in (~own, own)]
    part = compare(sums[0], sums[1], planned=300)
    assert float(whole.low[119]) == pytest.approx(float(part.low))


def test_an_arm_without_units_says_nothing() -> None:
    none = Moments.of(np.array([1.0]), own=np.array([False])).at(-1)
    said = compare(none, Moments.of(np.arange(5.0)).at(-1), planned=10)
    assert (float(said.low), float(said.high), float(said.chance)) == (-math.inf, math.inf, 1.0)
    assert float(against_zero(none, planned=10).high) == math.inf


def test_a_preference_is_a_mean_against_zero() -> None:
    rng = np.random.default_rng(6)
    votes = rng.choice([-1.0, 0.0, 1.0], 3_000, p=[0.25, 0.4, 0.35])
    said = against_zero(Moments.of(votes).at(-1), planned=3_000)
    assert float(said.difference) == pytest.approx(votes.mean())
    assert float(said.error) == pytest.approx(votes.std(ddof=1) / math.sqrt(3_000))
    assert float(said.low) > 0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_outcome_is_finite(bad: float) -> None:
    with pytest.raises(ParameterError, match="finite"):
        Moments.of(np.array([1.0, bad]))
    with pytest.raises(ParameterError, match="one entry a unit"):
        Moments.of(np.ones(2), np.ones(3))


def test_a_wrong_split_is_found_and_a_right_one_is_not() -> None:
    rng = np.random.default_rng(7)
    first = np.cumsum(rng.random(20_000) < 0.52)
    counts = np.stack([first, np.arange(1, 20_001) - first], axis=1).astype(float)
    assert sample_ratio(counts, [0.5, 0.5]).min() < 0.01
    assert sample_ratio(counts, [0.52, 0.48]).min() > 0.01
    assert float(sample_ratio(np.zeros(3), [0.2, 0.3, 0.5])) == 1.0


@pytest.mark.parametrize("shares", [[0.5, 0.6], [0.0, 1.0], [-0.5, 1.5]])
def test_shares_sum_to_one(shares: list[float]) -> None:
    with pytest.raises(ParameterError, match="sum to 1"):
        sample_ratio(np.ones(2), shares)


def test_a_plan_has_the_power_that_it_says() -> None:
    needed = units_needed(0.1, spread_of_rate(0.1), 0.1, a_day=1_000)
    assert needed.fixed == pytest.approx(2 * 14_751, rel=0.1)  # the usual tables: 10 % against 11 %, each arm
    assert needed.fixed < needed.units < 2 * needed.fixed
    assert needed.days == needed.units / 1_000
    error = spread_of_rate(0.1) * 2 / math.sqrt(needed.units)
    assert stats.norm.sf(float(bound(needed.units, needed.units)) - 0.01 / error) == pytest.approx(0.8, abs=0.001)


def test_a_plan_takes_more_for_more_tests_uneven_shares_and_less_with_what_was_before() -> None:
    plain = units_needed(1.0, 2.0, 0.05)
    assert units_needed(1.0, 2.0, 0.05, tests=4).units > plain.units
    assert units_needed(1.0, 2.0, 0.05, share=0.1).units == pytest.approx(plain.units * 0.25 / 0.09, rel=1e-4)
    assert units_needed(1.0, 2.0, 0.05, kept=0.5).units == pytest.approx(plain.units / 2, rel=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [{"effect": 0.0}, {"mean": 0.0}, {"spread": 0.0}, {"share": 1.0}, {"power": 0.01}, {"a_day": 0.0}, {"kept": 0.0}],
)
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    given = {"mean": 1.0, "spread": 1.0, "effect": 0.1, **wrong}
    mean, spread, effect = (given.pop(name) for name in ("mean", "spread", "effect"))
    with pytest.raises(ParameterError):
        units_needed(mean, spread, effect, **given)  # type: ignore[arg-type]  # each is a number
    with pytest.raises(ParameterError):
        spread_of_rate(1.0)
    with pytest.raises(ParameterError):
        rate(0.5)
    with pytest.raises(ParameterError):
        rate(10, 1.0)
