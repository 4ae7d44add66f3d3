"""Catalogue columns become arrays; what is unknown stays unknown."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core.item_features import ItemFeatures
from penchant.errors import DataError


def table(features: ItemFeatures) -> list[dict[str, float]]:
    return [
        {features.names[c]: float(v) for c, v in zip(features.indices[lo:hi], features.data[lo:hi], strict=True)}
        for lo, hi in zip(features.indptr, features.indptr[1:], strict=False)
    ]


def test_text_lists_numbers_and_booleans() -> None:
    features = ItemFeatures.from_columns(
        3,
        {
            "kind": ["a", None, "b"],
            "tags": [["x", "y"], [], ("y",)],
            "year": [1990, 2010, None],
            "new": [True, False, None],
        },
    )
    assert table(features) == [
        {"kind=a": 1, "tags=x": 1, "tags=y": 1, "year": -1, "new": 1},
        {"year": 1},
        {"kind=b": 1, "tags=y": 1},
    ]


def test_numbers_that_name_rather_than_measure_are_left_out() -> None:
    assert (
        table(ItemFeatures.from_columns(4, {"orig_id": [900, 17, 4, 2_000_000], "ID": list("abcd"), "flat": [3] * 4}))
        == [{}] * 4
    )
    some = ItemFeatures.from_columns(4, {"price": [1.5, 2.5, float("nan"), 3.5]})
    np.testing.assert_allclose(some.data, [-(1.5**0.5), 0, 1.5**0.5], rtol=1e-6)


def test_wrong_arrays_are_refused() -> None:
    ok = {"indptr": np.array([0, 1, 1]), "indices": np.array([0]), "data": np.array([1.0]), "names": ["a"]}
    assert ItemFeatures(2, **ok).n_items == 2
    for wrong in (
        {"indptr": np.array([0, 1])},
        {"indptr": np.array([0, 2, 1])},
        {"indices": np.array([1])},
        {"data": np.array([np.nan])},
        {"data": np.array([1.0, 2.0])},
        {"vectors": np.zeros((3, 2))},
        {"vectors": np.array([[0.0], [np.inf]])},
    ):
        with pytest.raises(DataError, match="item features"):
            ItemFeatures(2, **(ok | wrong))
    with pytest.raises(DataError, match="2 entries for 3 items"):
        ItemFeatures.from_columns(3, {"kind": ["a", "b"]})


def test_arrays_have_their_types_and_the_text_their_sizes() -> None:
    features = ItemFeatures.from_columns(2, {"kind": ["a", "b"], "price": [1, 4]}, vectors=np.ones((2, 3)))
    assert repr(features) == "ItemFeatures(2 items, 3 attributes, vectors of 3)"
    assert repr(ItemFeatures.from_columns(1, {"kind": ["a"]})) == "ItemFeatures(1 items, 1 attributes, vectors of 0)"
    arrays = (features.indptr, features.indices, features.data, features.vectors)
    assert [array.dtype for array in arrays] == [np.int64, np.int32, np.float32, np.float32]
    assert features.names == ["kind=a", "kind=b", "price"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"indptr": [1, 1, 1]}, "item features: indptr must have 3 numbers, start at 0 and not decrease"),
        ({"indptr": [0, 1]}, "item features: indptr must have 3 numbers, start at 0 and not decrease"),
        ({"indptr": [0, 1, 0]}, "item features: indptr must have 3 numbers, start at 0 and not decrease"),
        ({"indptr": [0, 1, 2]}, "item features: 2 attributes are expected, 1 are given"),
        ({"data": [1.0, 2.0]}, "item features: 1 attributes are expected, 1 are given"),
        ({"indices": [-1]}, "item features: attribute columns must be in [0, 1)"),
        ({"indices": [1]}, "item features: attribute columns must be in [0, 1)"),
        ({"vectors": [[1.0]]}, "item features: vectors have shape (1, 1), not (2, ...)"),
        ({"vectors": [1.0, 2.0]}, "item features: vectors have shape (2,), not (2, ...)"),
        ({"vectors": [[1.0], [np.nan]]}, "item features must be finite numbers"),
        ({"data": [np.inf]}, "item features must be finite numbers"),
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, list[float]], says: str) -> None:
    good = {"indptr": np.array([0, 1, 1]), "indices": np.array([0]), "data": np.array([1.0])}
    with pytest.raises(DataError) as refused:
        ItemFeatures(2, **(good | {name: np.array(value) for name, value in wrong.items()}), names=["a"])
    assert str(refused.value) == says
