"""Item neighbourhoods against a naive twin, and what is particular to them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.core.histories import Histories
from penchant.core.rank import rank
from penchant.core.run import Run
from penchant.errors import DataError
from penchant.kernels import Kernel
from penchant.models.item_knn import ItemKNN
from penchant.models.parts.similarity import SIMILARITIES


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
    candidate = model.candidate_exponent
    if candidate == "auto":
        candidate = np.clip(0.2 + 0.35 * np.log10((x != 0).sum() / (x != 0).any(axis=0).sum() / 8), 0, 1)
    w = (x.T * length**-model.user_exponent) @ x
    w /= norm[:, None] ** model.history_exponent * norm[None, :] ** candidate
    w *= overlap / np.maximum(overlap + model.shrink, 1e-12) * (overlap >= model.min_overlap)
    np.fill_diagonal(w, 0)
    return w / np.maximum(w.sum(1), 1e-12)[:, None] if model.aggregation == "normalised" else w


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"user_exponent": 0.5, "history_exponent": 0.9, "candidate_exponent": 0.2},
        {"shrink": 3.0, "min_overlap": 3},
        {"user_exponent": 0.0, "candidate_exponent": 0.5, "shrink": 0.0, "aggregation": "sum"},
    ],
)
def test_equals_the_formula(params: dict[str, float]) -> None:
    train = planted()
    model = ItemKNN(neighbours=None, **params).fit(train)
    np.testing.assert_allclose(dense(model), naive(train, model), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("n_items", [23, 230])
def test_popularity_counts_more_the_more_events_items_have(n_items: int) -> None:
    train = planted(rows=400, n_items=n_items)
    model = ItemKNN().fit(train)
    events = len(train.items) / n_items
    (note,) = [note for note in model.notes if "candidate_exponent" in note]
    assert (
        note == f"candidate_exponent {0.2 + 0.35 * np.log10(events / 8):.2f}: items have {events:.1f} events on average"
    )
    assert not [note for note in ItemKNN(similarity="jaccard").fit(train).notes if "exponent" in note]
    assert not [note for note in ItemKNN(candidate_exponent=0.4).fit(train).notes if "exponent" in note]


def test_keeps_the_best_of_each_history_item() -> None:
    train = planted()
    all_pairs, best = (dense(ItemKNN(neighbours=k).fit(train)) for k in (None, 4))
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
    np.testing.assert_array_equal(dense(model), dense(ItemKNN(max_history=None).fit(train.newest(3))))


def test_ratings_that_no_pair_counts_are_reported() -> None:
    train = Histories.from_lists([[0, 1, 2, 3, 4], [1, 2]], 5, values=[[1, 2, 3, 4, 5], [5, 1]], values_are="rating")
    notes = ItemKNN(max_history=3).fit(train).notes
    assert any(note.startswith("2 ratings are not among the newest 3 of their histories") for note in notes)
    assert not any("ratings are not" in note for note in ItemKNN(max_history=5).fit(train).notes)


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(DataError, match="nothing to learn from"):
        ItemKNN().fit(Histories.from_lists([[], []], 5))


def stars(seed: int = 0) -> Histories:
    base = planted(seed)
    values = np.random.default_rng(seed).integers(1, 6, len(base.items)).astype(np.float32)
    return Histories(base.indptr, base.items, base.n_items, values, "rating")


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_every_similarity_ranks_and_predicts(similarity: str) -> None:
    train, given = stars(), stars(1)
    model = ItemKNN(similarity=similarity).fit(train)
    cosine = ItemKNN().fit(train)
    assert np.isfinite(model.score(given)).all()
    predicted = model.predict(given, given)
    assert predicted.shape == given.items.shape
    assert ((predicted >= 1) & (predicted <= 5)).all()
    if similarity not in ("cosine", "asymmetric-cosine"):
        assert not np.allclose(model.score(given), cosine.score(given))


def test_normalised_similarities_sum_to_one() -> None:
    w = dense(ItemKNN(aggregation="normalised", neighbours=5).fit(planted()))
    np.testing.assert_allclose(w.sum(1)[w.any(1)], 1, rtol=1e-5)


def test_predicts_the_mean_deviation_of_the_nearest_rated() -> None:
    train, given = stars(), stars(1)
    model = ItemKNN(rating_neighbours=3, rating_shrink=4.0).fit(train)
    b, n = model.baseline, train.n_items
    dev, mine, held = np.zeros((len(train), n)), np.zeros((len(given), n)), np.zeros((len(train), n))
    dev[train.rows, train.items], mine[given.rows, given.items] = b.deviations(train), b.deviations(given)
    held[train.rows, train.items] = 1
    overlap = held.T @ held
    s = dev.T @ dev / np.sqrt(np.outer((dev**2).sum(0), (dev**2).sum(0)))
    s = np.maximum(s, 0) * overlap / (overlap + 4.0)
    np.fill_diagonal(s, 0)
    asked = Histories.from_lists([[0, 11, 22]] * len(given), n)
    got, expected = model.predict(given, asked), b.of(given, asked)
    for at, (row, item) in enumerate(zip(asked.rows, asked.items, strict=True)):
        rated = [i for i in np.argsort(-s[item], kind="stable") if i in given.row(row) and s[item, i] > 0][:3]
        gain = s[item, rated] @ mine[row, rated] / (s[item, rated].sum() + model.rating_damping)
        assert got[at] == pytest.approx(np.clip(expected[at] + gain, 1, 5), abs=1e-4)


def test_dislikes_teach_predictions_but_not_lists() -> None:
    base = stars()
    liked = Histories(base.indptr, base.items, base.n_items, base.values, "rating", liked=base.values >= 3)
    model = ItemKNN(neighbours=None).fit(liked)
    np.testing.assert_array_equal(dense(model), dense(ItemKNN(neighbours=None).fit(base.where(base.values >= 3))))
    np.testing.assert_array_equal(model.baseline.item_bias, ItemKNN().fit(base).baseline.item_bias)
    np.testing.assert_array_equal(model.score(liked), model.score(liked.positives()))


def test_what_needs_values_says_so() -> None:
    with pytest.raises(DataError, match="pearson compares the values"):
        ItemKNN(similarity="pearson").fit(planted())
    with pytest.raises(DataError, match="without ratings"):
        ItemKNN().fit(planted()).predict(planted(), planted())


def test_one_history_is_answered_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    model, given = ItemKNN().fit(planted()), planted(1)
    many = rank(model, given, 4)
    monkeypatch.setattr(Kernel, "at_hand", lambda *_: None)  # nothing lies ready
    monkeypatch.setattr(Kernel, "__call__", None)  # compiling would fail
    one = rank(model, given[3:4], 4)
    np.testing.assert_array_equal(one.items[0], many.items[3])
    np.testing.assert_array_equal(one.scores[0], many.scores[3])


@settings(deadline=None)
@given(lists=st.lists(st.lists(st.integers(0, 22), max_size=12), min_size=1, max_size=6), k=st.integers(1, 40))
def test_one_history_has_the_same_list_with_and_without_a_kernel(lists: list[list[int]], k: int) -> None:
    model = ItemKNN(neighbours=3).fit(planted())
    allow = np.arange(23) % 7 != 2
    rank(model, planted(), k)  # compiled now
    for row in lists:
        one = Histories.from_lists([row], 23)
        lists_of = []
        for at_hand in (Kernel.at_hand, lambda *_: None):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Kernel, "at_hand", at_hand)
                lists_of += [rank(model, one, k, allow=mask) for mask in (None, allow)]
        for fast, plain in zip(lists_of[:2], lists_of[2:], strict=True):
            np.testing.assert_array_equal(fast.items, plain.items)
            np.testing.assert_array_equal(fast.scores, plain.scores)


@pytest.mark.parametrize("similarity", ["cosine", "jaccard", "tf-idf"])
def test_the_fewest_common_histories_need_no_shrink(similarity: str) -> None:
    """0 pairs / (0 pairs + shrink 0) is no number."""
    log = Histories.from_lists([[0, 1], [0, 1], [0, 2], [1, 3], [0, 1, 2]], 5)
    model = ItemKNN(similarity=similarity, shrink=0, min_overlap=2, neighbours=4).fit(log)
    scores = model.score(Histories.from_lists([[0], [3]], 5))
    assert np.isfinite(scores).all()
    assert (scores > 0).tolist() == [[False, True, True, False, False], [False] * 5]
