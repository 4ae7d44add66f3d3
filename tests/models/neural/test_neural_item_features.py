"""Items known by what they are too: the arithmetic beside a plain loop, and new items of a transformer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import penchant as pc
from penchant.core.item_features import ItemFeatures
from penchant.errors import DataError, ParameterError
from penchant.models.neural.kinds.item_features import ItemFeatureModel, _entries, _shared
from tests.models.neural.small_logs_of_walks import ONE, small

ITEMS = 24
KINDS = ["tea", "jam", "ink"]


def things(n_items: int) -> ItemFeatures:
    """Items of three kinds in turn, each with a name that no other has, the even ones with a second mark."""
    lists = [[KINDS[n % 3], f"only {n}", *(["even"] if n % 2 == 0 else [])] for n in range(n_items)]
    return ItemFeatures.from_columns(n_items, {"mark": lists})


def walks(rng: np.random.Generator) -> pc.Histories:
    """Everybody keeps to one kind."""
    rows = [[int(3 * n + user % 3) for n in rng.permutation(ITEMS // 3)[:5]] for user in range(90)]
    return pc.Histories.from_lists(rows, ITEMS)


def test_the_part_of_the_catalogue_is_the_mean_over_attributes_that_others_have_too() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((ITEMS, 4)).astype(np.float32)
    lists = things(ITEMS)
    values = rng.random(len(lists.data)).astype(np.float32)
    features = ItemFeatures(ITEMS, lists.indptr, lists.indices, values, lists.names, vectors)
    model = small("sasrec", attributes=True)
    assert isinstance(model, ItemFeatureModel)
    model.features = features
    weights = model._feature_weights(rng, 0.3)
    assert not any("only" in name for name in _shared(features)) and len(weights["attributes"]) == 4
    expected = np.zeros((ITEMS, 8), dtype=np.float32)
    for item in range(ITEMS):
        at = range(features.indptr[item], features.indptr[item + 1])
        found = [(features.names[features.indices[n]], features.data[n]) for n in at]
        known = [(weights["attributes"][_shared(features).index(n)], x) for n, x in found if "only" not in n]
        expected[item] = sum(x * vector for vector, x in known) / len(known) + vectors[item] @ weights["projection"]
    np.testing.assert_allclose(model._keep_features(weights), expected, atol=1e-6)
    own = torch.from_numpy(rng.standard_normal((ITEMS, 8)).astype(np.float32))
    said = model._add_features({name: torch.from_numpy(array) for name, array in weights.items()}, own)
    np.testing.assert_allclose(said.numpy(), own.numpy() + expected, atol=1e-6)


def test_an_attribute_nobody_knows_takes_no_share() -> None:
    features = ItemFeatures.from_columns(2, {"mark": [["a", "new"], ["a"]]})
    indptr, indices, data = _entries(features, {"mark=a": 0})
    assert (indptr.tolist(), indices.tolist(), data.tolist()) == ([0, 1, 2], [0, 0], [1.0, 1.0])


@pytest.mark.parametrize("temperature", [None, 0.1])
def test_a_transformer_places_new_items_by_their_attributes(temperature: float | None) -> None:
    model = small("sasrec", attributes=True, temperature=temperature, epochs=25, rate=0.02, layers=1)
    model.fit(walks(np.random.default_rng(1)), run=ONE, features=things(ITEMS))
    before = model.score(pc.Histories.from_lists([[0, 3]], ITEMS))
    assert isinstance(model, ItemFeatureModel)
    model.extend(things(ITEMS + 3))
    asked = pc.Histories.from_lists([[0, 3, 6], [1, 4], [2, 5], [ITEMS], [ITEMS + 1]], ITEMS + 3)
    scores = model.score(asked)
    assert scores[:3, ITEMS:].argmax(axis=1).tolist() == [0, 1, 2]
    assert (scores[3:, :ITEMS].argmax(axis=1) % 3).tolist() == [0, 1], "and a history may hold new ones"
    again = model.score(pc.Histories.from_lists([[0, 3]], ITEMS + 3))
    np.testing.assert_allclose(again[:, :ITEMS], before, atol=1e-5)


def test_without_attributes_it_says_what_it_lacks() -> None:
    log = walks(np.random.default_rng(1))
    with pytest.raises(DataError, match="catalogue"):
        small("sasrec", attributes=True).fit(log, run=ONE)
    plain = small("sasrec", epochs=1).fit(log, run=ONE)
    assert isinstance(plain, ItemFeatureModel)
    with pytest.raises(ParameterError, match="attributes=true"):
        plain.extend(things(ITEMS + 1))
