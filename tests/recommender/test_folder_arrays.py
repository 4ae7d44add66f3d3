"""Learned fields of every shape as named arrays and back, and what is refused of a forged file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

import penchant as pc
from penchant.core.histories import Floats, Histories, Ints
from penchant.data.recipe import Recipe
from penchant.data.vocab import Vocab
from penchant.errors import FormatError
from penchant.models.kinds.base import Model, learned
from penchant.models.parts.weights import Weights
from penchant.recommender.folder import tensors
from penchant.recommender.folder.arrays import fill, fill_statistics, flatten, flatten_statistics
from penchant.recommender.folder.contents import content_hash

N = 4


@dataclass(frozen=True)
class Pair:
    left: Floats
    right: Ints | None = None


@dataclass(kw_only=True)
class Odd(Model):
    """A model that learns a field of every shape."""

    name: ClassVar[str] = "odd"

    table: Floats = learned()
    number: int = learned()
    share: float = learned()
    flag: bool = learned()
    pair: Pair = learned()
    layers: list[Floats] = learned()
    both: tuple[Pair, ...] = learned()
    named: dict[str, Floats] = learned()
    plain: dict[str, Floats] = learned()
    free: Any = learned()
    nothing: Floats | None = learned()
    operator: Weights = learned()

    def _fit(self, train: Histories, valid: Any, run: Any) -> None:
        ones = np.ones(2, np.float32)
        self.table, self.number, self.share, self.flag = np.eye(2, dtype=np.float32), 7, 0.5, True
        self.pair, self.layers = Pair(ones, np.arange(3, dtype=np.int32)), [ones * n for n in range(12)]
        self.both, self.named = (Pair(ones), Pair(2 * ones)), {"a.b": ones, "c": 3 * ones}
        self.plain, self.free = {"p": ones, "q": 5 * ones}, {"k": ones}
        self.operator = Weights(dense=np.eye(N, dtype=np.float32))

    def _score(self, given: Histories) -> Floats:
        return np.zeros((len(given), N), dtype=np.float32)


TRAIN = Histories.from_lists([[0, 1], [2, 3]], N)
ONE = np.float32(1)


def fitted() -> Odd:
    return Odd().fit(TRAIN)


def test_every_shape_comes_back() -> None:
    arrays = flatten(fitted())
    assert list(arrays) == [
        "item_counts", "table", "number", "share", "flag", "pair.left", "pair.right",
        *(f"layers.{n}" for n in range(12)), "both.0.left", "both.1.left", "named.a.b", "named.c",
        "plain.p", "plain.q", "free.k", "operator.dense",
    ]  # fmt: skip
    back = Odd()
    fill(back, arrays, N)
    assert (back.number, back.share, back.flag) == (7, 0.5, True)
    assert [type(value) for value in (back.number, back.share, back.flag)] == [int, float, bool]
    assert back.table is arrays["table"] and back.nothing is None
    assert isinstance(back.pair, Pair) and back.pair.right.tolist() == [0, 1, 2] and back.both[0].right is None
    assert [layer[0] for layer in back.layers] == list(range(12)) and isinstance(back.layers, list)
    assert isinstance(back.both, tuple) and back.both[1].left.tolist() == [2, 2]
    assert list(back.named) == ["a.b", "c"] and back.named["c"].tolist() == [3, 3]
    assert {key: array.tolist() for key, array in back.plain.items()} == {"p": [1, 1], "q": [5, 5]}
    assert back.free["k"].tolist() == [1, 1]
    assert flatten(back).keys() == arrays.keys()


def put(**more: NDArray[Any]) -> Any:
    return lambda arrays: arrays.update({name.replace("__", "."): value for name, value in more.items()})


def drop(*names: str) -> Any:
    return lambda arrays: [arrays.pop(name) for name in names]


SPARSE = {"indptr": np.zeros(N + 1, np.int64), "indices": np.empty(0, np.int32), "data": np.empty(0, np.float32)}


def sparse(**parts: NDArray[Any]) -> Any:
    return put(**{f"operator__{name}": value for name, value in {**SPARSE, **parts}.items()})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put(strange=ONE), "'strange' is not learned by the model 'odd'"),
        (put(pair__middle=ONE), "pair.middle is not a part of Pair"),
        (put(pair=ONE), "'pair' is both an array and a group of arrays"),
        (
            lambda a: (drop("pair.left", "pair.right")(a), put(pair=ONE)(a)),
            "'pair' should be a group of arrays, it is one",
        ),
        (put(table__more=ONE), "'table' is both an array and a group of arrays"),
        (
            lambda a: (drop("table")(a), put(table__a=ONE, table__b=ONE)(a)),
            "'table' should be one array, the file holds a, b of it",
        ),
        (drop("layers.0"), "the parts of 'layers' are not numbered from 0"),
        (put(layers__x=ONE), "the parts of 'layers' are not numbered from 0"),
        (put(number=np.arange(2)), "'number' should be one number, it has the shape (2,)"),
        (put(table=np.eye(2)), "'table' should hold float32, it holds float64"),
        (put(named__c=np.ones(2)), "'named.c' should hold float32, it holds float64"),
        (put(plain__q=np.ones(2)), "'plain.q' should hold float32, it holds float64"),
        (put(layers__3=np.ones(2)), "'layers.3' should hold float32, it holds float64"),
        (put(pair__right=np.arange(3)), "'pair.right' should hold int32, it holds int64"),
        (drop("item_counts"), f"the model counts 0 items, the folder holds {N}"),
        (put(item_counts=np.zeros(3, np.int64)), f"the model counts 3 items, the folder holds {N}"),
        (
            put(operator__dense=np.eye(3, dtype=np.float32)),
            "operator: the dense part has the shape (3, 3), not (4, 4)",
        ),
        (put(operator__indptr=SPARSE["indptr"]), "operator: indptr, indices and data belong together"),
        (put(operator__left=np.ones((N, 2), np.float32)), "operator: left and right belong together"),
        (
            put(operator__left=np.ones((N, 2), np.float32), operator__right=np.ones((3, N), np.float32)),
            "operator: left and right do not fit each other and 4 items",
        ),
        (
            put(operator__left=np.ones((3, 2), np.float32), operator__right=np.ones((2, N), np.float32)),
            "operator: left and right do not fit each other and 4 items",
        ),
        *(
            (sparse(**{name: value}), "operator: the sparse part is not an operator over 4 items")
            for name, value in {
                "indptr": np.array([0, 0, 0, 0, 1], np.int64),
                "indices": np.zeros(1, np.int32),
                "data": np.zeros(1, np.float32),
            }.items()
        ),
        (sparse(indptr=np.zeros(N, np.int64)), "operator: the sparse part is not an operator over 4 items"),
        (sparse(indptr=np.full(N + 1, 1, np.int64)), "operator: the sparse part is not an operator over 4 items"),
        *(
            (
                sparse(
                    indptr=np.array(indptr, np.int64), indices=np.array([item], np.int32), data=np.ones(1, np.float32)
                ),
                "operator: the sparse part is not an operator over 4 items",
            )
            for indptr, item in (([0, 0, 1, 1, 1], N), ([0, 0, 1, 1, 1], -1), ([0, 1, 0, 1, 1], 0))
        ),
    ],
)
def test_forged_arrays_are_refused(change: Any, says: str) -> None:
    arrays = flatten(fitted())
    change(arrays)
    with pytest.raises(FormatError) as refused:
        fill(Odd(), arrays, N)
    assert str(refused.value) == says


def test_an_operator_inside_the_bounds_is_taken() -> None:
    arrays = flatten(fitted())
    parts = {"indptr": [0, 1, 1, 1, 2], "indices": [N - 1, 0], "data": [1, 1]}
    sparse(**{name: np.array(value, SPARSE[name].dtype) for name, value in parts.items()})(arrays)
    put(operator__left=np.ones((N, 2), np.float32), operator__right=np.ones((2, N), np.float32))(arrays)
    back = Odd()
    fill(back, arrays, N)
    assert back.operator.indices.tolist() == [N - 1, 0]


def test_what_is_not_an_array_cannot_be_saved() -> None:
    model = fitted()
    model.free = {1: np.ones(1)}
    with pytest.raises(FormatError) as refused:
        flatten(model)
    assert str(refused.value) == "the learned 'free' has a key that is not text: 1"
    model.free = "text"
    with pytest.raises(FormatError) as refused:
        flatten(model)
    assert str(refused.value) == "the learned 'free' is a str: only arrays can be saved"


def test_statistics_are_apart_from_what_is_learned() -> None:
    model = pc.Popular()
    model.fit(TRAIN, updatable=True)
    arrays = flatten_statistics(model)
    assert list(arrays) == ["statistics.weight"] and "statistics.weight" not in flatten(model)
    assert flatten_statistics(fitted()) == {} and flatten_statistics(pc.Popular().fit(TRAIN)) == {}
    back = pc.Popular().fit(TRAIN)
    fill_statistics(back, arrays, N)
    assert back.statistics.weight.tolist() == [1, 1, 1, 1]
    for target, given, says in (
        (fitted(), arrays, "these are not the statistics of the model 'odd'"),
        (back, {**arrays, "other": ONE}, "these are not the statistics of the model 'popular'"),
        (back, {"statistics.size": ONE}, "statistics.size is not a part of Sums"),
    ):
        with pytest.raises(FormatError) as refused:
            fill_statistics(target, given, N)
        assert str(refused.value) == says
    with pytest.raises(FormatError, match="statistics"):
        fill_statistics(back, arrays, N + 1)


def test_the_hash_is_that_of_everything_answers_depend_on() -> None:
    def hashed(ids: str = "abcd", recipe: Recipe | None = None, model: Model | None = None) -> str:
        return content_hash(Vocab(list(ids)), recipe or Recipe({"a": 1, "b": 2}), model or pc.Popular().fit(TRAIN))

    blend = pc.Blend(members=[pc.Popular(), pc.Random()]).fit(TRAIN)
    other = pc.Blend(members=[pc.Popular(), pc.Random()]).fit(TRAIN)
    other.members[0].scores = other.members[0].scores + 1
    with_asset = pc.Popular().fit(TRAIN)
    with_asset.assets["encoder.onnx"] = b"graph"
    twin = pc.Popular().fit(TRAIN)
    twin.assets["encoder.onnx"] = b"other"
    kinds = [hashed(), hashed("abce"), hashed(recipe=Recipe({"a": 1, "b": 3})), hashed(model=pc.Random().fit(TRAIN))]
    kinds += [hashed(model=model) for model in (blend, other, with_asset, twin)]
    assert len({*kinds}) == len(kinds) and all(len(one) == 64 for one in kinds)
    assert hashed() == kinds[0] == hashed(recipe=Recipe({"b": 2, "a": 1}))
    assert hashed(model=pc.Blend(members=[pc.Popular(), pc.Random()]).fit(TRAIN)) == kinds[4]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "a.safetensors is truncated or not a safetensors file"),
        (b"\x02\0\0\0\0\0\0\0{", "a.safetensors is truncated or not a safetensors file"),
        (b"\x01\0\0\0\0\0\0\0{}", "a.safetensors is truncated or not a safetensors file"),
        (b"\x02\0\0\0\0\0\0\0{x", "a.safetensors: the header is not JSON"),
        (b"\x02\0\0\0\0\0\0\0[]", "a.safetensors: the header is not an object"),
        (b"\x02\0\0\0\0\0\0\0{}x", "a.safetensors is too long: 1 bytes of data, 0 described"),
    ],
)
def test_what_is_not_a_file_of_tensors_is_refused(data: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(data)
    with pytest.raises(FormatError) as refused:
        tensors.read(tmp_path / "a.safetensors")
    assert str(refused.value) == says
