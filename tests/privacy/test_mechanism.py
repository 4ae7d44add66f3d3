"""Sensitivity, noise and the private fit."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pc
from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.data.catalog import Catalog
from penchant.errors import DataError, ParameterError
from penchant.models.parts.weights import Weights
from penchant.models.registry import parse
from penchant.privacy.accounting import Promise, epsilon_of, multiplier_for
from penchant.privacy.mechanism import sampler
from penchant.privacy.mechanism.compare import compared, held_out
from penchant.privacy.mechanism.contributions import bounded, count_steps, equation_steps, pair_steps, steps_of
from penchant.privacy.mechanism.fit import fit_private, plan_private
from penchant.privacy.mechanism.sums import Sums, threshold
from tests.privacy.logs import frame, log

PROMISE = Promise(4.0, 1e-6)
ITEMS, FACTORS = 12, 3
row = st.lists(st.integers(0, ITEMS - 1), max_size=20)
rows = st.lists(row, min_size=1, max_size=6)
MULTIPLIERS = st.sampled_from([0.05, 0.4, 1.0, 3.7, 40.0])


def quiet(size: int) -> np.ndarray:
    """No noise: for tests of what is noised."""
    return np.zeros(size, dtype=np.int64)


def embed(events: Histories) -> np.ndarray:
    """A vector of any length for every row, from its items alone."""
    basis = np.random.default_rng(0).normal(0, 2, (ITEMS, FACTORS)).astype(np.float32)
    out = np.zeros((len(events), FACTORS), np.float32)
    np.add.at(out, events.rows, basis[events.items])
    return out


def statistics(people: list[list[int]], most: int, multiplier: float) -> dict[str, np.ndarray]:
    events = bounded(Histories.from_lists(people, ITEMS), most)
    left, right = equation_steps(events, embed, FACTORS, multiplier)
    return {
        "counts": count_steps(events, multiplier),
        "gram": pair_steps(events, multiplier),
        "equations": np.concatenate([left, right], axis=1),
    }


@settings(max_examples=2000, deadline=None)
@given(rows, row, st.integers(1, 20), MULTIPLIERS)
def test_one_person_changes_a_statistic_by_at_most_the_stated_bound(people, person, most, multiplier):
    with_them, without = (statistics(log, most, multiplier) for log in ([*people, person], people))
    for name, value in with_them.items():
        assert value.dtype == np.int64
        assert np.linalg.norm((value - without[name]).astype(np.float64)) <= steps_of(multiplier), name


def test_the_bound_is_reached_so_that_no_noise_is_wasted():
    for name, value in statistics([[3]], 20, 1.0).items():
        assert np.linalg.norm(value.astype(np.float64)) > (0.5 if name == "equations" else 0.99) * steps_of(1.0), name


@pytest.mark.parametrize("draw", [sampler._exact, sampler._tabled])
def test_noise_is_a_discrete_gaussian_of_the_stated_scale(draw):
    drawn = draw(4_000)
    assert drawn.dtype == np.int64
    assert abs(drawn.mean()) < 5 * sampler.SIGMA / 4_000**0.5
    assert abs(drawn.std() / sampler.SIGMA - 1) < 5 / 8_000**0.5
    inside = np.mean(np.abs(drawn) <= sampler.SIGMA)
    assert abs(inside - 0.6827) < 0.04
    assert len(np.unique(drawn % 2)) == 2  # every whole number, not every other


def test_the_table_holds_the_distribution():
    high, low = sampler._table()
    ends = [(int(h) << 64) + min(one, 2**64 - 1) for h, one in zip(high, low, strict=True)]
    assert all(one <= two for one, two in pairwise(ends))
    chances = np.diff([0.0, *(end / 2**128 for end in ends)])
    exact = np.exp(-0.5 * (np.arange(-sampler.REACH, sampler.REACH + 1) / sampler.SIGMA) ** 2)
    near = exact > 1e-12
    assert np.allclose(chances[near], (exact / exact.sum())[near], rtol=1e-3)
    assert len(sampler.noise(sampler.FEW + 1)) == sampler.FEW + 1


def test_noise_is_never_the_same_again_and_a_seed_is_refused():
    assert not np.array_equal(sampler.noise(64), sampler.noise(64))
    with pytest.raises(ParameterError, match="--seed does not apply"):
        fit_private(log(), "popular", PROMISE, run=Run(seed=7))


def test_each_sum_gets_the_noise_of_its_share_and_is_paid_for_once():
    shares = {"counts": 0.2, "gram": 0.8}
    events = Histories.from_lists([], 40)
    sums = Sums(events, 2.0, shares)
    counts, noise = sums.counts()
    assert noise == pytest.approx(2.0 / 0.2**0.5)
    assert counts.std() == pytest.approx(noise, rel=0.6)
    assert sums.counts()[0] is counts
    gram, deviation = sums.gram()
    upper = gram[np.triu_indices(40, 1)]
    assert upper.std() == pytest.approx(deviation, rel=0.15)
    assert deviation == pytest.approx(2.0 / 0.8**0.5 / 2**0.5)
    assert gram.diagonal().std() == pytest.approx(2**0.5 * deviation, rel=0.6)
    assert np.array_equal(gram, gram.T)
    for again in (sums.gram, lambda: sums.equations(embed, FACTORS)):
        with pytest.raises(ParameterError, match="not paid for"):
            again()
    of_shares = sum((2.0 / share**0.5) ** -2 for share in shares.values())
    assert of_shares**-0.5 == pytest.approx(2.0)


def test_without_noise_the_sums_are_those_of_the_log():
    events = Histories.from_lists([[0, 1], [1], [1, 2, 3]], 4)
    sums = Sums(events, 1e-6, {"counts": 0.5, "gram": 0.3, "equations": 0.2}, draw=quiet)
    x = np.zeros((3, 4))
    for person, items in enumerate([[0, 1], [1], [1, 2, 3]]):
        x[person, items] = len(items) ** -0.5
    assert np.allclose(sums.counts()[0], x.sum(0), atol=1e-4)
    assert np.allclose(sums.gram()[0], x.T @ x, atol=1e-4)
    matrices, right, _ = sums.equations(lambda some: np.ones((len(some), 2), np.float32) / 2, 2)
    weight = (1.5 * np.array([3, 2, 4])) ** -0.5
    assert right[1, 0] == pytest.approx(weight.sum() / 2, abs=1e-3)
    assert np.allclose(matrices[-1], weight.sum() / 4, atol=1e-3)


def test_what_one_person_alone_has_passes_the_threshold_seldom_enough():
    rng, most, multiplier, chance = np.random.default_rng(0), 30, 1.5, 0.05
    bound = threshold(multiplier, chance, most)
    for t in (1, 2, 7, 30):
        noised = t**-0.5 + multiplier * rng.standard_normal((20_000, t))
        assert (noised > bound).any(axis=1).mean() < chance * 1.15, t
    assert threshold(multiplier, chance / 10, most) > bound


@pytest.mark.parametrize("model", ["popular", "item-knn", "ease", "als"])
def test_a_private_model_finds_the_tastes_and_holds_no_exact_number(model, tmp_path):
    people, given = log(people=600), ["i0", "i1"]
    rec = fit_private(people, model, Promise(8.0, 1e-6), compare=True)
    rec.save(tmp_path / "m")
    again = pc.load(tmp_path / "m")
    assert again.vocab.ids == sorted(again.vocab.ids)
    exact = people.histories().counts()[people.vocab.encode(again.vocab.ids)]
    assert not np.array_equal(again.item_counts, exact)
    assert set(again.fitted_on) == {"seed", "notes", "private"}
    stated = again.fitted_on["private"]
    assert again.recommend(given).to_json()["model"]["private"] == {
        key: stated[key] for key in ("epsilon", "delta", "unit")
    }
    assert ("compared" in stated) == (model != "popular")
    assert (stated["epsilon"], stated["delta"]) == (8.0, 1e-6)
    assert stated["unit"] == "one person's whole history, added or removed"
    if model != "popular":
        best = [item.item for item in again.recommend(given, k=3).items]
        assert set(best) <= {f"i{n}" for n in range(12)}


def test_a_private_folder_cannot_be_updated(tmp_path):
    fit_private(log(), "popular", PROMISE).save(tmp_path / "m")
    with pytest.raises(pc.errors.FormatError, match="cannot be updated"):
        pc.load(tmp_path / "m", statistics=True)


def test_items_come_from_a_public_table_or_pass_a_threshold():
    table = frame(people=200)
    rare = table.vstack(table.head(1).with_columns(item=pc_literal("only-mine")))
    people = pc.read_interactions(rare)
    open_items = fit_private(people, "popular", PROMISE)
    assert "only-mine" not in open_items.vocab.ids
    plan = plan_private(people, "popular", PROMISE, public=False)
    assert epsilon_of([plan.cost], PROMISE.delta) <= PROMISE.epsilon * (1 + 1e-4)
    assert plan.cost.chance == pytest.approx(0.11e-6)
    vocab = people.vocab
    listed = [title if title != "only-mine" else None for title in vocab.ids]
    public = fit_private(people, "popular", PROMISE, catalog=Catalog(vocab, listed))
    assert public.vocab.ids == sorted(set(vocab.ids) - {"only-mine"})
    assert plan_private(people, "popular", PROMISE, public=True).cost.chance == pytest.approx(0.01e-6)
    assert public.title(0) == public.vocab.ids[0]
    with pytest.raises(DataError, match="describes no item"):
        fit_private(people, "popular", PROMISE, catalog=Catalog.empty(vocab))


def pc_literal(text: str):
    """A column of one text."""
    import polars as pl

    return pl.lit(text)


def test_what_cannot_be_private_is_refused():
    for model, said in (
        ("user-knn", "user-knn cannot be fitted privately: use popular"),
        ("popular:half_life_days=3", "without half_life_days"),
        ("ease:dropout=0.3", "takes no dropout"),
        ("item-knn:similarity=jaccard", "takes no similarity"),
        ("als:epochs=3", "takes one epoch"),
        ("als:epochs=16", "takes one epoch"),  # what is stated counts, even where it is the usual value
    ):
        with pytest.raises(ParameterError, match=said):
            fit_private(log(), model, PROMISE)
    with pytest.raises(DataError, match="fewer than 100 people"):
        fit_private(log(people=10), "popular", PROMISE)
    with pytest.raises(DataError, match="no item passes the threshold"):
        fit_private(log(people=100), "popular", Promise(0.01, 1e-9))


def test_the_noise_is_what_the_accountant_asks_for():
    assert plan_private(log(), "popular", PROMISE, public=True).cost.multiplier == multiplier_for(4.0, 0.89e-6)


def test_a_model_that_is_no_better_than_popularity_is_refused(monkeypatch):
    people = log(people=600)
    assert fit_private(people, "ease", Promise(8.0, 1e-6), compare=True).fitted_on["private"]["compared"]["gain"] > 0
    monkeypatch.setattr("penchant.models.ease.EASE.fit_private", as_popular)
    with pytest.raises(DataError, match="not found better than private popular"):
        fit_private(people, "ease", Promise(8.0, 1e-6), compare=True)


def as_popular(model, sums, run):
    """Weights that add nothing to popularity."""
    n = len(sums.counts()[0])
    sums.gram()
    model.weights = Weights(dense=np.zeros((n, n), np.float32))


@cache
def neighbours():
    """Item 0 goes with item 1, which nobody else has; the rest is popular."""
    pairs = [[0, 1]] * 3
    return parse("item-knn").fit(
        Histories.from_lists([*pairs, *([item] for item in range(2, 60) for _ in range(4))], 60)
    )


far = st.lists(st.integers(0, 59), max_size=8)


@settings(max_examples=2000, deadline=None)
@given(st.lists(st.one_of(far, st.just([0, 1])), max_size=4), st.one_of(far, st.just([0, 1])), MULTIPLIERS)
def test_one_person_moves_the_comparison_by_at_most_one(people, person, multiplier):
    found = [
        compared(neighbours(), bounded(Histories.from_lists(some, 60), 20), multiplier, quiet)
        for some in (people, [*people, person])
    ]
    assert abs(found[0].gain - found[1].gain) <= 1
    assert found[0].noise == multiplier


def test_the_comparison_reaches_one_so_that_no_noise_is_wasted():
    assert compared(neighbours(), Histories.from_lists([[0, 1]], 60), 1.0, quiet).gain > 0.999


def test_people_are_held_out_by_coins_of_their_own():
    drawn = held_out(20_000)
    assert abs(drawn.mean() - 0.1) < 0.01
    assert not np.array_equal(drawn, held_out(20_000))


def test_the_grid_changes_less_of_delta_than_is_set_aside_for_it():
    """The exact delta of the discrete Gaussian, where one number takes the whole sensitivity."""
    for epsilon in (0.5, 2.0, 8.0):
        multiplier = multiplier_for(epsilon, 0.89e-6)
        shift = round(steps_of(multiplier))
        x = np.arange(-sampler.REACH, sampler.REACH + 1 + shift, dtype=np.float64)
        logs = -0.5 * (x / sampler.SIGMA) ** 2, -0.5 * ((x - shift) / sampler.SIGMA) ** 2
        size = np.exp(logs[0]).sum()
        delta = (np.exp(logs[1]) - np.exp(epsilon + logs[0])).clip(0).sum() / size
        assert delta <= 0.9e-6, epsilon
