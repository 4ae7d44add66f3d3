"""A model with an index over its items: the service maps a copy of it, and lists come from it, filters and all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penchant.core.histories import Floats, Ints
from penchant.core.nearest_items import Search
from penchant.data.catalog import Catalog
from penchant.data.read import read_interactions
from penchant.models.als import ALS
from penchant.models.kinds import products
from penchant.recommender import indexing
from penchant.recommender.folder.manifest import INDEX
from penchant.training.fit import fit
from tests.serve.conftest import Make, catalogue, rows

pytest.importorskip("faiss")


@pytest.fixture
def indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    log = read_interactions(rows())
    times = iter([100.0, 1.0])
    monkeypatch.setattr(indexing, "_milliseconds", lambda work, rows: next(times))
    rec = fit(log, ALS(factors=6, reg=0.01, unobserved=0.1), catalog=Catalog.read(catalogue(), log.vocab))
    assert "recall@10" in rec.build_index(rec.translation.of_log(log)[0])
    rec.save(tmp_path / "indexed")
    return tmp_path / "indexed"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many items each search of an index was asked for."""
    numbers: list[int] = []
    search = Search.__call__

    def told(self: Search, vector: Floats, k: int) -> Ints:
        numbers.append(k)
        return search(self, vector, k)

    monkeypatch.setattr(Search, "__call__", told)
    monkeypatch.setattr(products, "FEW_ITEMS", 0)  # all thirty would be scored without it
    return numbers


def test_exact_lists_are_a_setting(make: Make, indexed: Path, asked: list[int]) -> None:
    client = make(folder=str(indexed), exact=True)
    client.events({"user": "u", "item": "i00", "kind": "view"})
    assert len(client.ids("/v1/users/u/recommendations", k=7)) == 7
    assert asked == []


def test_lists_come_from_a_copy_of_the_index(make: Make, indexed: Path, tmp_path: Path, asked: list[int]) -> None:
    client = make(folder=str(indexed))
    (copy,) = (tmp_path / "store.db.models").glob("*.faiss")
    assert copy.read_bytes() == (indexed / INDEX).read_bytes()
    os.truncate(indexed / INDEX, 0)  # a process that maps it would be killed
    client.events({"user": "u", "item": "i00", "kind": "view"}, {"user": "u", "item": "i01", "kind": "view"})
    asked.clear()
    best = client.ids("/v1/users/u/recommendations", k=7)
    assert len(best) == 7 and not {"i00", "i01", "i09"} & set(best)  # seen, and not to be had
    assert asked
    films = client.ids("/v1/users/u/recommendations", k=7, where='{"domain": ["film"]}')
    assert len(films) == 7 and all(int(item[1:]) % 2 for item in films)
    assert [item for item in best if item in films] == [item for item in films if item in best]
    client.portal.call(client.service.tidy)
    assert copy.exists()
    assert client.post("/v1/models/indexed/activate").status_code == 409  # its folder is broken now
    assert client.ids("/v1/users/u/recommendations", k=7) == best
