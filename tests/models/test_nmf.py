"""NMF: nothing is negative, and folding in is the training problem."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.errors import DataError
from penchant.models.bias import Bias
from penchant.models.nmf import NMF
from tests.models.fitting import data, rmse
from tests.models.planted import ITEMS


def test_nothing_is_negative_and_biases_are_beaten() -> None:
    part = data("rating")
    model = NMF(reg=2.0).fit(part.train)
    assert model.item_vectors.min() >= 0
    assert model.embed(part.given).min() >= 0
    assert (model.item_vectors == 0).any()
    assert rmse(model, part) < 0.7 * rmse(Bias().fit(part.train), part)


def test_an_empty_history_is_the_mean_history() -> None:
    part = data("rating")
    model = NMF().fit(part.train)
    nobody = Histories.from_lists([[]], ITEMS)
    np.testing.assert_allclose(model.score(nobody)[0], model.item_vectors @ model.centre, rtol=1e-5)
    seen = part.train.counts() > 20
    mean = np.bincount(part.train.items, weights=part.train.values, minlength=ITEMS) / part.train.counts().clip(1)
    assert np.corrcoef(model.score(nobody)[0][seen], mean[seen])[0, 1] > 0.8


def test_arrays_are_equal_to_the_bit_for_any_number_of_threads() -> None:
    one, many = (NMF(epochs=3).fit(data("rating").train, run=Run(threads=n)) for n in (1, 4))
    np.testing.assert_array_equal(one.item_vectors, many.item_vectors)


def test_ratings_are_asked_for() -> None:
    with pytest.raises(DataError, match="rating"):
        NMF().fit(Histories.from_lists([[1, 2]], 5))
