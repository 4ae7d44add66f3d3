"""The second stage: what it is allowed to know, what it learns from contexts, and what it says about it."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

from penchant.core.histories import Floats, Histories
from penchant.core.rank import rank
from penchant.core.run import Run
from penchant.data.read import read_interactions
from penchant.errors import FormatError, MissingExtraError
from penchant.models import registry
from penchant.models.kinds.base import Model, learned
from penchant.models.registry import Registered
from penchant.ranking.features import Asked, compute, declared
from penchant.ranking.questions import questions
from penchant.ranking.ranked import Ranked
from penchant.ranking.statistics import Statistics
from penchant.recommender.recommender import Recommender, load
from penchant.training.fit import fit

DAY = 86_400
FEW: dict[str, Any] = {"members": ["item-knn", "popular"], "trees": 40, "leaves": 8, "min_rows": 5}


def moody(people: int = 150, events: int = 16, seed: int = 0) -> pl.DataFrame:
    """Whoever is sad takes one half of the items, whoever is happy the other, and a tenth do not say."""
    rng = np.random.default_rng(seed)
    told = []
    for person in range(people):
        for n in range(events):
            sad = bool(rng.integers(2))
            item = int(rng.integers(0, 15)) + 15 * sad
            mood = None if rng.random() < 0.1 else "Sad" if sad else "happy"
            time = DAY * 17_000 + person * 31 + n * DAY + int(rng.integers(0, DAY))
            told.append({"user": f"u{person}", "item": f"i{item:02}", "time": time, "mood": mood, "noise": str(n % 3)})
    return pl.DataFrame(told)


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    return fit(read_interactions(moody(), context="mood,noise"), Ranked(**FEW))


def sad_share(ids: list[Any]) -> float:
    return float(np.mean([int(str(item)[1:]) >= 15 for item in ids]))


# -- contexts ---------------------------------------------------------------------------------------------------------


def test_a_stated_mood_turns_the_list_within_one_request(recommender: Recommender) -> None:
    history = ["i01", "i20", "i07", "i22"]
    sad = recommender.recommend(history, 8, context={"mood": "SAD"})
    happy = recommender.recommend(history, 8, context={"mood": "happy"})
    assert sad_share(sad.ids) >= 0.9 and sad_share(happy.ids) <= 0.1
    nothing = recommender.recommend([], 8, context={"mood": "sad"})
    assert sad_share(nothing.ids) >= 0.9 and not nothing.fallback
    assert recommender.recommend([], 8).fallback


def test_an_unknown_mood_is_none_to_the_bit(recommender: Recommender) -> None:
    none = recommender.recommend(["i01", "i20"], 8)
    for said in ({"mood": "hangry"}, {"mood": ""}, {"hat": "red"}, {}):
        other = recommender.recommend(["i01", "i20"], 8, context=said)
        assert [(one.item, one.score) for one in other] == [(one.item, one.score) for one in none]


def test_reasons_add_up_and_name_the_mood(recommender: Recommender) -> None:
    answer = recommender.recommend(["i01", "i20", "i07"], 5, context={"mood": "sad"}, why=True)
    for one in answer:
        assert one.why is not None and one.why.method == "exact"
        total = one.why.base + sum(reason.contribution for reason in one.why.reasons)
        assert total == pytest.approx(one.score, abs=1e-5)
    assert any("mood = sad" in reason.words for reason in answer[0].why.reasons[:2])
    assert "mood = sad" in str(answer)
    document = json.loads(json.dumps(answer.to_json()))
    assert {"name", "words", "contribution"} == set(document["items"][0]["why"]["reasons"][0])
    words = [reason.words for one in answer for reason in one.why.reasons]  # type: ignore[union-attr]
    assert any("item-knn" in said for said in words) or any("popular scores it" in said for said in words)
    unsaid = recommender.explain(["i01", "i20", "i07"], "i16")
    assert all("mood =" not in reason.words for reason in unsaid.why.reasons)


def test_what_is_saved_answers_alike(recommender: Recommender, tmp_path: Path) -> None:
    recommender.save(tmp_path / "model")
    again = load(tmp_path / "model")
    for said in (None, {"mood": "sad"}, {"mood": "happy", "noise": "1"}):
        one, two = (r.recommend(["i01", "i20"], 8, context=said) for r in (recommender, again))
        assert [(x.item, x.score) for x in one] == [(x.item, x.score) for x in two]
    assert again.version == recommender.version
    assert (tmp_path / "model" / "ranker.txt").read_bytes().startswith(b"tree\n")


def test_trees_over_other_features_are_refused(recommender: Recommender, tmp_path: Path) -> None:
    model = recommender.model
    assert isinstance(model, Ranked)
    for old, new in ((b"history.times", b"history.often"), (b"context.0.own", b"context.1.own"), (b"item.days ", b"")):
        other_model = copy.copy(model)
        other = Recommender(recommender.vocab, other_model, recommender.recipe)
        other_model.assets = {"ranker.txt": model.assets["ranker.txt"].replace(old, new, 1)}
        other.save(tmp_path / "other", force=True)
        with pytest.raises(FormatError):
            load(tmp_path / "other")


def test_without_lightgbm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, recommender: Recommender) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    with pytest.raises(MissingExtraError, match=r"penchant\[rank\]"):
        fit(read_interactions(moody(60), context="mood"), Ranked(**FEW))
    assert recommender.recommend(["i01"], 3, context={"mood": "sad"}).ids  # answers need no LightGBM


# -- nothing from the future ------------------------------------------------------------------------------------------


def tables(log: Histories) -> tuple[Any, Floats]:
    """The questions of a log, and the features of every item for each."""
    (asked,) = questions(log, folds=4, each=3, rng=np.random.default_rng(0))
    statistics, names = Statistics.fit(asked.past, None)
    pairs = len(asked.answers) * log.n_items
    rows = np.repeat(np.arange(len(asked.answers)), log.n_items)
    items = np.tile(np.arange(log.n_items, dtype=np.int32), len(asked.answers))
    table = compute(statistics, Asked(asked.given, rows, items, np.zeros((0, pairs), np.float32)))
    assert table.shape == (pairs, len(declared(statistics, 0, names)))
    return asked, table.reshape(len(asked.answers), log.n_items, -1)


def test_moving_later_events_changes_nothing() -> None:
    log = read_interactions(moody(80), context="mood,noise").histories()
    before, features = tables(log)
    assert log.times is not None and log.context is not None
    rng = np.random.default_rng(1)
    for at in rng.choice(len(before.answers), 12, replace=False):
        moment = log.times[before.events[at]]
        later = log.times > moment  # of everybody
        items, context = log.items.copy(), log.context.copy()
        items[later] = rng.permutation(items[later])
        context[later] = rng.integers(-1, 2, context[later].shape)
        after, changed = tables(replace(log, items=items, context=context))
        same = int(np.flatnonzero(after.events == before.events[at])[0])
        np.testing.assert_array_equal(changed[same], features[at])


def test_no_question_is_in_the_past_that_answers_it() -> None:
    log = read_interactions(moody(80), context="mood").histories()
    (asked,) = questions(log, folds=4, each=3, rng=np.random.default_rng(0))
    assert asked.past.times.max() < log.times[asked.events].min()
    unordered = replace(log, times=None, ordered=False)
    every = list(questions(unordered, folds=4, each=3, rng=np.random.default_rng(0)))
    assert sorted(np.concatenate([one.events for one in every])) == list(range(len(log.items)))
    for one in every:
        assert len(one.past.items) + len(one.events) == len(log.items)
        counts = np.bincount(log.items, minlength=log.n_items) - np.bincount(one.answers, minlength=log.n_items)
        np.testing.assert_array_equal(np.bincount(one.past.items, minlength=log.n_items), counts)
    positions = replace(log, times=None)
    (last,) = questions(positions, folds=4, each=1, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(last.events, log.indptr[1:] - 1)
    np.testing.assert_array_equal(last.given.items, last.past.items)


class Memory(Model):
    """Knows every training history by heart, and nothing else."""

    name: ClassVar[str] = "memory"
    kept: np.ndarray = learned()

    def _fit(self, train: Histories, valid: Any, run: Run) -> None:
        self.kept = np.zeros((len(train), train.n_items), dtype=np.float32)
        self.kept[train.rows, train.items] = 1

    def _score(self, given: Histories) -> Floats:
        mine = np.zeros((len(given), given.n_items), dtype=np.float32)
        mine[given.rows, given.items] = 1
        inside = (mine @ self.kept.T == mine.sum(axis=1, keepdims=True)) & (mine.sum(axis=1, keepdims=True) > 3)
        return np.asarray((inside.astype(np.float32) @ self.kept > 0).astype(np.float32) * (1 - mine))


@pytest.mark.parametrize("ordered", [True, False])
def test_a_member_that_memorises_gains_nothing(ordered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.MODELS, "memory", Registered(__name__, "Memory", ""))
    log = read_interactions(moody(200), context="mood").histories()
    log = replace(log, times=None, ordered=ordered)
    model = Ranked(**{**FEW, "members": ["popular", "memory"]}).fit(log, run=Run(threads=1))
    # everybody's last event is known by heart: a memory that was trusted would find it
    assert log.context is not None
    last = log.indptr[1:] - 1
    given = replace(log.where(~np.isin(np.arange(len(log.items)), last)), asked=log.context[last])
    knows = model.members[1].score(given)
    memory = [at for at, name in enumerate(model.forest.names) if name.startswith("member.1.")]
    assert (knows[np.arange(len(given)), log.items[last]] > 0).mean() > 0.5
    asked, _ = model._asked(given, np.arange(30, dtype=np.int32))
    _, added = model.contributions(model.look(model.statistics, asked))
    assert np.abs(added[:, memory]).sum() < 0.05 * np.abs(added).sum()


def test_shuffled_answers_teach_nothing() -> None:
    log = read_interactions(moody(200), context="mood").histories()
    shuffled = replace(log, context=np.random.default_rng(0).permutation(log.context))
    train, last = shuffled.where(~np.isin(np.arange(len(log.items)), log.indptr[1:] - 1)), log.indptr[1:] - 1
    model = Ranked(**FEW).fit(train, run=Run(threads=1))
    given = replace(train, asked=log.context[last])
    hits = (rank(model, given, 5, repeat=True).items == log.items[last][:, None]).any(axis=1).mean()
    assert hits < 0.30  # five of thirty items; a tenth more for luck
    honest = Ranked(**FEW).fit(log.where(~np.isin(np.arange(len(log.items)), last)), run=Run(threads=1))
    there = (rank(honest, given, 5, repeat=True).items == log.items[last][:, None]).any(axis=1).mean()
    assert there > hits + 0.08


def test_a_folder_of_before_the_later_features_is_still_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Statistics.fit.__func__  # type: ignore[attr-defined]

    def of_before(cls: Any, *about: Any) -> Any:
        statistics, names = whole(cls, *about)
        statistics.more = None
        return statistics, names

    with monkeypatch.context() as patch:
        patch.setattr(Statistics, "fit", classmethod(of_before))
        old = fit(read_interactions(moody(40), context="mood"), Ranked(**FEW))
    old.model.lead = None  # type: ignore[attr-defined]
    old.save(tmp_path / "old")
    assert "age.off" not in old.model.forest.names  # type: ignore[attr-defined]
    one, two = (r.recommend(["i01", "i20"], 5, context={"mood": "sad"}) for r in (old, load(tmp_path / "old")))
    assert [(x.item, x.score) for x in one] == [(x.item, x.score) for x in two]
