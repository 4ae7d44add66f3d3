"""What a recommender promises to whoever asks: ids in, ids out, nothing seen, reasons that add up."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pc
from penchant.core.histories import Histories
from penchant.data.catalog import Catalog
from penchant.data.interactions import Interactions
from penchant.data.recipe import Recipe
from penchant.data.vocab import Vocab
from penchant.errors import DataError, InputError, ParameterError, ScoreError, UnknownItemError
from penchant.models.item_knn import ItemKNN
from penchant.models.popular import Popular
from penchant.recommender.recommender import Recommender

ITEMS, USERS = 23, 60
settings.register_profile("recommender", deadline=None, max_examples=60)
settings.load_profile("recommender")


def make_log(
    *, values_are: str = "none", integers: bool = False, dislikes: bool = False, seed: int = 3
) -> Interactions:
    """A log of ``USERS`` people with tastes: items of one third of the catalogue go together."""
    rng = np.random.default_rng(seed)
    users, items = [], []
    for user in range(USERS):
        third = user % 3
        pool = np.arange(third, ITEMS, 3)
        chosen = rng.choice(pool, size=min(len(pool), int(rng.integers(3, 7))), replace=False).tolist()
        chosen += rng.choice(ITEMS, size=1).tolist()
        users += [user] * len(chosen)
        items += chosen
    values = None
    if values_are == "rating":
        values = rng.integers(1, 6, len(items)).astype(np.float32)
    elif values_are == "weight":
        values = rng.choice([-1.0, 1.0, 3.0] if dislikes else [1.0, 3.0], len(items)).astype(np.float32)
    ids = [str(100 + 7 * n) if integers else f"item {n:02d}" for n in range(ITEMS)]
    return Interactions(
        Vocab(ids, integers=integers),
        [f"u{n}" for n in range(USERS)],
        np.array(users, np.int32),
        np.array(items, np.int32),
        values=values,
        values_are=values_are,
        times=np.arange(len(items), dtype=np.int64) * 3600,
        recipe=Recipe(kinds={"dislike": -1, "like": 3} if values_are == "weight" else {}, values_are=values_are),
    )


@pytest.fixture(scope="module")
def log() -> Interactions:
    return make_log()


@pytest.fixture(scope="module")
def rec(log: Interactions) -> Recommender:
    catalog = Catalog(log.vocab, [f"The film number {n}" if n % 4 else None for n in range(ITEMS)])
    return pc.fit(log, ItemKNN(neighbours=9, shrink=1.0), catalog=catalog)


@pytest.fixture(scope="module")
def weighted() -> Recommender:
    return pc.fit(make_log(values_are="weight", dislikes=True), ItemKNN(neighbours=None))


histories = st.lists(st.integers(0, ITEMS - 1), max_size=8)
ks = st.integers(1, 40)


# -- lists ------------------------------------------------------------------------------------------------------------


@given(items=histories, k=ks, repeat=st.booleans())
def test_a_list_is_what_it_says(rec: Recommender, items: list[int], k: int, repeat: bool) -> None:
    answer = rec.recommend([f"item {n:02d}" for n in items], k, repeat=repeat)
    scores = [entry.score for entry in answer]
    assert scores == sorted(scores, reverse=True)
    assert len(set(answer.ids)) == len(answer) == min(k, ITEMS if repeat else ITEMS - len(set(items)))
    assert repeat or not set(answer.ids) & {f"item {n:02d}" for n in items}
    assert answer.ids == rec.recommend([f"item {n:02d}" for n in items], k, repeat=repeat).ids


@given(items=histories)
def test_a_longer_list_begins_with_the_shorter(rec: Recommender, items: list[int]) -> None:
    history = [f"item {n:02d}" for n in items]
    assert rec.recommend(history, 4).ids == rec.recommend(history, 12).ids[:4]


def test_similar_items_leave_out_what_is_excluded_or_not_allowed(rec: Recommender) -> None:
    every = rec.similar("item 03", ITEMS).ids
    assert len(every) > 4 and "item 03" not in every
    left = rec.similar("item 03", ITEMS, exclude=[every[0], every[2], "unknown"]).ids
    assert left == [item_id for item_id in every if item_id not in (every[0], every[2])]
    assert rec.similar("item 03", ITEMS, allow=every[1:3]).ids == every[1:3]
    assert rec.similar("item 03", 1, exclude=every[:1]).ids == every[1:2]


def test_similarities_that_are_not_numbers_are_refused_by_name(log: Interactions) -> None:
    class Broken(Popular):
        def similar(self, item: int) -> np.ndarray:
            return np.full(ITEMS, np.nan, np.float32)

    with pytest.raises(ScoreError, match=r"^popular: "):
        pc.fit(log, Broken()).similar("item 01")


@pytest.mark.parametrize("k", [0, -1, 1.5, "3", True, None])
def test_k_is_a_whole_number_from_one(rec: Recommender, k: object) -> None:
    for ask in (rec.recommend, rec.recommend_all):
        with pytest.raises(ParameterError, match="k must be"):
            list(ask(["item 01"] if ask == rec.recommend else make_log(), k))
    with pytest.raises(ParameterError, match="k must be"):
        rec.similar("item 01", k)


def test_k_above_the_catalogue_gives_all(rec: Recommender) -> None:
    assert len(rec.recommend(["item 01", "item 02"], 10_000)) == ITEMS - 2
    assert len(rec.recommend([], 10_000)) == ITEMS


def test_an_empty_history_gets_the_popularity_list_and_is_told(rec: Recommender) -> None:
    answer = rec.recommend([], 5)
    assert answer.fallback
    counts = rec.item_counts
    order = sorted(range(ITEMS), key=lambda item: (-counts[item], item))
    assert answer.ids == [f"item {item:02d}" for item in order[:5]]
    assert not rec.recommend(["item 01", "item 04"], 5).fallback


def test_unknown_ids_are_left_out_and_reported_once(rec: Recommender) -> None:
    answer = rec.recommend(["item 01", "nobody", "item 04", 7, "nobody"], 5)
    assert answer.unknown == ["nobody", "7"]
    assert answer.ids == rec.recommend(["item 01", "item 04"], 5).ids
    assert rec.recommend(["nobody"], 5).fallback


def test_exclude_and_allow(rec: Recommender) -> None:
    history = ["item 00", "item 03"]
    best = rec.recommend(history, 3).ids
    assert best[0] not in rec.recommend(history, 30, exclude=[best[0], "unknown"]).ids
    assert rec.recommend(history, 30, allow=best[1:]).ids == best[1:]
    mask = np.zeros(ITEMS, dtype=np.bool_)
    mask[7] = True
    assert rec.recommend(history, 30, allow=mask).ids == ["item 07"]
    assert len(rec.recommend(history, 30, allow=[])) == 0
    assert mask.sum() == 1  # the caller's mask is not written to
    with pytest.raises(ParameterError, match="list of ids"):
        rec.recommend(history, exclude="item 01")
    with pytest.raises(ParameterError, match="mask over"):
        rec.recommend(history, allow=np.ones(3, dtype=np.bool_))


def test_what_cannot_be_had_is_not_recommended(log: Interactions, rec: Recommender) -> None:
    available = np.ones(ITEMS, dtype=np.bool_)
    top = rec.recommend(["item 00"], 1).ids[0]
    available[log.vocab.index(top)] = False
    catalog = Catalog(log.vocab, [None] * ITEMS, available=available)
    shop = Recommender(log.vocab, rec.model, rec.recipe, catalog)
    assert top not in shop.recommend(["item 00"], 99).ids
    assert top not in shop.similar("item 00", 99).ids
    assert all(top not in answer.ids for answer in shop.recommend_all(log, 99))
    assert shop.recommend(["item 00"], 2, exclude=["item 04"]).ids == rec.recommend(["item 00"], 4).ids[1:3]
    assert available.sum() == ITEMS - 1


# -- histories --------------------------------------------------------------------------------------------------------


def test_ids_pairs_events_and_histories_mean_the_same(rec: Recommender) -> None:
    plain = rec.recommend(["item 01", "item 05"], 6)
    assert rec.recommend([("item 01", 2), ("item 05", None)], 6).ids == plain.ids
    events = [{"item": "item 05", "time": 900}, {"item": "item 01", "time": "1970-01-01T00:01:00+00:00"}]
    assert rec.recommend(events, 6).ids == plain.ids
    assert rec.recommend(Histories.from_lists([[1, 5]], ITEMS), 6).ids == plain.ids
    assert rec.recommend(iter(["item 01", "item 05"]), 6).ids == plain.ids


def test_events_with_times_are_put_in_order(rec: Recommender) -> None:
    moment = datetime(2020, 1, 2, tzinfo=UTC)
    events = [{"item": "item 05", "time": moment}, {"item": "item 01", "time": "2020-01-01"}, {"item": 99, "time": 5}]
    given, unknown = rec.histories(events)
    assert given.row(0).tolist() == [1, 5]
    assert given.times.tolist() == [1577836800, 1577923200]
    assert unknown == ["99"]
    last, _ = rec.histories(["item 03", *events])  # as in a log, an event without a time comes last
    assert last.row(0).tolist() == [1, 5, 3] and last.times.tolist() == [1577836800, 1577923200, 1577923200]
    assert rec.histories(events, now=1_600_000_000)[0].now.tolist() == [1_600_000_000]


@pytest.mark.parametrize(
    ("history", "says"),
    [
        ("item 01", "list of ids"),
        ({"item": "item 01"}, "list of ids"),
        (7, "list of ids"),
        ([("item 01", 1, 2)], r"\(id, value\)"),
        ([{"kind": "view"}], "names no item"),
        ([{"item": "item 01", "wheight": 3}], "wheight"),
        ([("item 01", float("nan"))], "finite"),
        ([("item 01", "many")], "finite"),
        ([{"item": "item 01", "time": "yesterday"}], "ISO-8601"),
        ([{"item": "item 01", "time": float("inf")}], "finite"),
        ([{"item": "item 01", "time": 1e300}], "unix seconds"),
    ],
)
def test_what_is_no_history_is_refused(rec: Recommender, history: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        rec.recommend(history)


def test_histories_over_other_items_are_refused(rec: Recommender) -> None:
    for wrong in (Histories.from_lists([[1]], ITEMS + 1), Histories.from_lists([[1], [2]], ITEMS)):
        with pytest.raises(ParameterError, match="one row over"):
            rec.recommend(wrong)


def test_an_id_without_a_rating_counts_as_liked() -> None:
    log = make_log(values_are="rating")
    rec = pc.fit(log, ItemKNN())
    typical = rec.fitted_on["typical_rating"]
    assert typical == pytest.approx(np.mean(log.histories().values), abs=1e-3)
    given, _ = rec.histories(["item 01", ("item 02", 1.0)])
    assert list(given.values) == pytest.approx([typical, 1.0])
    strict = Recommender(log.vocab, rec.model, Recipe(positive="value>=4.5", values_are="rating"), None, rec.fitted_on)
    given, _ = strict.histories(["item 01", ("item 02", 1.0), ("item 03", 5.0)])
    assert given.liked.tolist() == [True, False, True]


# -- dislikes ---------------------------------------------------------------------------------------------------------


@given(likes=histories, hates=st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=3, unique=True))
def test_dislikes_are_excluded_and_subtracted(weighted: Recommender, likes: list[int], hates: list[int]) -> None:
    history = [{"item": f"item {n:02d}", "kind": "like"} for n in likes]
    history += [{"item": f"item {n:02d}", "kind": "dislike"} for n in hates]
    answer = weighted.recommend(history, ITEMS, repeat=True)
    up = Histories.from_lists([likes], ITEMS, values=[[3.0] * len(likes)], values_are="weight")
    down = Histories.from_lists([hates], ITEMS, values=[[1.0] * len(hates)], values_are="weight")
    # a like that is repeated more often than in training counts as often as there
    net = weighted.model.score(weighted.recipe.bounded(up))[0] - weighted.model.score(down)[0]
    assert len(answer) == ITEMS - len(hates)
    for entry in answer:
        assert entry.item not in {f"item {n:02d}" for n in hates}
        assert entry.score == net[weighted.vocab.index(entry.item)]


def test_a_dislike_that_was_taken_back_counts_no_more(weighted: Recommender) -> None:
    events = [{"item": "item 01", "kind": "dislike"}, {"item": "item 01", "kind": "like"}]
    assert "item 01" in weighted.recommend(events, ITEMS, repeat=True).ids
    assert "item 01" not in weighted.recommend(events[::-1], ITEMS, repeat=True).ids


@given(rows=st.lists(st.tuples(st.integers(0, ITEMS - 1), st.sampled_from(["like", "dislike", "view"])), max_size=9))
def test_reasons_add_up_to_the_score(weighted: Recommender, rows: list[tuple[int, str]]) -> None:
    history = [{"item": f"item {n:02d}", "kind": kind} for n, kind in rows]
    for entry in weighted.recommend(history, 6, why=True):
        assert entry.why.method == "exact"
        assert entry.why.base + sum(p.contribution for p in entry.why.parts) == pytest.approx(entry.score, abs=1e-4)
        contributions = [part.contribution for part in entry.why.parts]
        assert contributions == sorted(contributions, reverse=True)
        told = weighted.explain(history, entry.item)
        assert (told.item, told.why) == (entry.item, entry.why)
        assert told.score == pytest.approx(entry.score, abs=1e-4)


def test_reasons_of_a_model_without_a_sum_leave_one_event_out(log: Interactions) -> None:
    class Squares(Popular):
        def _score(self, given: Histories) -> np.ndarray:
            return np.stack([np.full(ITEMS, float(given.row(r).sum()) ** 2, np.float32) for r in range(len(given))])

    rec = Recommender(log.vocab, Squares().fit(log.histories()))
    (entry,) = rec.recommend(["item 02", "item 03"], 1, why=True)
    assert entry.why.method == "leave-one-out"
    assert [(p.item, p.contribution) for p in entry.why.parts] == [("item 03", 25.0 - 4.0), ("item 02", 25.0 - 9.0)]


# -- similar, explain -------------------------------------------------------------------------------------------------


def test_similar_items_share_people(rec: Recommender) -> None:
    answer = rec.similar("item 00", 5)
    assert "item 00" not in answer.ids
    assert all(entry.score > 0 for entry in answer)
    assert sum(int(item_id[5:]) % 3 == 0 for item_id in answer.ids) >= 3
    for ask in (lambda: rec.similar("nobody"), lambda: rec.explain([], "nobody")):
        with pytest.raises(UnknownItemError, match="nobody"):
            ask()


def test_titles_and_ids_come_back(rec: Recommender) -> None:
    for entry in rec.recommend(["item 00", "item 03"], 8, why=True):
        number = int(entry.item[5:])
        assert entry.title == (f"The film number {number}" if number % 4 else None)
        assert entry.label == (entry.title or entry.item)
        assert {part.item for part in entry.why.parts} <= {"item 00", "item 03"}
    assert rec.catalog.find("NUMBER 11") == [("item 11", "The film number 11")]


def test_integer_ids_come_back_as_integers_and_as_text_in_json() -> None:
    rec = pc.fit(make_log(integers=True), "item-knn:neighbours=5")
    answer = rec.recommend([100, "107", 114.0], 4, why=True)
    assert answer.unknown == []
    assert all(type(item) is int for item in answer.ids)
    document = json.loads(json.dumps(answer.to_json()))
    assert [entry["item"] for entry in document["items"]] == [str(item) for item in answer.ids]
    assert all(isinstance(part["item"], str) for entry in document["items"] for part in entry["why"]["parts"])
    assert answer.to_frame().schema["item"] == pl.Int64


# -- conversions ------------------------------------------------------------------------------------------------------


def test_the_json_is_that_of_the_definitions(rec: Recommender) -> None:
    document = rec.recommend(["item 01", "nobody"], 2, why=True).to_json()
    assert list(document) == ["user", "items", "fallback", "unknown", "model"]
    assert list(document["items"][0]) == ["item", "title", "score", "why"]
    assert list(document["items"][0]["why"]) == ["method", "base", "parts"]
    assert list(document["items"][0]["why"]["parts"][0]) == ["item", "title", "contribution"]
    assert document["model"] == {"name": "item-knn", "version": rec.version}
    assert document["user"] is None
    assert document["unknown"] == ["nobody"]
    assert "why" not in rec.recommend(["item 01"], 2).to_json()["items"][0]


def test_recommendations_print_and_convert(rec: Recommender) -> None:
    answer = rec.recommend(["item 01", "item 04", "nobody"], 5, why=True)
    text = str(answer)
    assert text == repr(answer)
    assert all(entry.label in text for entry in answer)
    assert "nobody" in text
    assert "popularity list" in str(rec.recommend([]))
    frame, table, rows = answer.to_frame(), answer.to_pandas(), answer.to_list()
    assert frame["item"].to_list() == answer.ids == list(table["item"]) == [row["item"] for row in rows]
    assert frame["rank"].to_list() == [1, 2, 3, 4, 5]
    assert isinstance(table, pd.DataFrame)
    assert answer[0] == next(iter(answer))
    assert answer[:2] == list(answer)[:2]
    empty = rec.recommend([], allow=[])
    assert empty.to_frame().shape == (0, 4)
    assert list(empty.to_pandas().columns) == ["rank", "item", "title", "score"]


# -- whole logs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values_are", ["none", "weight"])
@pytest.mark.parametrize("memory", [1, 2**28])
def test_all_users_get_what_each_would_alone(values_are: str, memory: int) -> None:
    log = make_log(values_are=values_are, dislikes=True)
    rec = pc.fit(log, ItemKNN(neighbours=None))
    together = list(rec.recommend_all(log, 7, memory=memory))
    assert [answer.user for answer in together] == log.user_ids
    for answer in together:
        given, _ = rec.translation.of_user(log, answer.user)
        alone = rec.recommend(given, 7)
        assert alone.ids == answer.ids
        assert [entry.score for entry in alone] == [entry.score for entry in answer]


def test_a_log_with_other_items_is_translated(rec: Recommender, log: Interactions) -> None:
    other = Interactions(
        Vocab(["strange", "item 05", "item 01"]),
        ["a", "b"],
        np.array([0, 0, 0, 1], np.int32),
        np.array([1, 0, 2, 0], np.int32),
    )
    first, second = rec.recommend_all(other, 6)
    assert first.unknown == second.unknown == ["strange"]
    assert first.ids == rec.recommend(["item 05", "item 01"], 6).ids
    assert second.fallback
    given, unknown = rec.translation.of_user(other, "a")
    assert (given.row(0).tolist(), unknown) == ([5, 1], ["strange"])
    with pytest.raises(InputError, match="no user"):
        rec.translation.of_user(other, "nobody")


@pytest.mark.parametrize("memory", [1, 2**28])
def test_lists_are_written_as_parquet_and_jsonl(rec: Recommender, log: Interactions, tmp_path, memory: int) -> None:
    reports: list[tuple[str, int, int]] = []
    expected = list(rec.recommend_all(log, 4))
    for name in ("lists.jsonl", "lists.parquet"):
        users = rec.write_all(
            log, tmp_path / "new" / name, 4, memory=memory, progress=lambda *told: reports.append(told)
        )
        assert users == USERS
    lines = (tmp_path / "new" / "lists.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [answer.to_json() for answer in expected]
    frame = pl.read_parquet(tmp_path / "new" / "lists.parquet")
    assert frame.columns == ["user", "rank", "item", "title", "score", "fallback"]
    assert frame["user"].to_list() == [answer.user for answer in expected for _ in answer]
    assert frame["item"].to_list() == [item for answer in expected for item in answer.ids]
    assert frame["title"].to_list() == [entry.title for answer in expected for entry in answer]
    assert reports[-1] == ("recommending", USERS, USERS)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["lists.jsonl", "lists.parquet"]
    with pytest.raises(ParameterError, match=r"parquet, \.jsonl or \.csv"):
        rec.write_all(log, tmp_path / "lists.txt")


def test_an_empty_log_gives_an_empty_file(rec: Recommender, tmp_path) -> None:
    nobody = Interactions(rec.vocab, [], np.empty(0, np.int32), np.empty(0, np.int32))
    assert rec.write_all(nobody, tmp_path / "none.parquet") == 0
    assert pl.read_parquet(tmp_path / "none.parquet").height == 0


# -- fitting ----------------------------------------------------------------------------------------------------------


def test_fit_leaves_test_rows_out_and_says_so(log: Interactions) -> None:
    parts = np.array(["train", "test", "valid", "0"])[np.arange(len(log)) % 4]
    split = Interactions(log.vocab, log.user_ids, log.users, log.items, times=log.times, parts=parts)
    rec = pc.fit(split, Popular())
    assert rec.fitted_on["test_rows_left_out"] == int((parts == "test").sum())
    assert rec.fitted_on["events"] == int((parts != "test").sum())
    assert rec.item_counts.sum() == split.where(parts != "test").histories().counts().sum()
    alone = Interactions(log.vocab, log.user_ids, log.users, log.items, parts=np.full(len(log), "test"))
    with pytest.raises(DataError, match="no training rows"):
        pc.fit(alone, Popular())


def test_fit_refuses_a_catalogue_of_other_items(log: Interactions) -> None:
    with pytest.raises(DataError, match="number them differently"):
        pc.fit(log, Popular(), catalog=Catalog.empty(Vocab(["a", "b"])))


@pytest.mark.parametrize("events", [[(0, 0)], [(0, 0), (0, 1)], [(0, 0), (1, 0), (2, 0)]])
@pytest.mark.parametrize("model", ["popular", "item-knn"])
def test_one_user_or_one_item_is_enough(events: list[tuple[int, int]], model: str) -> None:
    users, items = np.array(events, np.int32).T
    vocab = Vocab([f"i{n}" for n in range(items.max() + 1)])
    rec = pc.fit(Interactions(vocab, [f"u{n}" for n in range(users.max() + 1)], users, items), model)
    assert rec.recommend([], 10).ids[0] == "i0"
    assert rec.recommend(["i0"], 10).ids == vocab.ids[1:]
    assert len(rec.similar("i0", 3)) <= len(vocab) - 1


def test_the_version_names_the_content(log: Interactions) -> None:
    one, same = pc.fit(log, ItemKNN(neighbours=5)), pc.fit(log, "item-knn:neighbours=5")
    assert one.version == same.version
    assert len(one.version) == 12
    assert pc.fit(log, ItemKNN(neighbours=6)).version != one.version
    other = Recommender(one.vocab, one.model, Recipe(kinds={"view": 2.0}))
    assert other.version != one.version
    with pytest.raises(DataError, match="vocabulary"):
        Recommender(Vocab(["a"]), one.model)


def test_saving_finds_the_version_that_was_not_asked_for(log: Interactions, tmp_path: Path) -> None:
    for number, model in enumerate((ItemKNN(), pc.Blend(members=[pc.Popular(), ItemKNN()]))):
        made = pc.fit(log, model)
        asked = Recommender(made.vocab, made.model, made.recipe).version
        made.save(tmp_path / str(number))
        assert vars(made)["version"] == asked == pc.load(tmp_path / str(number)).version


def test_an_explanation_prints_as_a_table(rec: Recommender) -> None:
    told = rec.explain(["item 00", "item 03"], "item 06")
    text = str(told)
    assert text.startswith(f"{told.label}: score ")
    assert "because of" in text and "contributes" in text and "█" in text
    assert all(part.label in text for part in told.why.parts)
    bare = rec.recommend(["item 00"], 1)[0]
    assert str(bare) == f"{bare.label}: score {bare.score:.4g}"


def test_the_popularity_list_follows_the_counts_of_now_although_their_order_is_kept() -> None:
    model = ItemKNN().fit(Histories.from_lists([[0], [0, 1], [2, 0], [1, 2], [1]], 3))
    rec = Recommender(Vocab(["x", "y", "z"]), model)
    assert [str(one.item) for one in rec.recommend([], k=3).items] == ["x", "y", "z"]
    model.fit(Histories.from_lists([[2], [2, 1], [2, 1, 0]], 3))
    assert [str(one.item) for one in rec.recommend([], k=3).items] == ["z", "y", "x"]


@pytest.mark.parametrize("log", [None, pl.DataFrame({"user": ["a"], "item": ["x"]})])
def test_what_is_no_log_is_told_how_to_become_one(log: object) -> None:
    with pytest.raises(DataError, match="read_interactions"):
        pc.fit(log, "als")  # type: ignore[arg-type]  # that is the point


def test_a_class_is_no_model() -> None:
    log = pc.read_interactions(pl.DataFrame({"user": ["a"], "item": ["x"]}))
    with pytest.raises(ParameterError, match="Popular is a class"):
        pc.fit(log, Popular)  # type: ignore[arg-type]  # that is the point


def test_a_budget_beside_a_model_is_refused(log: Interactions) -> None:
    with pytest.raises(ParameterError, match="no model is given"):
        pc.fit(log, "als", budget=3)
    with pytest.raises(ParameterError, match="no model is given"):
        pc.fit(log, pc.choose(log, budget=1e-6), budget=60)
    assert pc.fit(log, budget=1e-6).fitted_on["choice"]["budget"] == 1e-6


def test_a_device_that_the_model_does_not_use_is_said(log: Interactions) -> None:
    for model in ("popular", pc.Blend(members=[Popular(), ItemKNN(neighbours=3)])):
        said = pc.fit(log, model, run=pc.Run(device="cuda")).fitted_on["notes"][-1]
        assert "was fitted on the CPU" in said and "'cuda'" in said
    assert pc.fit(log, "popular").fitted_on["notes"] == []
    assert pc.Blend(members=[Popular(), pc.MultVAE()]).uses_device


def test_a_recommendation_without_a_reason_says_so(log: Interactions) -> None:
    table = str(pc.fit(log, "popular").recommend(["item 00"], 3, why=True))
    assert table.count("nothing in the history") == 3
    assert "nothing in the history" not in str(pc.fit(log, ItemKNN()).recommend(["item 00"], 1, why=True))


def test_similar_items_end_where_nothing_is_similar() -> None:
    train = Histories.from_lists([[0, 1], [0, 1], [2]], 3)
    rec = Recommender(Vocab(["a", "b", "c"]), pc.ItemKNN(half_life=None).fit(train))
    assert rec.rank_similar(0, 3).items.tolist() == [[1, -1, -1]]


def test_an_array_of_ids_is_one_list_of_them() -> None:
    train = Histories.from_lists([[0, 1], [0, 1], [2]], 3)
    rec = Recommender(Vocab(["a", "b", "c"]), pc.Popular().fit(train))
    assert rec.recommend([], 3, exclude=np.array(["a", "b"])).ids == ["c"]
    with pytest.raises(ParameterError, match="exclude"):
        rec.recommend([], 3, exclude=np.array([["a"], ["b"]]))


def test_a_folder_says_when_it_was_made_with_a_zone(tmp_path) -> None:
    rec = Recommender(Vocab(["a"]), pc.Popular().fit(Histories.from_lists([[0]], 1)))
    rec.save(tmp_path / "model")
    assert json.loads((tmp_path / "model" / "manifest.json").read_text())["created"].endswith("+00:00")


def test_a_blend_remembers_what_its_members_remember(log: Interactions) -> None:
    quiet, loud = (pc.Blend(members=[Popular(), member]) for member in (pc.ItemKNN(), pc.UserKNN()))
    assert pc.fit(log, quiet).remembering is None
    assert pc.fit(log, loud).remembering == "user-knn"
