"""An index over the items: every model whose scores are inner products can have one, the others refuse it."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from penchant.core import nearest_items
from penchant.core.histories import Histories
from penchant.core.rank import rank
from penchant.data.vocab import Vocab
from penchant.errors import ParameterError
from penchant.models.kinds import products
from penchant.models.kinds.products import ProductModel
from penchant.recommender import indexing
from penchant.recommender.recommender import Recommender
from tests.models.fitting import data, fitted, usable

pytest.importorskip("faiss")
WITHOUT = {
    "popular", "random", "bias", "item-knn", "user-knn", "content-knn", "transitions", "session-knn", "ease",
    "sparse-ease", "slim", "tifu-knn", "buy-again", "rp3beta", "graph-filter", "slope-one", "neu-mf", "blend", "ranked",
    "gbm-rating", "fm", "fm-rating", "deepfm", "deepfm-rating",
}  # fmt: skip


@pytest.fixture(autouse=True)
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact lists seem slow."""
    times = iter([100.0, 1.0] * 2)
    monkeypatch.setattr(indexing, "_milliseconds", lambda work, rows: next(times))


def with_index(name: str) -> ProductModel:
    """A copy of the fitted model, with an index."""
    model, part = copy.copy(fitted(name)), data(fitted(name).task)
    assert isinstance(model, ProductModel)
    rec = Recommender(Vocab([str(item) for item in range(model.n_items)]), model)
    assert "recall@10" in rec.build_index(part.train)
    return model


def assert_same_lists(model: ProductModel, given: Histories, k: int = 5, **masks: object) -> None:
    assert model.near(given, k, exclude=given, allow=None, popularity_rank=np.arange(model.n_items), threads=1)
    near, exact = (rank(model, given, k, exact=exact, **masks) for exact in (False, True))
    np.testing.assert_array_equal(near.items >= 0, exact.items >= 0)
    np.testing.assert_allclose(near.scores, exact.scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in usable() if name not in WITHOUT])
def test_lists_from_the_index_are_the_exact_ones(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, part = with_index(name), data(fitted(name).task)
    assert_same_lists(model, part.given[:40])
    assert_same_lists(model, part.given[:1])
    allow = np.arange(model.n_items) % 2 == 0
    for few in (0, nearest_items.FEW_ITEMS):
        monkeypatch.setattr(products, "FEW_ITEMS", few)
        assert_same_lists(model, part.given[:20], allow=allow)
        assert_same_lists(model, part.given[:20], k=model.n_items, allow=allow)


@pytest.mark.parametrize("name", [name for name in usable() if name in WITHOUT])
def test_the_others_refuse_by_name(name: str) -> None:
    model = fitted(name)
    rec = Recommender(Vocab([str(item) for item in range(model.n_items)]), model)
    with pytest.raises(ParameterError, match=f"^{name} has no index: its scores are not inner products"):
        rec.build_index(data(model.task).train)


def test_dislikes_count_against_similar_items() -> None:
    model = with_index("pure-svd")
    given = data(model.task).given[:20]
    values = np.where(np.arange(len(given.items)) % 3, 1.0, -1.0).astype(np.float32)
    weighed = Histories(given.indptr, given.items, given.n_items, values=values, values_are="weight", times=given.times)
    assert weighed.has_dislikes
    assert_same_lists(model, weighed)
    plain = rank(model, given, 5, exclude=weighed)
    assert (plain.scores != rank(model, weighed, 5).scores).any()
