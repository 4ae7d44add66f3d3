"""The event table: order, missing times, values, kinds, sessions, splits, matrices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from penchant import Interactions, Recipe, Vocab, load_movielens_small, read_interactions
from penchant.errors import DataError, InputError, ParameterError


def table(**columns):
    return pl.DataFrame(columns)


def rows(log):
    return [(log.user_ids[u], log.vocab.ids[i]) for u, i in zip(log.users, log.items, strict=True)]


def test_users_by_first_appearance_events_by_time_then_position_then_row():
    log = read_interactions(
        table(
            user=["b", "a", "b", "b", "a", "b"],
            item=["1", "2", "3", "4", "5", "6"],
            time=[20, 5, 10, 10, 5, 10],
            position=[0, 1, 2, 1, 1, 1],
        )
    )
    assert rows(log) == [("b", "4"), ("b", "6"), ("b", "3"), ("b", "1"), ("a", "2"), ("a", "5")]
    histories = log.histories()
    assert [histories.row(r).tolist() for r in range(2)] == [[3, 5, 2, 0], [1, 4]]
    assert histories.times.tolist() == [10, 10, 10, 20, 5, 5]


def test_milliseconds_order_events_of_one_second():
    log = read_interactions(table(user=["u", "u"], item=["late", "early"], time=[1_500_000_000_900, 1_500_000_000_100]))
    assert rows(log) == [("u", "early"), ("u", "late")]
    assert log.times.tolist() == [1_500_000_000] * 2


def test_a_missing_time_comes_last_at_the_newest_time_of_its_user():
    log = read_interactions(
        table(user=["u", "u", "v", "u"], item=["x", "a", "y", "b"], time=[None, 1_500_000_000, None, 1_400_000_000])
    )
    assert rows(log) == [("u", "b"), ("u", "a"), ("u", "x"), ("v", "y")]
    assert log.times.tolist() == [1_400_000_000, 1_500_000_000, 1_500_000_000, 1_500_000_000]
    assert any(finding.check == "missing times" and finding.count == 2 for finding in log.report.findings)
    assert read_interactions(table(user=["u"], item=["x"], time=[None])).times is None


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("rating", [1, 5, 3], "rating"),
        ("stars", [0.5, 5, 3], "rating"),
        ("评分", [1, 5, 3], "rating"),
        ("plays", [1, 5, 3], "weight"),
        ("weight", [1, 5, 3], "weight"),
        ("rating", list(range(21)), "rating"),
        ("rating", list(range(101)), "rating"),
        ("rating", [n / 4 for n in range(101)], "weight"),
        ("rating", list(range(102)), "weight"),
        ("rating", [n / 7 - 10 for n in range(141)], "rating"),
        ("rating", [1, 5, 100_000], "weight"),
    ],
)
def test_values_are_ratings_or_weights(name, values, expected):
    frame = pl.DataFrame({"user": ["u"] * len(values), "item": [str(i) for i in range(len(values))], name: values})
    log = read_interactions(frame)
    assert log.values_are == log.recipe.values_are == log.histories().values_are == expected
    assert name in log.report.values_why
    assert read_interactions(frame, values="rating").values_are == "rating"
    assert read_interactions(frame, values="none").values is None


def test_kinds_and_dislikes():
    frame = table(user=["u"] * 4, item=list("abcd"), event=["view", "Buy", "dislike", "other"])
    log = read_interactions(frame)
    assert (log.values_are, log.values.tolist()) == ("weight", [1, 1, -1, 1])  # a dislike is one without being named
    assert read_interactions(frame.filter(pl.col("event") != "dislike")).values is None
    log = read_interactions(frame, kinds={"view": 1, "buy": 3, "dislike": -1})
    assert (log.values_are, log.values.tolist()) == ("weight", [1, 3, -1, 1])
    assert log.histories().positives().items.tolist() == [0, 1, 3]
    assert log.histories().negatives().items.tolist() == [2]
    with pytest.raises(ParameterError, match="view=1"):
        read_interactions(frame, kinds="view:1")


def test_a_missing_value_is_fine_where_kinds_say_what_happened():
    frame = table(user=["u"] * 3, item=list("abc"), event=["view", "buy", "view"], count=[None, 4, None])
    assert read_interactions(frame, kinds="buy=2").values.tolist() == [1, 8, 1]
    assert read_interactions(frame.drop("event")).report.n_rejected == 2


def test_positives_of_ratings():
    frame = table(user=["u"] * 3, item=list("abc"), rating=[2, 4, 5])
    assert read_interactions(frame).liked is None
    assert read_interactions(frame, positive="value>=4").liked.tolist() == [False, True, True]
    with pytest.raises(DataError, match="needs a column of values"):
        read_interactions(frame.drop("rating"), positive="value>=4")
    with pytest.raises(ParameterError, match="positive"):
        read_interactions(frame, positive="rating>4")


def test_sessions_instead_of_users_and_users_before_sessions():
    frame = table(session=["s1", "s1", "s2"], item=["a", "b", "a"])
    log = read_interactions(frame)
    assert (log.sessions, log.user_ids) == (True, ["s1", "s2"])
    both = frame.with_columns(user=pl.lit("u"))
    assert read_interactions(both).user_ids == ["u"]
    assert read_interactions(both, by="session").user_ids == ["s1", "s2"]
    with pytest.raises(DataError, match="no session column"):
        read_interactions(both.drop("session"), by="session")


def test_splits_are_text_and_have_one_spelling():
    log = read_interactions(
        table(user=["u"] * 5, item=list("abcde"), split=["train", "Validation", "dev", "TEST", "2.0"])
    )
    assert log.parts.tolist() == ["train", "valid", "valid", "test", "2"]
    folds = read_interactions(table(user=["u"] * 2, item=list("ab"), fold=[1, 2]))
    assert folds.parts.tolist() == ["1", "2"]
    assert read_interactions(table(user=["u"] * 2, item=list("ab"), split=["train", None])).report.n_rejected == 1


def test_a_sparse_matrix_of_users_by_items():
    matrix = sparse.csr_matrix(np.array([[0, 2, 0], [1, 0, 3]], dtype=np.float32))
    log = read_interactions(matrix)
    assert rows(log) == [("0", "1"), ("1", "0"), ("1", "2")]
    assert log.values.tolist() == [2, 1, 3]
    assert log.values_are == "weight"
    assert log.vocab.external(0) == "1"
    assert read_interactions(matrix > 0).values is None


def test_pandas_with_its_own_types():
    frame = pd.DataFrame(
        {
            "user": pd.array([1, 2, None], dtype="Int64"),
            "item": pd.Categorical(["x", "y", "x"]),
            "rating": [4.0, 5.0, 3.0],
            "timestamp": pd.to_datetime(["2001-09-09T02:00:00+02:00", "2001-09-09T02:00:00+02:00", None], utc=True),
        }
    )
    log = read_interactions(frame)
    assert rows(log) == [("1", "x"), ("2", "y")]
    assert log.times.tolist() == [999_993_600] * 2
    assert log.report.rejected[0].reason == "the id is missing"


def test_item_ids_are_text_unless_asked_for_as_given():
    numbers = table(user=[1, 2], item=[10, 20])
    assert read_interactions(numbers).vocab.external(1) == "20"
    assert read_interactions(numbers, ids="as given").vocab.external(1) == 20
    assert read_interactions(table(user=[1, 2], item=["10", "20"]), ids="as given").vocab.external(1) == "20"
    with pytest.raises(ParameterError, match="as given"):
        read_interactions(numbers, ids="numbers")


def test_items_of_the_item_table_follow_those_of_the_log():
    log = read_interactions(table(user=["u"], item=["b"]), items=table(item=["a", "b", "c", "a"]))
    assert log.vocab.ids == ["b", "a", "c"]


def test_files_must_agree_about_what_they_hold():
    full = table(user=["u"], item=["a"], rating=[4], split=["train"])
    with pytest.raises(DataError, match="no column of ratings"):
        read_interactions([full, full.drop("rating")])
    with pytest.raises(DataError, match="no split column"):
        read_interactions([full, full.drop("split")])
    with pytest.raises(DataError, match="no session column"):
        read_interactions([full.with_columns(session=pl.lit("s")), full], by="session")


def test_what_cannot_be_read_and_options_that_make_no_sense():
    frame = table(user=["u"], item=["a"])
    with pytest.raises(DataError, match="cannot be read from a dict"):
        read_interactions({"user": ["u"]})
    with pytest.raises(DataError, match="no log was given"):
        read_interactions([])
    with pytest.raises(DataError, match="no rows"):
        read_interactions(frame.clear())
    for wrong in (
        {"values": "stars"},
        {"columns": "colour=a"},
        {"columns": "user"},
        {"columns": "user=a,user=b"},
        {"by": "item"},
    ):
        with pytest.raises(ParameterError):
            read_interactions(frame, **wrong)


def test_progress_ends_at_one():
    seen = []
    read_interactions(table(user=["u"], item=["a"]), progress=lambda what, share: seen.append((what, share)))
    assert seen == [("reading table in memory", 1.0)]


def test_history_of_one_user_and_unknown_users():
    log = read_interactions(table(user=[1, 2, 1], item=["a", "b", "c"]))
    assert log.history_of(1).items.tolist() == log.history_of(" 1.0").items.tolist() == [0, 2]
    with pytest.raises(InputError, match="has no user '3'"):
        log.history_of(3)


def test_where_keeps_the_vocabulary_and_drops_users_left_without_events():
    log = read_interactions(
        table(user=["a", "b", "c", "a"], item=list("wxyz"), rating=[1, 2, 3, 4], time=[1, 2, 3, 4], split=list("0101"))
    )
    kept = log.where(log.values >= 3)
    assert rows(kept) == [("a", "z"), ("c", "y")]
    assert (kept.user_ids, kept.vocab) == (["a", "c"], log.vocab)
    assert (kept.times.tolist(), kept.parts.tolist(), kept.values.tolist()) == ([4, 3], ["1", "0"], [4, 3])
    assert len(log.where(np.zeros(4, dtype=bool))) == 0
    with pytest.raises(DataError, match="mask"):
        log.where(np.ones(3, dtype=bool))


def test_a_table_that_contradicts_itself_is_refused():
    def make(**changes):
        fields = {"users": [0, 1], "items": [0, 0], "user_ids": ["a", "b"], "times": None} | changes
        users, items = (np.array(fields[name], dtype=np.int32) for name in ("users", "items"))
        return Interactions(Vocab(["x"]), fields["user_ids"], users, items, times=fields["times"])

    assert len(make()) == 2
    for changes in ({"users": [1, 0]}, {"users": [0, 2]}, {"users": [0, 0, 1]}, {"times": np.zeros(3, dtype=np.int64)}):
        with pytest.raises(DataError):
            make(**changes)


def test_the_bundled_films():
    log, catalog = load_movielens_small(positive="value>=3.5")
    assert (len(log), log.n_users, log.n_items, log.values_are) == (100_004, 671, 9_066, "rating")
    assert log.recipe == Recipe(positive="value>=3.5", values_are="rating")
    assert int(log.liked.sum()) == int((log.values >= 3.5).sum())
    assert (log.report.n_rejected, log.vocab.integers) == (0, False)
    assert catalog.title(log.vocab.index(260)) == "Star Wars: Episode IV - A New Hope (1977)"
    assert catalog.attributes["genres"][log.vocab.index(1)][:2] == ["Adventure", "Animation"]
