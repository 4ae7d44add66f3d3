"""Content neighbourhoods against the cosine, and with items that nobody has had yet."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.core.item_features import ItemFeatures
from penchant.core.rank import rank
from penchant.errors import DataError
from penchant.models.content_knn import ContentKNN
from tests.models.planted import ITEMS, features, planted

KINDS = ["drama", "drama", "comedy", ["comedy", "drama"], None]


def dense(model: ContentKNN) -> np.ndarray:
    w = model.weights
    out = np.zeros((len(w.indptr) - 1,) * 2)
    out[np.repeat(np.arange(len(out)), np.diff(w.indptr)), w.indices] = w.data
    return out


def test_plain_attributes_are_compared_by_cosine() -> None:
    log = Histories.from_lists([[0, 1], [2]], 5)
    found = dense(
        ContentKNN(neighbours=None, rarity=0.0).fit(log, features=ItemFeatures.from_columns(5, {"kind": KINDS}))
    )
    half = 2**-0.5
    expected = np.zeros((5, 5))
    expected[0, 1] = expected[1, 0] = 1
    expected[0, 3] = expected[3, 0] = expected[1, 3] = expected[3, 1] = expected[2, 3] = expected[3, 2] = half
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_rare_attributes_say_more() -> None:
    columns = {"a": ["x", "x", "x", "x", "x"], "b": ["p", "p", "q", "q", "own"]}
    log = Histories.from_lists([[0]], 5)
    plain, rare = (dense(ContentKNN(rarity=r).fit(log, features=ItemFeatures.from_columns(5, columns))) for r in (0, 2))
    assert rare[0, 2] < plain[0, 2] == pytest.approx(0.5)
    assert plain[4, 0] == pytest.approx(2**-0.5)  # what nobody else has takes nothing away


def test_attributes_and_vectors_share_as_told() -> None:
    log = planted("ranking").train
    both = features()
    attributes, vectors = (
        dense(ContentKNN(neighbours=None, share=share).fit(log, features=both)) for share in (1.0, 0.0)
    )
    unit = both.vectors / np.linalg.norm(both.vectors, axis=1, keepdims=True)
    cosine = np.maximum(unit @ unit.T, 0)
    np.fill_diagonal(cosine, 0)
    np.testing.assert_allclose(vectors, cosine, atol=1e-5)
    # where a catalogue has only one of the two, that one counts alone
    alone = ItemFeatures(ITEMS, np.zeros(ITEMS + 1), np.empty(0), np.empty(0), [], both.vectors)
    np.testing.assert_allclose(dense(ContentKNN(neighbours=None).fit(log, features=alone)), vectors, atol=1e-6)
    mixed = dense(ContentKNN(neighbours=None, share=0.3).fit(log, features=both))
    positive = (attributes > 0) & (vectors > 0)
    np.testing.assert_allclose(mixed[positive], (0.3 * attributes + 0.7 * vectors)[positive], atol=1e-5)


def test_the_best_neighbours_are_kept() -> None:
    log, both = planted("ranking").train, features()
    every, few = (dense(ContentKNN(neighbours=n).fit(log, features=both)) for n in (None, 4))
    for row in range(ITEMS):
        np.testing.assert_allclose(np.sort(few[row])[-4:], np.sort(every[row])[-4:])
        assert (few[row] > 0).sum() == 4


def test_popularity_counts_when_asked() -> None:
    log, both = planted("ranking").train, features()
    plain, popular = (dense(ContentKNN(neighbours=None, popularity=p).fit(log, features=both)) for p in (0.0, 0.5))
    np.testing.assert_allclose(popular, plain * (log.counts() + 1.0) ** 0.5, rtol=1e-5)


def test_an_item_without_events_is_recommended_at_once() -> None:
    """One more item enters the catalogue after fitting; whoever liked its kind finds it."""
    log = Histories.from_lists([[0, 1], [2, 3]], 4)
    model = ContentKNN().fit(log, features=ItemFeatures.from_columns(4, {"kind": ["a", "a", "b", "b"]}))
    model.extend(ItemFeatures.from_columns(5, {"kind": ["a", "a", "b", "b", "b"]}))
    assert model.n_items == 5
    ranked = rank(model, Histories.from_lists([[2, 3], [0, 1]], 5), 1)
    assert ranked.items[0, 0] == 4
    assert ranked.scores[1, 0] == 0
    with pytest.raises(DataError, match="5 items"):
        model.extend(ItemFeatures.from_columns(3, {"kind": ["a", "a", "b"]}))


def test_a_catalogue_that_says_nothing_is_refused() -> None:
    log = Histories.from_lists([[0, 1]], 2)
    with pytest.raises(DataError, match="neither attributes nor vectors"):
        ContentKNN().fit(log, features=ItemFeatures.from_columns(2, {"kind": [None, None]}))
    with pytest.raises(DataError, match="describe 3 items"):
        ContentKNN().fit(log, features=ItemFeatures.from_columns(3, {"kind": ["a", "b", "c"]}))
