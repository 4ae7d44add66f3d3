"""Impressions: the lists that answers were chosen from, what was shown before, and values of attributes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.core.item_features import ItemFeatures
from penchant.core.run import Run
from penchant.core.shown import Shown
from penchant.core.split import Split
from penchant.data.vocab import Vocab
from penchant.errors import FormatError
from penchant.ranking.beyond import encoded, seen_before
from penchant.ranking.features import Asked, compute, declared
from penchant.ranking.lists import SOON, lists_of, shown_before
from penchant.ranking.questions import cases, earlier_lists, questions
from penchant.ranking.ranked import Ranked
from penchant.ranking.statistics import Statistics
from penchant.recommender.recommender import Recommender, load

DAY = 86_400


def shop(people: int = 80, lists: int = 6, seed: int = 0) -> Histories:
    """Everybody is shown eight of twenty items a day, and takes one of them: an even one, if its place is not last."""
    rng = np.random.default_rng(seed)
    items, times, shown, at = [], [], [], []
    for person in range(people):
        for day in range(lists):
            moment = DAY * (day + 1) + person
            some = rng.permutation(20)[:8]
            worth = (some % 2 == 0) * 1.0 + rng.random(8) + (np.arange(8) < 2) * 1.0
            items.append(some[worth.argmax()])
            times.append(moment + 60)
            shown += some.tolist()
            at += [moment] * 8
    rows = np.repeat(np.arange(people), lists * 8)
    return Histories(
        np.arange(people + 1) * lists, np.array(items), 20, times=np.array(times),
        shown=Shown.of(rows, np.array(shown), people, np.array(at)),
    )  # fmt: skip


def test_the_list_of_an_answer_is_that_of_a_loop() -> None:
    log = shop(12)
    rng = np.random.default_rng(3)
    log = replace(log, times=np.where(rng.random(len(log.items)) < 0.2, log.times + SOON, log.times))
    assert log.shown is not None and log.shown.times is not None and log.times is not None
    asked = np.arange(len(log.items))
    found, moments = lists_of(log, asked)
    assert found is not None
    for event in asked:
        row, mine = log.rows[event], slice(*log.shown.indptr[log.rows[event] : log.rows[event] + 2])
        items, times = log.shown.items[mine], log.shown.times[mine]
        fit = (items == log.items[event]) & (times <= log.times[event]) & (log.times[event] - times <= SOON)
        expected = items[times == times[fit].max()] if fit.any() else items[:0]
        np.testing.assert_array_equal(found.items[found.indptr[event] : found.indptr[event + 1]], expected)
        assert moments[event] == (times[fit].max() if fit.any() else log.times[event])
        before = shown_before(log, np.array([row]), moments[event : event + 1])
        assert before is not None
        np.testing.assert_array_equal(before.items, items[times < moments[event]])


def test_impressions_since_the_last_choice_are_those_of_a_loop() -> None:
    shown = Shown.of(np.array([0, 0, 0, 0, 1]), np.array([1, 2, 1, 1, 1]), 2, np.array([5, 10, 15, 30, 5]))
    given = Histories.from_lists([[1], []], 4, times=[[12], []])
    given = replace(given, shown=shown)
    times = seen_before(given, np.array([0, 0, 0, 1]), np.array([1, 2, 3, 1], np.int32))
    np.testing.assert_allclose(np.expm1(times), [2, 1, 0, 1])
    assert np.isnan(seen_before(replace(given, shown=None), np.array([0]), np.array([1], np.int32))).all()


def test_the_value_of_an_attribute_never_counts_the_item_itself() -> None:
    brands: list[Any] = ["a", "a", "b", None, "c"]
    features = ItemFeatures.from_columns(5, {"brand": brands})
    train = Histories.from_lists([[0, 0, 0, 1], [2, 2, 1], [4, 3]], 5)
    statistics, _ = Statistics.fit(train, features)
    counts, mean = np.bincount(train.items, minlength=5), len(train.items) / 5
    (found,) = encoded(statistics, np.arange(5, dtype=np.int32))
    for item, brand in enumerate(brands):
        others = [counts[j] for j in range(5) if j != item and brands[j] == brand]
        expected = np.log((sum(others) + 2 * mean) / ((len(others) + 2) * mean))
        assert found[item] == pytest.approx(expected, abs=1e-5) if brand else np.isnan(found[item])
    assert found[2] == found[4] == pytest.approx(0, abs=1e-6)  # nothing else has the brand


def test_a_log_with_impressions_is_learned_from_and_places_are_left_out() -> None:
    log = shop()
    model = Ranked(members=["popular"], trees=40, leaves=8, min_rows=5).fit(log, run=Run(threads=1))
    names = [one.name for one in declared(model.statistics, 1, _no_names())]
    assert {"shown.times", "shown.item", "shown.share"} <= {*names}
    lists = Histories(np.array([0, 4]), np.array([1, 3, 4, 6], np.int32), 20)
    worth = model.order(log[:1], lists)
    assert worth[2:].min() > worth[:2].max()
    assert worth.shape == (4,)


def test_earlier_lists_are_asked_of_what_was_before_them() -> None:
    log = shop(40)
    assert log.times is not None and log.shown is not None and log.shown.times is not None
    (late,) = questions(log, folds=4, each=2, rng=np.random.default_rng(0))
    parts = list(earlier_lists(log, each=2))
    assert len(parts) == 3
    for one in parts:
        assert one.lists is not None and one.past.times is not None and one.past.shown is not None
        moments = log.times[one.events]
        assert one.past.times.max() < moments.min()
        assert one.past.shown.times is not None and one.past.shown.times.max() < moments.min()
        assert moments.max() < log.times[late.events].min()
        assert all(answer in one.lists[n : n + 1].items for n, answer in enumerate(one.answers))
    assert not list(earlier_lists(replace(log, shown=None), each=2))


def test_lists_have_weights_of_their_own_that_come_back(tmp_path: Path) -> None:
    """A third of the items is taken whenever it is shown."""
    rng = np.random.default_rng(0)
    good = np.arange(12) % 3 == 0
    items, shown, at, times = [], [], [], []
    for moment in range(400):
        some = rng.permutation(12)[:6]
        taken = some[(good[some] * 1.5 + rng.random(6)).argmax()]
        items.append(taken)
        shown += some.tolist()
        at += [DAY + 600 * moment] * 6
        times.append(DAY + 600 * moment + 5)
    rows = np.repeat(np.arange(400) // 4, 6)
    log = Histories(
        np.arange(101) * 4, np.array(items, np.int32), 12, times=np.array(times),
        shown=Shown.of(rows, np.array(shown), 100, np.array(at)),
    )  # fmt: skip
    model = Ranked(members=["popular"], trees=5, min_rows=20).fit(log, run=Run(threads=1))
    assert model.listed is not None
    every = Histories(np.array([0, 12]), np.arange(12, dtype=np.int32), 12)
    worth = model.order(log[:1], every)
    assert worth[good].min() > worth[~good].max()
    vocab = Vocab([f"i{n}" for n in range(12)])
    Recommender(vocab, model).save(tmp_path / "model")
    again = load(tmp_path / "model").model
    assert isinstance(again, Ranked)
    np.testing.assert_array_equal(again.order(log[:1], every), worth)
    again.listed = worth
    with pytest.raises(FormatError, match="weights of lists"):
        again.check_loaded()
    without = replace(log, shown=None)
    assert Ranked(members=["popular"], trees=5, min_rows=20).fit(without, run=Run(threads=1)).listed is None


def _no_names() -> Any:
    from penchant.ranking.statistics import Names

    return Names([], [])


def test_nothing_that_is_shown_later_is_known() -> None:
    log = shop()
    assert log.shown is not None and log.shown.times is not None and log.times is not None
    (asked,) = questions(log, folds=4, each=2, rng=np.random.default_rng(0))
    assert asked.lists is not None and asked.given.shown is not None and asked.given.shown.times is not None
    assert (asked.given.shown.times < log.times[asked.events][asked.given.shown.rows]).all()
    assert asked.past.shown is not None and asked.past.shown.times.max() <= asked.past.times.max()
    assert all(answer in asked.lists[n : n + 1].items for n, answer in enumerate(asked.answers))


def test_moving_later_impressions_and_events_changes_nothing() -> None:
    log = shop(40)
    colours = ItemFeatures.from_columns(20, {"colour": [f"c{n % 4}" for n in range(20)]})

    def features(one: Histories) -> tuple[Any, np.ndarray]:
        (asked,) = questions(one, folds=4, each=2, rng=np.random.default_rng(0))
        statistics, _ = Statistics.fit(asked.past, colours)
        rows = np.repeat(np.arange(len(asked.answers)), 20)
        items = np.tile(np.arange(20, dtype=np.int32), len(asked.answers))
        table = compute(statistics, Asked(asked.given, rows, items, np.zeros((0, len(rows)), np.float32)))
        return asked, table.reshape(len(asked.answers), 20, -1)

    asked, before = features(log)
    assert log.times is not None and log.shown is not None and log.shown.times is not None
    rng = np.random.default_rng(1)
    for at in (0, 7, len(asked.answers) - 1):
        moment = log.times[asked.events[at]]
        items, shown = log.items.copy(), log.shown.items.copy()
        items[log.times > moment] = rng.permutation(items[log.times > moment])
        shown[log.shown.times > moment] = rng.permutation(shown[log.shown.times > moment])
        _, after = features(replace(log, items=items, shown=replace(log.shown, items=shown)))
        np.testing.assert_array_equal(after[at], before[at])


def test_held_out_cases_are_the_questions_and_members_are_fitted_once() -> None:
    rng = np.random.default_rng(0)
    rows = [rng.permutation(10)[:4].tolist() for _ in range(60)]
    train = Histories.from_lists(rows, 10)
    truth = Histories.from_lists([[i for i in range(10) if i not in row][:2] for row in rows], 10)
    valid = Split("held", train, train, truth)
    posed = cases(train, valid)
    assert len(posed.answers) == 120 and posed.past is train and not posed.repeated.any()
    assert posed.also is not None and all(posed.answers[n] in posed.also.row(n) for n in range(120))
    fitted: list[int] = []

    class Once(Ranked):
        def fresh(self, train: Histories, run: Run, *, tell: bool = False) -> Any:
            fitted.append(len(train))
            return super().fresh(train, run, tell=tell)

    model = Once(members=["popular"], trees=10, min_rows=5).fit(train, valid=valid, run=Run(threads=1))
    assert fitted == [60] and "held-out" in " ".join(model.notes)
