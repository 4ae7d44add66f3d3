"""What is given as a history is understood by its declared columns, or refused: never misread."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from penchant import ItemKNN, fit, read_interactions
from penchant.errors import ParameterError


@pytest.fixture(scope="module")
def recommender():
    table = pl.DataFrame({"user": [1, 1, 2, 2, 3, 3], "item": [1, 2, 1, 3, 2, 4], "rating": [5, 3, 4, 4, 2, 5]})
    return fit(read_interactions(table), ItemKNN())


COLUMNS = {"item": [1, 3], "value": [5.0, None], "time": [1_000_000_100, 1_000_000_000]}


@pytest.mark.parametrize("table", [pl.DataFrame(COLUMNS), pd.DataFrame(COLUMNS), pl.DataFrame(COLUMNS).to_arrow()])
def test_a_table_is_a_history_by_its_columns(recommender, table):
    rows = [{"item": 1, "value": 5.0, "time": 1_000_000_100}, {"item": 3, "time": 1_000_000_000}]
    (given, unknown), (expected, _) = recommender.histories(table), recommender.histories(rows)
    assert unknown == []
    for name in ("items", "values", "times"):
        assert getattr(given, name).tolist() == getattr(expected, name).tolist()


@pytest.mark.parametrize(
    "history", [pl.Series([1, 2]), np.array([1, 2]), pd.Series([1, 2]), [1, 2], ("1", "2"), iter([1, 2])]
)
def test_any_list_of_ids_is_a_history(recommender, history):
    assert recommender.histories(history)[0].items.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (pl.DataFrame({"colour": ["red"]}), "unknown field 'colour'"),
        (pd.DataFrame({"value": [1.0]}), "names no item"),
        (np.array([[1, 2], [3, 4]]), r"an array of shape \(2, 2\)"),
        ([[1, 2], [3, 4]], "one by one"),
        ("12", "not '12'"),
        ({"item": 1}, "a list of ids or events"),
    ],
)
def test_what_may_mean_something_else_is_refused(recommender, history, words):
    with pytest.raises(ParameterError, match=words):
        recommender.recommend(history)


def test_a_mask_is_of_booleans(recommender):
    for wrong in (np.ones(36, int), np.ones(recommender.model.n_items, int), np.array([[1, 2]])):
        with pytest.raises(ParameterError, match="array of booleans"):
            recommender.recommend([1], allow=wrong)
    only = recommender.vocab.encode([3])
    mask = np.zeros(recommender.model.n_items, dtype=bool)
    mask[only] = True
    assert recommender.recommend([1], allow=mask).ids == recommender.recommend([1], allow=np.array([3])).ids == ["3"]
    with pytest.raises(ParameterError, match="not the text"):
        recommender.recommend([1], allow="3")
