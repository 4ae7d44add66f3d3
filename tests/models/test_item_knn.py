"""Item neighbourhoods against a naive twin, and what is particular to them."""

import numpy as np
import pytest

from penchant.errors import DataError
from penchant.histories import Histories
from penchant.models.base import Run
from penchant.models.item_knn import ItemKNN


def planted(seed: int = 0, rows: int = 60, n_items: int = 23) -> Histories:
    rng = np.random.default_rng(seed)
    lists = []
    for taste in rng.integers(0, 3, rows):
        items = rng.permutation(n_items)
        likes = rng.random(n_items) < np.where(items % 3 == taste, 0.8, 0.15)
        lists.append([int(i) for i in items[likes]])
    return Histories.from_lists(lists, n_items)


def dense(model: ItemKNN) -> np.ndarray:
    w, n = model.weights, model.n_items
    out = np.zeros((n, n), dtype=np.float32)
    for i in range(n):
        out[i, w.indices[w.indptr[i] : w.indptr[i + 1]]] = w.data[w.indptr[i] : w.indptr[i + 1]]
    return out


def naive(train: Histories, model: ItemKNN) -> np.ndarray:
    """The formula of the docstring, with dense matrices."""
    x = np.zeros((len(train), train.n_items))
    x[train.rows, train.items] = train.weights()
    length = np.maximum((x != 0).sum(1), 1)
    overlap = (x != 0).T.astype(float) @ (x != 0)
    norm = np.maximum((x**2).sum(0), 1e-12)
    w = (x.T * length**-model.user_exponent) @ x
    w /= norm[:, None] ** model.history_exponent * norm[None, :] ** model.candidate_exponent
    w *= overlap / np.maximum(overlap + model.shrink, 1e-12) * (overlap >= model.min_overlap)
    np.fill_diagonal(w, 0)
    return w


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"user_exponent": 0.5, "history_exponent": 0.9, "candidate_exponent": 0.2},
        {"shrink": 3.0, "min_overlap": 3},
    ],
)
def test_equals_the_formula(params: dict[str, float]) -> None:
    train = planted()
    model = ItemKNN(neighbours=0, **params).fit(train)
    np.testing.assert_allclose(dense(model), naive(train, model), rtol=1e-5, atol=1e-7)


def test_keeps_the_best_of_each_history_item() -> None:
    train = planted()
    all_pairs, best = dense(ItemKNN(neighbours=0).fit(train)), dense(ItemKNN(neighbours=4).fit(train))
    for full, kept in zip(all_pairs, best, strict=True):
        assert np.count_nonzero(kept) == min(4, np.count_nonzero(full))
        np.testing.assert_array_equal(np.sort(kept)[-4:], np.sort(full)[-4:])


def test_equal_for_any_number_of_threads() -> None:
    train = planted(rows=300, n_items=90)
    one, four = (ItemKNN(neighbours=7).fit(train, run=Run(threads=t)).weights for t in (1, 4))
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(one, name), getattr(four, name))


def test_long_histories_are_bounded_and_reported() -> None:
    train = planted()
    model = ItemKNN(max_history=3).fit(train)
    assert "cut to their newest 3 events" in model.notes[0]
    np.testing.assert_array_equal(dense(model), dense(ItemKNN(max_history=0).fit(train.newest(3))))


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(DataError, match="nothing to learn from"):
        ItemKNN().fit(Histories.from_lists([[], []], 5))
