"""User neighbourhoods against a naive twin, and what is particular to them."""

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.core.rank import rank
from penchant.core.run import Run
from penchant.errors import DataError, ParameterError
from penchant.models.user_knn import UserKNN

COSINE = {"item_exponent": 0.0, "stored_exponent": 0.5, "candidate_exponent": 0.0}


def likes(seed: int = 0, rows: int = 70, n_items: int = 29) -> Histories:
    rng = np.random.default_rng(seed)
    lists = []
    for taste in rng.integers(0, 3, rows):
        items = rng.permutation(n_items)
        lists.append([int(i) for i in items[rng.random(n_items) < np.where(items % 3 == taste, 0.7, 0.1)]])
    return Histories.from_lists(lists, n_items)


def stars(seed: int = 0, rows: int = 70, n_items: int = 29) -> Histories:
    base = likes(seed, rows, n_items)
    values = np.random.default_rng(seed).integers(1, 6, len(base.items)).astype(np.float32)
    return Histories(base.indptr, base.items, n_items, values, "rating")


def matrix(histories: Histories) -> np.ndarray:
    x = np.zeros((len(histories), histories.n_items))
    x[histories.rows, histories.items] = 1
    return x


def test_equals_the_formula() -> None:
    train, given = likes(), likes(seed=1, rows=20)
    p = {
        "item_exponent": 0.3,
        "history_exponent": 0.4,
        "stored_exponent": 0.7,
        "candidate_exponent": 0.2,
        "shrink": 2.0,
    }
    model = UserKNN(neighbourhood=5, **p).fit(train)
    x, q = matrix(train), matrix(given)
    n = x.sum(0)
    overlap = q @ x.T
    s = (q * np.maximum(n, 1) ** -0.3) @ x.T / (q.sum(1)[:, None] ** 0.4 * np.maximum(x.sum(1), 1) ** 0.7)
    s *= overlap / (overlap + 2.0)
    for row, similarity in enumerate(s):
        order = np.lexsort((np.arange(len(train)), -similarity))
        similarity[order[5:]] = 0
        want = similarity @ x / np.maximum(n, 1) ** 0.2
        np.testing.assert_allclose(model.score(given)[row], want, rtol=1e-4, atol=1e-6)


def test_normalised_votes_are_shares() -> None:
    train, given = likes(), likes(seed=1, rows=20)
    summed = UserKNN(neighbourhood=7).fit(train)
    shares = UserKNN(neighbourhood=7, aggregation="normalised").fit(train)
    total = [summed.neighbours(given[r : r + 1], 7)[1].sum() for r in range(len(given))]
    np.testing.assert_allclose(shares.score(given), summed.score(given) / np.array(total)[:, None], rtol=1e-4)
    assert shares.score(given).max() <= 1 + 1e-6


def test_lists_are_those_of_the_scores() -> None:
    train, given = likes(), likes(seed=1, rows=20)
    model = UserKNN(neighbourhood=7).fit(train)
    lists = rank(model, given, 6)
    scores = model.score(given)
    scores[given.rows, given.items] = -np.inf
    np.testing.assert_allclose(lists.scores, -np.sort(-scores)[:, :6], rtol=1e-6)


def test_neighbours_can_be_seen() -> None:
    train = likes()
    model = UserKNN(**COSINE).fit(train)
    history = Histories.from_lists([[int(i) for i in train.row(3)[:-1]]], train.n_items)
    near, similarity = model.neighbours(history, 4)
    assert len(near) == 4
    assert (np.diff(similarity) <= 0).all()
    x = matrix(near)
    mine = matrix(history)[0]
    np.testing.assert_allclose(similarity, x @ mine / np.sqrt(x.sum(1) * mine.sum()), rtol=1e-5)
    with pytest.raises(ParameterError, match="one history"):
        model.neighbours(train[:2], 3)


def test_skips_one_stored_row_that_is_the_given_one() -> None:
    train = Histories.from_lists([[0, 1, 2], [2, 1, 0], [0, 1, 3], [4]], 5)
    model = UserKNN(**COSINE).fit(train)
    near, similarity = model.neighbours(Histories.from_lists([[1, 0, 2]], 5), 5)
    # of the two identical rows one stays: two people may well hold the same
    assert [sorted(map(int, near.row(r))) for r in range(len(near))] == [[0, 1, 2], [0, 1, 3]]
    assert similarity[0] == pytest.approx(1.0)


def test_a_rating_that_differs_makes_another_row() -> None:
    rated = {"values_are": "rating"}
    train = Histories.from_lists([[0, 1], [0, 2]], 3, values=[[5.0, 4.0], [5.0, 4.0]], **rated)
    model = UserKNN().fit(train)
    same, other = (Histories.from_lists([[1, 0]], 3, values=[v], **rated) for v in ([4.0, 5.0], [3.0, 5.0]))
    assert len(model.neighbours(same, 5)[0]) == 1
    assert len(model.neighbours(other, 5)[0]) == 2


@pytest.mark.parametrize("similarity", ["cosine", "tf-idf", "jaccard", "msd"])
def test_explanations_add_up(similarity: str) -> None:
    train, given = stars(), stars(seed=1, rows=6)
    model = UserKNN(similarity=similarity, neighbourhood=9).fit(train)
    for r in range(len(given)):
        one = given[r : r + 1]
        item = int(rank(model, one, 1).items[0, 0])
        why = model.explain(one, item)
        assert why.method == "exact"
        assert why.parts.shape == one.items.shape
        assert why.parts.sum() == pytest.approx(float(model.score(one)[0, item]), rel=1e-4)
        assert (why.parts >= 0).all()


def test_an_event_without_which_nobody_would_be_near_gets_all() -> None:
    train = Histories.from_lists([[0, 1], [2, 3]], 5)
    why = UserKNN(**COSINE).fit(train).explain(Histories.from_lists([[4, 0]], 5), 1)
    assert why.parts[0] == 0
    assert why.parts[1] == pytest.approx(0.5)


def test_predicts_the_mean_deviation_of_those_who_rated() -> None:
    train, given = stars(), stars(seed=1, rows=15)
    asked = Histories.from_lists([[0, 5, 9]] * 15, train.n_items)
    model = UserKNN(rating_neighbours=4, rating_shrink=3.0).fit(train)
    b = model.baseline
    dev, mine = np.zeros((70, 29)), np.zeros((15, 29))
    dev[train.rows, train.items], mine[given.rows, given.items] = b.deviations(train), b.deviations(given)
    x, q = matrix(train), matrix(given)
    overlap = q @ x.T
    s = mine @ dev.T / np.sqrt(np.outer((mine**2).sum(1), np.maximum((dev**2).sum(1), 1e-12)))
    s = np.maximum(s, 0) * overlap / (overlap + 3.0)
    expected = b.of(given, asked)
    for n, (row, item) in enumerate(zip(asked.rows, asked.items, strict=True)):
        who = [v for v in np.argsort(-s[row], kind="stable") if x[v, item] and s[row, v] > 0][:4]
        gain = (s[row, who] @ dev[who, item]) / (s[row, who].sum() + model.rating_damping)
        want = np.clip(expected[n] + gain, 1, 5)
        assert model.predict(given, asked)[n] == pytest.approx(want, abs=1e-4)


def test_what_needs_values_says_so() -> None:
    with pytest.raises(DataError, match="pearson compares the values"):
        UserKNN(similarity="pearson").fit(likes())
    with pytest.raises(DataError, match="without ratings"):
        UserKNN().fit(likes()).predict(likes(), likes())


def test_equal_for_any_number_of_threads() -> None:
    train = likes(rows=900)
    one, four = (UserKNN().fit(train, run=Run(threads=t)) for t in (1, 4))
    a, b = rank(one, train, 5, threads=1), rank(four, train, 5, threads=4)
    np.testing.assert_array_equal(a.items, b.items)
    np.testing.assert_array_equal(a.scores, b.scores)
