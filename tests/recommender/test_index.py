"""Lists from an index: nearly the exact ones, with every filter k items long, kept in the folder and checked there."""

from __future__ import annotations

import gc
import itertools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from penchant.core import nearest_items
from penchant.core.histories import Histories
from penchant.core.nearest_items import LONGEST, Search
from penchant.core.rank import rank
from penchant.data.vocab import Vocab
from penchant.errors import DataError, FormatError, ParameterError
from penchant.models.als import ALS
from penchant.models.kinds import products
from penchant.recommender import indexing
from penchant.recommender.folder.copies import Copies
from penchant.recommender.folder.manifest import INDEX, MANIFEST, SEAL, seal
from penchant.recommender.indexing import SLOW_MS
from penchant.recommender.recommender import Recommender, load

pytest.importorskip("faiss")
ITEMS, FACTORS = 20_000, 8


@pytest.fixture(scope="module")
def histories() -> Histories:
    rng = np.random.default_rng(3)
    return Histories.from_lists([rng.choice(ITEMS, 6, replace=False) for _ in range(200)], ITEMS)


@pytest.fixture
def recommender(histories: Histories) -> Recommender:
    rng = np.random.default_rng(5)
    model = ALS(factors=FACTORS, reg=0.01, unobserved=0.1, epochs=1).fit(histories)
    model.item_vectors = rng.standard_normal((ITEMS, FACTORS), dtype=np.float32)
    model.spectrum = np.einsum("ij,ij->j", model.item_vectors, model.item_vectors)
    return Recommender(Vocab([str(item) for item in range(ITEMS)]), model)


@pytest.fixture
def takes(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], None]:
    """How many milliseconds an exact list and one from an index seem to take."""

    def set_(exact: float, near: float) -> None:
        times = itertools.cycle([exact, near])
        monkeypatch.setattr(indexing, "_milliseconds", lambda work, rows: next(times))

    return set_


@pytest.fixture
def indexed(recommender: Recommender, histories: Histories, takes) -> Recommender:
    takes(SLOW_MS + 1, SLOW_MS)
    recommender.build_index(histories, threads=1)
    assert recommender.model.index is not None
    return recommender


def shared(indexed: Recommender, given: Histories, **masks: object) -> float:
    near, exact = (rank(indexed.model, given, 10, exact=exact, **masks) for exact in (False, True))
    assert (near.items >= 0).all()
    for row in range(len(given)):
        assert len(set(near.items[row])) == 10
        assert not np.isin(near.items[row], given[row : row + 1].items).any()
    both = [np.isin(a, b).sum() for a, b in zip(near.items, exact.items, strict=True)]
    return float(np.sum(both)) / exact.items.size


def test_recall_is_reached_and_not_by_looking_at_all(indexed: Recommender, histories: Histories) -> None:
    facts = indexed.model.index.facts
    assert facts.recall >= facts.asked == nearest_items.RECALL
    assert facts.probes < facts.cells
    assert shared(indexed, histories) >= 0.97


@pytest.mark.parametrize("share", [0.5, 0.01, 0.001])
def test_filters_leave_full_lists(
    indexed: Recommender, histories: Histories, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    allow = np.random.default_rng(7).random(ITEMS) < share
    for few in (0, 1_000):  # through the index whatever the filter, and exact where few items pass
        monkeypatch.setattr(products, "FEW_ITEMS", few)
        near = rank(indexed.model, histories, 10, allow=allow)
        assert allow[near.items].all()
        assert shared(indexed, histories, allow=allow) >= 0.97


def test_fewer_items_than_asked_end_in_nothing(
    indexed: Recommender, histories: Histories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "FEW_ITEMS", 0)
    allow = np.zeros(ITEMS, np.bool_)
    allow[:4] = True
    near, exact = (rank(indexed.model, histories[:5], 10, allow=allow, exact=exact) for exact in (False, True))
    np.testing.assert_array_equal(near.items, exact.items)


def test_a_bias_counts(recommender: Recommender, histories: Histories, takes) -> None:
    takes(2, 1)
    recommender.model.item_bias = np.zeros(ITEMS, np.float32)
    recommender.model.item_bias[17] = 1e3
    recommender.build_index(histories, slower_than=1)
    assert recommender.recommend(["1", "2"], 3).ids[0] == "17"


def test_saved_with_its_facts_and_mapped(indexed: Recommender, histories: Histories, tmp_path) -> None:
    indexed.save(tmp_path / "m")
    manifest = json.loads((tmp_path / "m" / MANIFEST).read_text())
    assert manifest["index"]["recall"] >= 0.98
    again = load(tmp_path / "m")
    assert again.model.index.facts == indexed.model.index.facts
    one, two = (rank(each.model, histories, 10) for each in (indexed, again))
    np.testing.assert_array_equal(one.items, two.items)


def test_a_changed_file_is_refused(indexed: Recommender, tmp_path) -> None:
    indexed.save(tmp_path / "m")
    file = tmp_path / "m" / INDEX
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(FormatError, match="changed since it was saved"):
        load(tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"probes": 0}, "cannot read 0 of"),
        ({"probes": 10**6}, "cannot read 1000000 of"),
        ({"radius": "1"}, "'radius' is not a number"),
        ({"radius": -1.0}, "'radius' is not a number"),
        ({"items": 7}, "not an index over the items"),
        ({"width": 7}, "another index than"),
        ({"cells": 600}, "another index than"),
    ],
)
def test_facts_of_another_index_are_refused(
    indexed: Recommender, tmp_path, change: dict[str, object], said: str
) -> None:
    indexed.save(tmp_path / "m")
    manifest = json.loads((tmp_path / "m" / MANIFEST).read_text())
    manifest.pop(SEAL)
    manifest["index"] |= change
    (tmp_path / "m" / MANIFEST).write_text(json.dumps({**manifest, SEAL: seal(manifest)}))
    with pytest.raises(FormatError, match=said):
        load(tmp_path / "m")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_copy_is_mapped_and_kept_while_it_is_used(indexed: Recommender, histories: Histories, tmp_path) -> None:
    indexed.save(tmp_path / "m")
    copies = Copies(tmp_path / "copies")
    served = load(tmp_path / "m", copies=copies)
    (copy,) = copies.folder.glob("*.faiss")
    assert str(copy) in Path("/proc/self/maps").read_text()
    os.truncate(tmp_path / "m" / INDEX, 0)  # a process that maps it would be killed
    one, two = (rank(each.model, histories, 10) for each in (indexed, served))
    np.testing.assert_array_equal(one.items, two.items)
    assert copies.tidy() == 0
    del served
    gc.collect()
    assert copies.tidy() == 2


def test_another_content_is_not_copied(indexed: Recommender, tmp_path) -> None:
    indexed.save(tmp_path / "m")
    file = tmp_path / "m" / INDEX
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    with pytest.raises(FormatError, match="changed since it was saved"):
        load(tmp_path / "m", copies=Copies(tmp_path / "copies"))


def test_without_the_extra_lists_are_exact(
    indexed: Recommender, histories: Histories, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed.save(tmp_path / "m")
    monkeypatch.setattr("penchant.recommender.folder.index_file.installed", lambda: False)
    again = load(tmp_path / "m")
    assert again.model.index is None
    assert "penchant[index]" in again.model.notes[0]
    np.testing.assert_array_equal(
        rank(again.model, histories, 10).items, rank(indexed.model, histories, 10, exact=True).items
    )


def test_an_index_is_built_only_where_it_helps(recommender: Recommender, histories: Histories, takes) -> None:
    takes(SLOW_MS, 1)
    assert "no index: an exact list takes 5 ms" in recommender.build_index(histories)
    assert recommender.model.index is None
    takes(SLOW_MS + 1, SLOW_MS + 1)
    assert "no index: a list from it takes 6 ms" in recommender.build_index(histories)
    assert recommender.model.index is None
    takes(SLOW_MS + 1, 1)
    assert "a list takes 1 instead of 6 ms" in recommender.build_index(histories)
    assert (recommender.model.index.facts.exact_ms, recommender.model.index.facts.index_ms) == (SLOW_MS + 1, 1)


def test_times_are_measured(recommender: Recommender, histories: Histories) -> None:
    said = recommender.build_index(histories, slower_than=1e6)
    assert 0 < float(said.split("takes ")[1].split(" ms")[0]) < 1e4


@pytest.mark.parametrize("wrong", [{"recall": 0.0}, {"recall": 1.1}, {"slower_than": -1.0}])
def test_settings_out_of_range_are_refused(recommender: Recommender, histories: Histories, wrong: dict) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        recommender.build_index(histories, **wrong)


def test_without_histories_there_is_nothing_to_measure(recommender: Recommender, histories: Histories) -> None:
    with pytest.raises(DataError, match="histories with an event"):
        recommender.build_index(histories.without_events())


def test_a_recall_that_is_not_reached_leaves_lists_exact(
    recommender: Recommender, histories: Histories, takes, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes(SLOW_MS + 1, 1)
    monkeypatch.setattr(nearest_items, "_shares", lambda made, queries, *_: np.full((len(queries), 2), 0.9))
    assert "less than 0.98" in recommender.build_index(histories)
    assert recommender.model.index is None


def test_long_lists_are_exact(indexed: Recommender, histories: Histories, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    search = Search.__call__
    monkeypatch.setattr(Search, "__call__", lambda self, vector, k: asked.append(k) or search(self, vector, k))
    near = rank(indexed.model, histories[:20], LONGEST)
    assert len(asked) == 20
    exact = rank(indexed.model, histories[:20], LONGEST + 1)
    assert len(asked) == 20
    both = [np.isin(a, b[:LONGEST]).sum() for a, b in zip(near.items, exact.items, strict=True)]
    assert sum(both) >= 0.97 * near.items.size


@pytest.mark.parametrize("n", [0, 7, 8, 61, 1_000])
def test_the_items_of_a_mask(n: int) -> None:
    rng = np.random.default_rng(n)
    for share in (0.0, 0.02, 0.5, 1.0):
        mask = rng.random(2 * n) < share
        for part in (mask[:n], mask[::2], mask[1 : n + 1]):
            np.testing.assert_array_equal(nearest_items._set_in(part), np.flatnonzero(part))


def test_threads_change_nothing(indexed: Recommender, histories: Histories) -> None:
    one, two = (rank(indexed.model, histories, 10, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one.items, two.items)
    np.testing.assert_array_equal(one.scores, two.scores)


def test_other_vectors_make_the_index_void(indexed: Recommender, histories: Histories) -> None:
    indexed.model.item_vectors = indexed.model.item_vectors[::-1].copy()
    np.testing.assert_array_equal(
        rank(indexed.model, histories, 10).items, rank(indexed.model, histories, 10, exact=True).items
    )
