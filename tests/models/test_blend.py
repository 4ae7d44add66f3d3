"""Blends: what is added, on which scale, and how the weights are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import penchant as pc
from penchant.core.histories import Histories
from penchant.core.rank import rank, rank_by_popularity
from penchant.core.run import Run
from penchant.core.split import Split
from penchant.errors import DataError, ParameterError
from penchant.models import registry
from penchant.models.blend import Blend, _add, ascent, judged, normalised
from penchant.models.content_knn import ContentKNN
from penchant.models.ease import EASE
from penchant.models.popular import Popular
from penchant.models.random import Random
from penchant.models.transitions import Transitions
from tests.evaluation.small_logs import a_market
from tests.models.fitting import data, hit_rate, make, usable
from tests.models.planted import CASES, ITEMS, planted

PLACE = np.arange(4, dtype=np.int32)


def test_each_scale_by_its_definition() -> None:
    scores = np.array([[2, 4, -np.inf, 0], [0, 0, 0, 0], [-np.inf] * 4, [-8, -4, -6, -5]], dtype=np.float32)
    inf = np.inf
    np.testing.assert_allclose(
        normalised(scores, "best", PLACE), [[0.5, 1, -inf, 0], [0] * 4, [-inf] * 4, [-1, -0.5, -0.75, -0.625]]
    )
    z = normalised(scores, "deviation", PLACE)
    np.testing.assert_allclose(z[0, [0, 1, 3]], (np.array([2, 4, 0]) - 2) / np.std([2, 4, 0]), rtol=1e-6)
    np.testing.assert_array_equal(z[1:3], [[0] * 4, [-inf] * 4])
    assert z[3].mean() == pytest.approx(0, abs=1e-6)
    ranks = normalised(scores, "rank", PLACE)
    np.testing.assert_allclose(ranks[0], [1 / 62, 1 / 61, -inf, 1 / 63], rtol=1e-6)
    np.testing.assert_array_equal(ranks[1:3], [[0] * 4, [-inf] * 4])


def test_scores_are_the_weighted_sum() -> None:
    part = data("ranking")
    members = [EASE(reg=20.0), Popular()]
    blend = Blend(members=members, weights=[0.7, 0.3]).fit(part.train)
    one, two = (member.fit(part.train).score(part.given) for member in members)
    expected = 0.7 * one / np.abs(one).max(axis=1, keepdims=True) + 0.3 * two / two.max()
    np.testing.assert_allclose(blend.score(part.given), expected, atol=1e-6)


@pytest.mark.parametrize("how", ["best", "deviation"])
def test_many_histories_are_added_up_as_one_by_one(how: str) -> None:
    """The kernel and its twin: what cannot be scored, rows of one value, and rows of nothing included."""
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(2, 70, 30)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    scores[0, 3], scores[1, 3], scores[0, 4], scores[:, 5] = -np.inf, 0, 7, -np.inf
    popularity_rank = np.arange(30, dtype=np.int32)
    total, able = np.zeros((70, 30), np.float32), np.zeros((70, 30), np.bool_)
    twin, twin_able = total.copy(), able.copy()
    for weight, member in zip(np.array([0.7, 0.3], np.float32), scores, strict=True):
        _add(total, able, member, weight, how, popularity_rank)
        for r in range(70):
            _add(twin[r : r + 1], twin_able[r : r + 1], member[r : r + 1], weight, how, popularity_rank)
    np.testing.assert_allclose(total, twin, atol=1e-6)
    np.testing.assert_array_equal(able, np.isfinite(scores).any(axis=0))
    np.testing.assert_array_equal(able, twin_able)


def test_nothing_known_by_all_stays_nothing() -> None:
    part = data("ranking")
    members = [EASE(), Transitions()]
    for how in ("best", "deviation", "rank"):
        blend = Blend(members=members, normalise=how).fit(part.train)
        np.testing.assert_array_equal(blend.score(Histories.from_lists([[]], ITEMS)), np.zeros((1, ITEMS)))


def cases() -> Split:
    part = data("ranking")
    return Split("planted", part.train, part.given, part.truth)


def test_weights_are_chosen_on_validation_and_told() -> None:
    part = data("ranking")
    blend = Blend(members=[Random(), EASE(reg=20.0)])
    plain = Blend(members=[Random(), EASE(reg=20.0)]).fit(part.train)
    blend.fit(part.train, valid=cases())
    assert blend.mix[1] > blend.mix[0]
    assert blend.mix.sum() == pytest.approx(1)
    assert hit_rate(blend, part) > hit_rate(plain, part) + 0.05
    assert "NDCG@10" in blend.notes[-1]
    assert "ease" in blend.notes[-1]
    again = Blend(members=[Random(), EASE(reg=20.0)]).fit(part.train, valid=cases(), run=Run(threads=2))
    np.testing.assert_allclose(blend.mix, again.mix)


def test_seen_items_and_candidates_bound_the_choice() -> None:
    """Weights are judged by what a list could hold: candidates that were not seen."""
    part = planted("ranking", seed=4)
    pairs = Histories.from_lists([[*part.truth.row(r), 0] for r in range(CASES)], ITEMS)
    bounded = Split("candidates", part.train, part.given, part.truth, candidates=pairs)
    blend = Blend(members=[Popular(), EASE(reg=20.0)]).fit(part.train)
    items, (scores,) = blend.pool(bounded, ["best"], Run())
    for r in range(CASES):
        pool = set(items[r][items[r] >= 0].tolist())
        assert pool == set(pairs.row(r).tolist()) - set(part.given.row(r).tolist())
    assert scores.shape == (2, *items.shape)


def test_the_pool_holds_the_best_of_every_member(monkeypatch: pytest.MonkeyPatch) -> None:
    part = data("ranking")
    monkeypatch.setattr("penchant.models.blend.POOL", 3)
    blend = Blend(members=[Random(), EASE(reg=20.0)]).fit(part.train)
    items, (best, deviation) = blend.pool(cases(), ["best", "deviation"], Run())
    popularity_rank = rank_by_popularity(blend.item_counts)
    raw = [member.score(part.given) for member in blend.members]
    for r in range(CASES):
        free = np.setdiff1d(np.arange(ITEMS), part.given.row(r))
        tops = [free[np.lexsort((popularity_rank[free], -scores[r, free]))][:3] for scores in raw]
        pool = items[r][items[r] >= 0]
        assert set(pool) == set(np.concatenate(tops))
        assert (np.diff(popularity_rank[pool]) > 0).all()
        for m, scores in enumerate(raw):
            of_row = scores[r : r + 1]
            np.testing.assert_allclose(
                best[m, r, : len(pool)], normalised(of_row, "best", popularity_rank)[0, pool], atol=1e-6
            )
            z = normalised(of_row, "deviation", popularity_rank)[0, pool]
            np.testing.assert_allclose(deviation[m, r, : len(pool)], z, atol=1e-5)


def test_a_mix_is_worth_what_its_lists_are() -> None:
    """Ranks of true items found by counting give the NDCG of sorted lists, ties, grades and short pools included."""
    rng = np.random.default_rng(3)
    n, k = 12, 4
    pools = [np.sort(rng.permutation(n)[: rng.integers(2, 9)]) for _ in range(40)]
    items = np.full((40, 8), -1, dtype=np.int32)
    for row, pool in zip(items, pools, strict=True):
        row[: len(pool)] = pool
    rows = [rng.permutation(n)[: rng.integers(0, 4)].tolist() for _ in pools]
    truth = Histories.from_lists(rows, n, values=[[float(1 + i % 3) for i in row] for row in rows], values_are="weight")
    given = Histories.from_lists([[]] * 40, n)
    scores = rng.integers(0, 3, items.shape).astype(np.float32)
    values = []
    for pool, said, true in zip(pools, scores, rows, strict=True):
        best = pool[np.argsort(-said[: len(pool)], kind="stable")][:k]
        gain = {i: 1 + i % 3 for i in true}
        ideal = sum(g / np.log2(at + 2) for at, g in enumerate(sorted(gain.values(), reverse=True)[:k]))
        values += [sum(gain.get(i, 0) / np.log2(at + 2) for at, i in enumerate(best)) / ideal] if true else []
    split = Split("pools", given, given, truth, repeat=True)
    assert judged(items, split, k)(scores) == pytest.approx(np.mean(values))


def test_weights_climb_to_the_best_mix() -> None:
    """A bowl with its top at a ratio that no coarse step meets, and a member that only spoils it."""
    scores = np.eye(3, dtype=np.float32)[:, None]

    def value(total: np.ndarray) -> float:
        mix = total[0] / total[0].sum()
        return -float((mix[0] - 0.62) ** 2 + (mix[1] - 0.38) ** 2 + mix[2])

    mix, start, best = ascent(scores, value)
    assert start == pytest.approx(value(np.full((1, 3), 1 / 3)))
    assert best == pytest.approx(value(mix[None]), abs=1e-6)
    np.testing.assert_allclose(mix, [0.62, 0.38, 0], atol=0.02)


def test_members_come_from_descriptions_and_go_back() -> None:
    spec = {
        "model": "blend",
        "params": {"members": [{"model": "ease", "params": {"reg": 5.0}}, {"model": "popular"}], "weights": [1, 2]},
    }
    blend = registry.from_json(spec)
    assert [type(member) for member in blend.members] == [EASE, Popular]
    assert blend.members[0].reg == 5.0
    assert registry.from_json(registry.to_json(blend)) == blend


def test_what_it_is_given_is_not_fitted_in_place() -> None:
    mine = EASE()
    Blend(members=[mine, Popular()]).fit(data("ranking").train)
    assert mine.item_counts is None


def test_features_reach_the_members() -> None:
    part = data("ranking")
    blend = Blend(members=[EASE(), ContentKNN()]).fit(part.train, features=part.features)
    assert blend.members[1].weights is not None
    with pytest.raises(DataError, match="catalogue"):
        Blend(members=[EASE(), ContentKNN()]).fit(part.train)


def test_wrong_members_and_weights_are_refused() -> None:
    for wrong in (
        {"members": []},
        {"members": [Popular()], "weights": [1.0, 2.0]},
        {"members": [Popular()], "weights": [-1.0]},
        {"members": [Popular()], "weights": [0.0]},
        {"members": [Popular()], "weights": [float("nan")]},
        {"members": [Popular()], "normalise": "loudness"},
    ):
        with pytest.raises(ParameterError, match="blend"):
            Blend(**wrong)


def test_members_by_name_specification_file_description_and_model(tmp_path: Path) -> None:
    file = tmp_path / "knn.json"
    file.write_text('{"model": "item-knn", "params": {"neighbours": 7}}')
    given = ["transitions", "ease:reg=20", f"@{file}", {"model": "popular"}, Random(), Blend(members=["popular"])]
    blend = Blend(members=given)
    names = ["transitions", "ease", "item-knn", "popular", "random", "blend"]
    assert [member.name for member in blend.members] == names
    assert blend.members[1].params()["reg"] == 20 and blend.members[2].params()["neighbours"] == 7
    assert registry.from_json(registry.to_json(blend)).params().keys() == blend.params().keys()
    part = data("sequence")
    assert np.isfinite(blend.fit(part.train).score(part.given)).all()


def test_members_on_the_command_line(tmp_path: Path) -> None:
    one = registry.parse("blend:members=als")
    assert isinstance(one, Blend) and [member.name for member in one.members] == ["als"]
    several = registry.parse("blend:members=als:factors=8+item-knn+popular,weights=2+1+0.5,normalise=rank")
    assert isinstance(several, Blend) and several.weights == [2.0, 1.0, 0.5] and several.normalise == "rank"
    assert [member.name for member in several.members] == ["als", "item-knn", "popular"]
    assert several.members[0].params()["factors"] == 8
    single = registry.parse("blend:members=popular,weights=2")
    assert isinstance(single, Blend) and single.weights == [2.0]
    found = pc.evaluate(a_market(users=60), ["blend:members=transitions+popular", "popular"], split="leave-last")
    assert found.models[0].error is None and found.models[0].label == "blend:members=transitions+popular"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (["no-such-model"], "no model"), ("als+nothing-like-it", "no model"), ([3], "a member is a model"),
        (7, "must be a list"), ("", "name its members"), ([{"name": "als"}], "described as"),
    ],
)  # fmt: skip
def test_what_is_no_member_is_refused_in_words(members: object, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        Blend(members=members)  # type: ignore[arg-type]


def test_a_weight_that_is_no_number_is_refused() -> None:
    with pytest.raises(ParameterError, match="a weight must be a number, got 'many'"):
        registry.parse("blend:members=als,weights=many")


@pytest.mark.parametrize("member", sorted(set(usable()) - {"blend"}))
def test_every_kind_of_model_may_be_a_member(member: str) -> None:
    part = data("rating")
    blend = Blend(members=[make(member), make("popular")]).fit(part.train, run=Run(threads=1), features=part.features)
    scores = blend.score(part.given)
    assert scores.shape == (len(part.given), ITEMS) and not np.isnan(scores).any()
    assert rank(blend, part.given, 3).items.min() >= 0
