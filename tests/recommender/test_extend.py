"""New items without training: what is added, what is kept, and what is refused."""

from __future__ import annotations

import polars as pl
import pytest

import penchant as pc
from penchant.errors import DataError, ParameterError
from penchant.recommender.recommender import Recommender

TABLE = pl.DataFrame({"item": ["1", "2", "3"], "title": ["One", "Two", None], "kind": ["a", "b", "a"]})
MORE = TABLE.vstack(pl.DataFrame({"item": ["4"], "title": ["Four"], "kind": ["a"]}))


@pytest.fixture
def rec() -> Recommender:
    log = pc.read_interactions(pl.DataFrame({"user": [1, 1, 2, 2], "item": [1, 2, 2, 3]}), ids="as given")
    return pc.fit(log, "content-knn", catalog=pc.Catalog.read(TABLE, log.vocab))


def test_new_items_are_recommended_and_known_ones_stay(rec: Recommender) -> None:
    before, vocab, version = rec.recommend([1]).ids, rec.vocab, rec.version
    assert rec.extend(MORE) == [4]
    assert set(rec.recommend([1]).ids) == {*before, 4} and rec.title(3) == "Four" and rec.item_id(3) == 4
    assert rec.vocab.integers and rec.vocab is not vocab and len(vocab) == 3 and rec.version != version
    assert rec.recommend([4], 1).ids and rec.index("4") == 3 and rec.item_counts.tolist()[3] == 0
    assert rec.extend(MORE) == []


def test_ids_stay_numbers_only_while_all_are(rec: Recommender) -> None:
    assert rec.extend(MORE.vstack(pl.DataFrame({"item": ["new"], "title": [None], "kind": ["b"]}))) == ["4", "new"]
    assert not rec.vocab.integers and rec.recommend(["new"]).ids[0] in {"1", "2", "3", "4"}


def test_a_recommender_without_catalogue_misses_nothing(rec: Recommender) -> None:
    bare = Recommender(rec.vocab, rec.model, rec.recipe, None, rec.fitted_on)
    assert bare.extend(MORE) == [4] and bare.catalog is not None


def test_a_table_that_lost_items_is_refused(rec: Recommender) -> None:
    with pytest.raises(DataError) as refused:
        rec.extend(MORE.filter(pl.col("item") != "2"))
    assert str(refused.value) == (
        "the item table lacks 1 known items, '2' among them. Give the complete table: the known items and the new ones."
    )
    assert len(rec.vocab) == 3 and rec.index("4") == -1


def test_a_model_of_behaviour_alone_is_refused() -> None:
    log = pc.read_interactions(pl.DataFrame({"user": [1, 1, 2, 2], "item": [1, 2, 2, 3]}))
    with pytest.raises(ParameterError) as refused:
        pc.fit(log, "item-knn").extend(MORE)
    assert str(refused.value) == "item-knn learns from behaviour alone: fit it again to add items"
