"""BPR, WARP and logistic factors: the same numbers on any number of threads, and what an empty history gets."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.models import registry
from penchant.models.bpr import BPR
from tests.models.fitting import data
from tests.models.planted import ITEMS

NAMES = ["bpr", "warp", "logistic-mf"]


@pytest.mark.parametrize("name", NAMES)
def test_arrays_are_equal_to_the_bit_for_any_number_of_threads(name: str) -> None:
    train = data("ranking").train
    for params in ({"form": "vectors"}, {"form": "items"}) if name == "bpr" else ({},):
        one, many = (registry.create(name, {"epochs": 3} | params).fit(train, run=Run(threads=n)) for n in (1, 4))
        np.testing.assert_array_equal(one.item_vectors, many.item_vectors)
        np.testing.assert_array_equal(one.item_bias, many.item_bias)
        np.testing.assert_array_equal(one.embed(train), many.embed(train))


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_history_gets_the_biases_and_they_follow_popularity(name: str) -> None:
    train = data("ranking").train
    model = registry.create(name, {"epochs": 20}).fit(train)
    scores = model.score(Histories.from_lists([[]], ITEMS))[0]
    np.testing.assert_array_equal(scores, model.item_bias)
    assert np.corrcoef(scores, np.log1p(train.counts()))[0, 1] > 0.3


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_a_history_means_nothing(name: str) -> None:
    model = registry.create(name, {"epochs": 3}).fit(data("ranking").train)
    there, back = (Histories.from_lists([row], ITEMS) for row in ([5, 9, 30], [30, 5, 9]))
    np.testing.assert_array_equal(model.embed(there), model.embed(back))


@pytest.mark.parametrize("name", NAMES)
def test_an_item_never_taken_has_no_direction(name: str) -> None:
    train = data("ranking").train
    model = registry.create(name, {"epochs": 3}).fit(Histories(train.indptr, train.items, ITEMS + 1))
    assert not model.item_vectors[ITEMS].any()


def test_a_history_as_a_sum_of_items_is_that() -> None:
    model = BPR(form="items", power=0.5, epochs=3).fit(data("ranking").train)
    x = model.embed(Histories.from_lists([[4, 8, 4]], ITEMS))[0]
    np.testing.assert_allclose(x, (model.item_vectors[4] + model.item_vectors[8]) / np.sqrt(2), rtol=1e-5, atol=1e-7)
