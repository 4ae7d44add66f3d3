"""New items of a two-tower model: vectors by what they are, without training."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

import penchant as pc
from penchant.core.item_features import ItemFeatures
from penchant.errors import DataError, ParameterError
from tests.models.neural.small_logs_of_walks import ONE, small

KINDS = ("tea", "jam", "ink")
ITEMS = 24


def shelf(n_items: int, **more: Any) -> pl.DataFrame:
    """Items of three kinds in turn, and one number that says the same."""
    return pl.DataFrame({
        "item": [f"i{n}" for n in range(n_items)], "kind": [KINDS[n % 3] for n in range(n_items)], **more,
    })  # fmt: skip


@pytest.fixture(scope="module")
def rec() -> pc.Recommender:
    """Everybody keeps to one kind."""
    rng = np.random.default_rng(0)
    rows = [(user, f"i{3 * int(n) + user % 3}") for user in range(90) for n in rng.permutation(ITEMS // 3)[:5]]
    log = pc.read_interactions(pl.DataFrame(rows, schema=["user", "item"], orient="row"))
    catalog = pc.Catalog.read(shelf(ITEMS), log.vocab)
    model = small("two-tower", epochs=25, rate=0.03, cold=0.5)
    return pc.fit(log, model, catalog=catalog, run=ONE)


def copy(rec: pc.Recommender, tmp_path: Any) -> pc.Recommender:
    rec.save(tmp_path / "before")
    return pc.load(tmp_path / "before")


def test_new_items_are_recommended_to_those_who_like_their_kind(rec: pc.Recommender, tmp_path: Any) -> None:
    old, grown = copy(rec, tmp_path), copy(rec, tmp_path / "other")
    assert grown.extend(shelf(ITEMS + 6)) == [f"i{n}" for n in range(ITEMS, ITEMS + 6)]
    np.testing.assert_array_equal(grown.model.item_vectors[:ITEMS], old.model.item_vectors)
    assert grown.version != old.version
    for kind in range(3):
        own = [f"i{n}" for n in range(ITEMS) if n % 3 == kind]
        new = {f"i{n}" for n in range(ITEMS, ITEMS + 6)}
        best = grown.recommend(own, k=2, allow=new).items
        assert {int(str(one.item)[1:]) % 3 for one in best} == {kind}
    grown.save(tmp_path / "after")
    again = pc.load(tmp_path / "after")
    assert [(one.item, one.score) for one in again.recommend(["i0"], k=9).items] == [
        (one.item, one.score) for one in grown.recommend(["i0"], k=9).items
    ]
    assert again.recommend([f"i{ITEMS}"], k=3).unknown == [], "and a history may hold them"


def test_vectors_of_the_catalogue_place_new_items_too() -> None:
    rng = np.random.default_rng(1)
    vectors = np.eye(3, dtype=np.float32)[np.arange(ITEMS + 3) % 3]
    rows = [[int(3 * n + user % 3) for n in rng.permutation(ITEMS // 3)[:5]] for user in range(90)]
    model = small("two-tower", epochs=25, rate=0.03, cold=0.5)
    model.fit(
        pc.Histories.from_lists(rows, ITEMS), run=ONE, features=ItemFeatures.from_columns(ITEMS, {}, vectors[:ITEMS])
    )
    model.extend(ItemFeatures.from_columns(ITEMS + 3, {}, vectors))
    scores = model.score(pc.Histories.from_lists([[0, 3, 6], [1, 4], [2, 5]], ITEMS + 3))
    assert scores[:, ITEMS:].argmax(axis=1).tolist() == [0, 1, 2]


def test_what_cannot_be_extended_says_so(rec: pc.Recommender, tmp_path: Any) -> None:
    grown = copy(rec, tmp_path)
    with pytest.raises(DataError, match="vectors of length 0, got 4"):
        grown.model.extend(ItemFeatures.from_columns(ITEMS + 1, {}, np.ones((ITEMS + 1, 4), np.float32)))
    with pytest.raises(DataError, match=f"two-tower knows {ITEMS} items, the catalogue describes 3"):
        grown.model.extend(ItemFeatures.from_columns(3, {"kind": list(KINDS)}))
    assert grown.extend(shelf(ITEMS)) == [], "nothing new"
    with pytest.raises(DataError, match=f"lacks {ITEMS} known items"):
        grown.extend(shelf(ITEMS + 1).tail(1))  # only the new one: titles and attributes of the others would be gone
    unseen = shelf(ITEMS + 1).with_columns(
        kind=pl.when(pl.col("item") == f"i{ITEMS}").then(pl.lit("new")).otherwise("kind")
    )
    assert grown.extend(unseen) == [f"i{ITEMS}"]
    assert not grown.model.item_vectors[ITEMS].any(), "of a kind that training did not see nothing is known"
    behaviour = pc.Recommender(grown.vocab, pc.ItemKNN().fit(pc.Histories.from_lists([[0, 1]], ITEMS + 1)))
    with pytest.raises(ParameterError, match="item-knn learns from behaviour alone"):
        behaviour.extend(shelf(ITEMS + 2))


def test_titles_alone_describe_nothing() -> None:
    log = pc.read_interactions(pl.DataFrame({"user": [1, 1, 2, 2], "item": [1, 2, 2, 3]}))
    titles = pl.DataFrame({"item": ["1", "2", "3"], "title": ["a", "b", "c"]})
    with pytest.raises(DataError, match="two-tower: the catalogue holds neither attributes nor vectors"):
        pc.fit(log, "two-tower", catalog=pc.Catalog.read(titles, log.vocab))
    with pytest.raises(DataError, match="history-classifier: no attribute with two values or more; there is kind"):
        pc.HistoryClassifier().fit(log.histories(), features=ItemFeatures.from_columns(3, {"kind": ["a", "a", "a"]}))


def test_whole_numbers_stay_numbers_only_while_all_ids_are() -> None:
    log = pc.read_interactions(pl.DataFrame({"user": [1, 1, 2, 2], "item": [1, 2, 2, 3]}), ids="as given")
    table = pl.DataFrame({"item": ["1", "2", "3"], "kind": ["a", "b", "a"]})
    rec = pc.fit(log, "content-knn", catalog=pc.Catalog.read(table, log.vocab))
    more = pl.DataFrame({"item": ["1", "2", "3", "4"], "kind": ["a", "b", "a", "a"]})
    assert rec.extend(more) == [4] and rec.recommend([1], k=5).items[0].item in {3, 4}
    assert rec.extend(more.vstack(pl.DataFrame({"item": ["new"], "kind": ["b"]}))) == ["new"]
