"""Rows written apart and rows summed are the same data, for every model that uses neither order nor time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.models.neural.kinds.set_model import SetModel
from penchant.models.registry import MODELS, create, model_class

N_ITEMS, HISTORIES = 40, 260  # enough histories for the estimates of hyper-parameters
ORDERED = {"random"}  # its score is a hash of the rows as they are written
NEEDS_MORE = {"blend", "content-knn", "two-tower"}
READS_MOMENTS = {"tifu-knn", "buy-again", "fm"}  # when things were taken, how often and how lately


def written_twice(*, ordered: bool = True) -> tuple[Histories, Histories]:
    """Histories whose rows are written apart, each of weight 1, and the same with the rows of an item summed.

    Without an order the sums come as a query that groups returns them, else where the newest row of the item stood.
    """
    rng = np.random.default_rng(0)
    apart, summed, weights = [], [], []
    for _ in range(HISTORIES):
        items = rng.choice(N_ITEMS, size=rng.integers(2, 9), replace=False)
        row = rng.permutation(np.repeat(items, rng.integers(1, 5, size=len(items)))).tolist()
        newest = sorted(set(row), key=lambda item, row=row: len(row) - row[::-1].index(item))
        apart.append(row)
        summed.append(newest if ordered else sorted(newest))
        weights.append([float(row.count(item)) for item in summed[-1]])
    ones = [[1.0] * len(row) for row in apart]
    one, other = (
        Histories.from_lists(apart, N_ITEMS, values=ones, values_are="weight"),
        Histories.from_lists(summed, N_ITEMS, values=weights, values_are="weight"),
    )
    return replace(one, ordered=ordered), replace(other, ordered=ordered)


def of_sets() -> list[str]:
    """Models for lists that need nothing but the histories, and do not read their order."""
    out = []
    for name, entry in MODELS.items():
        if name in ORDERED or (entry.extra and not issubclass(model_class(name), SetModel)):
            continue
        model = model_class(name)
        if model.task == "ranking" and name not in NEEDS_MORE | READS_MOMENTS:
            out.append(name)
    return out


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("name", of_sets())
def test_rows_written_apart_and_rows_summed_give_the_same_model(name: str, *, ordered: bool) -> None:
    apart, summed = written_twice(ordered=ordered)
    few = {"epochs": 3} if MODELS[name].extra else {}
    one, other = (create(name, few).fit(log, run=Run(threads=1)) for log in (apart, summed))
    assert one.notes == other.notes, "the estimates are those of the same histories"
    np.testing.assert_array_equal(one.item_counts, other.item_counts)
    expected = other.score(summed)
    spread = float(np.ptp(expected))
    assert spread > 0
    np.testing.assert_allclose(one.score(apart), expected, atol=1e-5 * spread)


def test_popular_counts_histories_and_weights_by_option() -> None:
    apart, _ = written_twice()
    heavy = Histories.from_lists([[0], [1], [1]], 2, values=[[32_623.0], [1.0], [2.0]], values_are="weight")
    assert create("popular").fit(heavy).score(heavy)[0].tolist() == [1.0, 2.0]
    assert create("popular", {"count": "weights"}).fit(heavy).score(heavy)[0].tolist() == [32_623.0, 3.0]
    assert create("popular").fit(apart).score(apart)[0].tolist() == apart.counts().tolist()
