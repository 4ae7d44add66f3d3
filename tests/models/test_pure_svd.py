"""PureSVD against the full decomposition."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core.run import Run
from penchant.models.pure_svd import PureSVD
from tests.models.planted import ITEMS, planted


def dense() -> np.ndarray:
    train = planted("ranking").train
    x = np.zeros((len(train), ITEMS))
    x[train.rows, train.items] = 1
    return x


@pytest.mark.parametrize("exponent", [0.0, 0.4])
def test_projects_on_the_leading_singular_vectors(exponent: float) -> None:
    train = planted("ranking").train
    model = PureSVD(factors=5, popularity_exponent=exponent, passes=40, half_life=None).fit(train)
    scale = train.counts().clip(1) ** -exponent
    v = np.linalg.svd(dense() * scale, full_matrices=False)[2][:5]
    np.testing.assert_allclose(model.score(train), dense() @ v.T @ v, rtol=0, atol=1e-4)


def test_few_passes_lose_little_of_what_can_be_kept() -> None:
    train = planted("ranking").train
    best = (np.linalg.svd(dense(), compute_uv=False)[:7] ** 2).sum()
    kept = [
        ((dense() @ PureSVD(factors=7, popularity_exponent=0.0, passes=n).fit(train).weights.left) ** 2).sum() / best
        for n in (1, 6)
    ]
    assert kept[0] <= kept[1]
    assert 0.999 < kept[1] < 1.00001


def test_more_factors_than_items_give_the_history_back() -> None:
    train = planted("ranking").train
    model = PureSVD(factors=500, half_life=None).fit(train)
    assert model.weights.left.shape == (ITEMS, ITEMS)
    np.testing.assert_allclose(model.score(train), dense(), rtol=0, atol=1e-5)


def test_arrays_are_equal_to_the_bit_for_any_number_of_threads() -> None:
    train = planted("ranking").train
    one, many = (PureSVD(factors=9).fit(train, run=Run(threads=n)) for n in (1, 4))
    np.testing.assert_array_equal(one.weights.left, many.weights.left)
