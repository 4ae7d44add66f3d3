"""SVD and SVD++: what they predict, and for whom."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.errors import DataError
from penchant.models.bias import Bias
from penchant.models.svd import SVD
from penchant.models.svdpp import SVDpp
from tests.models.fitting import data, rmse
from tests.models.planted import ITEMS


def chosen(rows: int, seed: int) -> Histories:
    """What people rate says all: of the odd items only odd ones, liked more or less as a hidden taste says."""
    rng = np.random.default_rng(seed)
    items, values = [], []
    for _ in range(rows):
        side = int(rng.integers(2))
        mine = rng.choice(np.arange(20) * 2 + side, 6, replace=False)
        both = [int(i) for i in [*mine, 50, 51]]
        items.append(both)
        values.append([3.0] * 6 + ([5.0, 1.0] if side else [1.0, 5.0]))
    return Histories.from_lists(items, 52, values=values, values_are="rating")


@pytest.mark.parametrize("model", [SVD, SVDpp])
def test_beats_biases_and_more_factors_do_not_overfit(model: type[SVD | SVDpp]) -> None:
    part = data("rating")
    bias = rmse(Bias().fit(part.train), part)
    few = rmse(model(factors=5).fit(part.train), part)
    assert few < 0.6 * bias
    assert rmse(model(factors=30).fit(part.train), part) < 1.15 * few


def test_one_history_is_the_ridge_solution_of_its_ratings() -> None:
    part = data("rating")
    model = SVD(factors=4).fit(part.train)
    given = part.given[:5].distinct()
    for r, got in enumerate(model.embed(given)):
        of = slice(given.indptr[r], given.indptr[r + 1])
        y, s = model.item_vectors[given.items[of]].astype(float), model.item_variances[given.items[of]].astype(float)
        loading = np.column_stack([y[:, :-1], np.ones(len(y))])
        a = loading.T @ loading + np.diag(model.prior + np.append(s[:, :-1].sum(axis=0), 0.0))
        target = given.values[of] - model.scale[0] - y[:, -1]
        np.testing.assert_allclose(got, np.linalg.solve(a, loading.T @ target), rtol=0, atol=1e-4)


def test_an_empty_history_and_an_item_nobody_rated() -> None:
    train = data("rating").train
    wider = Histories(train.indptr, train.items, ITEMS + 1, train.values, "rating")
    model = SVD(factors=4).fit(wider)
    nobody = Histories.from_lists([[], [2]], ITEMS + 1, values=[[], [5.0]], values_are="rating")
    asked = Histories.from_lists([[1, ITEMS], [ITEMS]], ITEMS + 1)
    first, unrated, generous = model.predict(nobody, asked)
    assert first == pytest.approx(model.scale[0] + model.item_vectors[1, -1], abs=1e-5)
    assert unrated == pytest.approx(model.scale[0], abs=1e-5)
    assert generous > unrated


def test_predictions_stay_on_the_scale() -> None:
    part = data("rating")
    predicted = SVD(factors=4).fit(part.train).predict(part.given, part.truth)
    assert predicted.min() >= part.train.values.min()
    assert predicted.max() <= part.train.values.max()


def test_the_set_of_rated_items_tells_svdpp_what_the_ratings_do_not() -> None:
    train, new = chosen(300, 0), chosen(60, 1)
    known = new.where(new.items < 50)
    asked = new.where(new.items >= 50)
    plain, plus = SVD(factors=4).fit(train), SVDpp(factors=4).fit(train)
    off = [np.sqrt(np.mean((m.predict(known, asked) - asked.values) ** 2)) for m in (plain, plus)]
    assert off[0] > 1.5
    assert off[1] < 0.5 * off[0]


def test_ratings_are_asked_for() -> None:
    with pytest.raises(DataError, match="rating"):
        SVD().fit(Histories.from_lists([[1, 2]], 5))


@pytest.mark.parametrize("model", [SVD, SVDpp])
def test_arrays_are_equal_to_the_bit_for_any_number_of_threads(model: type[SVD | SVDpp]) -> None:
    train = data("rating").train
    one, many = (model(factors=6, epochs=4).fit(train, run=Run(threads=n)) for n in (1, 4))
    for name in model.learned_fields():
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name), err_msg=name)
