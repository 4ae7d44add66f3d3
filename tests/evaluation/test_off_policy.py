"""Off-policy estimates against truths that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from penchant.core.metrics import Doubles
from penchant.errors import DataError
from penchant.evaluation.off_policy import Logged, cross_fitted, off_policy

ITEMS, PLACES = 6, 2
TRUE = np.random.default_rng(0).uniform(0.05, 0.6, (ITEMS, PLACES))  # chance of a click, by item and position
LOG = np.array([0.3, 0.25, 0.2, 0.1, 0.1, 0.05])
TARGET = np.array([0.05, 0.1, 0.1, 0.2, 0.25, 0.3])


def drawn(lists: int, chances: Doubles, seed: int) -> Logged:
    """Lists with an item drawn at each position by ``chances``; the target draws by ``TARGET``."""
    rng = np.random.default_rng(seed)
    items = rng.choice(ITEMS, size=(lists, PLACES), p=chances).ravel()
    row_list, position = np.repeat(np.arange(lists), PLACES), np.tile(np.arange(PLACES), lists)
    reward = (rng.random(lists * PLACES) < TRUE[items, position]).astype(np.float64)
    key = items * PLACES + position
    guesses = cross_fitted(reward, key, row_list, keys=ITEMS * PLACES)
    fold = row_list % 5
    expected = np.einsum("fip,i->fp", guesses.reshape(5, ITEMS, PLACES), TARGET)
    return Logged(
        row_list,
        row_list,
        position,
        reward,
        chances[items],
        TARGET[items],
        guesses[fold, key],
        expected[fold, position],
    )


@pytest.mark.parametrize("method", ["ips", "snips", "dr"])
@pytest.mark.parametrize("form", ["item-position", "slate"])
def test_intervals_cover_the_truth(method: str, form: str) -> None:
    truth = float((TARGET[:, None] * TRUE).sum())
    found = [off_policy(drawn(1_500, LOG, seed), method, form=form) for seed in range(80)]  # type: ignore[arg-type]  # a form
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.88 <= covered <= 0.995
    assert np.mean([one.mean for one in found]) == pytest.approx(truth, rel=0.03)


def test_a_model_of_rewards_lessens_the_error() -> None:
    truth = float((TARGET[:, None] * TRUE).sum())
    error = {
        method: np.sqrt(
            np.mean([(off_policy(drawn(1_000, LOG, seed), method).mean - truth) ** 2 for seed in range(60)])
        )
        for method in ("ips", "dr")
    }
    assert error["dr"] < 0.9 * error["ips"]


def test_the_target_that_made_the_log_is_the_mean_of_the_log() -> None:
    own = drawn(500, TARGET, 3)
    by_list = own.reward.reshape(-1, PLACES).sum(axis=1)
    for form in ("item-position", "slate"):
        for method in ("ips", "snips"):
            said = off_policy(own, method, form=form)  # type: ignore[arg-type]  # a form
            assert said.mean == pytest.approx(by_list.mean())
            assert said.effective == pytest.approx(500)
            assert said.high - said.mean == pytest.approx(1.96 * by_list.std(ddof=1) / np.sqrt(500), rel=1e-3)
            assert said.outside == pytest.approx(0.0)


def test_lists_of_one_unit_are_one() -> None:
    own = drawn(600, TARGET, 4)
    twice = replace(
        own,
        list=np.concatenate([own.list, own.list + 600]), unit=np.concatenate([own.unit, own.unit]),
        **{name: np.concatenate([getattr(own, name)] * 2) for name in ("position", "reward", "chance", "target")},
        predicted=None, expected=None,
    )  # fmt: skip
    one, two = off_policy(own, "ips"), off_policy(twice, "ips")
    assert two.mean == pytest.approx(one.mean)
    assert two.high - two.low == pytest.approx(one.high - one.low)  # a copy says nothing new


def test_what_the_log_never_shows_is_told() -> None:
    own = drawn(4_000, np.array([0.5, 0.5, 0, 0, 0, 0]), 5)
    both = replace(own, target=np.where(own.chance > 0, 0.15, 0.0))  # of the target's mass .3 lies on these two
    assert off_policy(both, "ips").outside == pytest.approx(0.7, abs=0.01)


def test_a_target_that_does_not_draw() -> None:
    own = drawn(4_000, LOG, 6)
    sure = replace(own, target=(own.chance == LOG[0]).astype(np.float64))
    truth = TRUE[0].sum()
    said = off_policy(sure, "snips")
    assert said.low < truth < said.high
    assert said.effective == pytest.approx(4_000 * LOG[0], rel=0.1)


def test_too_little_is_refused_with_what_to_do() -> None:
    with pytest.raises(DataError, match="explore"):
        off_policy(drawn(90, TARGET, 7), "ips")
    own = drawn(300, LOG, 8)
    with pytest.raises(DataError, match="1 of 600 shown items have no chance"):
        off_policy(replace(own, chance=np.where(np.arange(600) == 5, np.nan, own.chance)), "ips")
    with pytest.raises(DataError, match="no list"):
        off_policy(Logged(*(np.zeros(0, dtype=np.int64),) * 3, *(np.zeros(0),) * 3), "ips")
    with pytest.raises(DataError, match="dr needs"):
        off_policy(replace(own, predicted=None), "dr")
    with pytest.raises(DataError, match="one of ips, snips, dr"):
        off_policy(own, "magic")
    with pytest.raises(DataError, match="between 0 and 1"):
        off_policy(replace(own, target=own.target * 9), "ips")
    nowhere = replace(own, target=np.zeros(600))
    with pytest.raises(DataError, match="no more of this target than 0"):
        off_policy(nowhere, "ips")


def test_guesses_come_from_other_folds() -> None:
    reward, key, unit = np.array([1.0, 0.0, 0.0, 1.0]), np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3])
    guesses = cross_fitted(reward, key, unit, keys=2, folds=4, prior=1.0)
    assert guesses.shape == (4, 2)
    assert guesses[0, 0] == pytest.approx((0.0 + 1 / 3) / 2)  # without the row of unit 0
    assert guesses[0, 1] == pytest.approx((1.0 + 1 / 3) / 3)
